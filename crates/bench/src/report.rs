//! What a run found: rows with their limit and target, as a table or as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::fleet::Integrity;
use crate::process::Machine;

/// What a target is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The measured value.
    Value,
    /// The value divided by the limit of the same run.
    Ratio,
}

/// The figures to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
    /// What is compared.
    pub of: Of,
    /// Whether less is better.
    pub is_upper_bound: bool,
    /// What must be reached.
    pub must: f64,
    /// What is aimed at.
    pub aim: f64,
}

impl Target {
    /// At most `must`, better `aim`.
    pub fn at_most(of: Of, must: f64, aim: f64) -> Option<Self> {
        Some(Self {
            of,
            is_upper_bound: true,
            must,
            aim,
        })
    }

    /// At least `must`, better `aim`.
    pub fn at_least(of: Of, must: f64, aim: f64) -> Option<Self> {
        Some(Self {
            of,
            is_upper_bound: false,
            must,
            aim,
        })
    }

    fn verdict(&self, figure: f64) -> Verdict {
        let holds = |bound| {
            if self.is_upper_bound {
                figure <= bound
            } else {
                figure >= bound
            }
        };
        match (holds(self.aim), holds(self.must)) {
            (true, _) => Verdict::Aim,
            (false, true) => Verdict::Ok,
            (false, false) => Verdict::Miss,
        }
    }
}

/// How a row did against its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Reaches what is aimed at.
    Aim,
    /// Reaches what it must.
    Ok,
    /// Reaches neither.
    Miss,
    /// There is no target, or not under these conditions.
    None,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The scenario it belongs to.
    pub scenario: &'static str,
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The same figure of the limit row.
    pub limit: Option<f64>,
    /// The figures to reach.
    pub target: Option<Target>,
    /// How it came about, and figures beside it.
    pub note: String,
}

impl Row {
    /// `value ÷ limit`.
    pub fn ratio(&self) -> Option<f64> {
        self.limit
            .filter(|limit| *limit > 0.0)
            .map(|limit| self.value / limit)
    }

    /// Whether the target is reached.
    pub fn verdict(&self) -> Verdict {
        let Some(target) = &self.target else {
            return Verdict::None;
        };
        let figure = match target.of {
            Of::Value => Some(self.value),
            Of::Ratio => self.ratio(),
        };
        figure.map_or(Verdict::None, |figure| target.verdict(figure))
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The machine, if anything was measured.
    pub machine: Option<Machine>,
    /// The command line.
    pub command: String,
    /// The date, if it was given.
    pub date: Option<String>,
    /// Release or debug build of the load tester (and of a server it starts itself).
    pub build: &'static str,
    /// Further conditions, as sentences.
    pub conditions: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
    /// Scenarios that could not be measured, and why.
    pub failures: Vec<String>,
    /// Lost, doubled, reordered.
    pub integrity: Integrity,
}

impl Report {
    /// Whether nothing was lost, doubled or reordered, and every scenario was measured.
    pub fn is_clean(&self) -> bool {
        self.integrity.is_clean() && self.failures.is_empty()
    }

    /// The report as text: a table (Markdown), or JSON.
    pub fn render(&self, as_json: bool) -> String {
        if self.machine.is_none() {
            return String::new();
        }
        if as_json {
            return serde_json::to_string_pretty(&self.to_json()).unwrap_or_default();
        }
        self.table()
    }

    fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!(self);
        let rows = json.get_mut("rows").and_then(|rows| rows.as_array_mut());
        for (shown, row) in rows.into_iter().flatten().zip(&self.rows) {
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("ratio".into(), serde_json::json!(row.ratio()));
                shown.insert("verdict".into(), serde_json::json!(row.verdict()));
            }
        }
        json
    }

    fn table(&self) -> String {
        let header = [
            "scenario", "what", "measured", "limit", "ratio", "must", "aim", "", "note",
        ];
        let mut lines: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(cells));
        let widths: Vec<usize> = (0..header.len() - 1)
            .map(|column| {
                let width = |line: &Vec<String>| line.get(column).map_or(0, |c| c.chars().count());
                lines.iter().map(width).max().unwrap_or(0)
            })
            .collect();
        let mut out = self.preface();
        for (number, line) in lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                let _ = write!(out, "| {cell:width$} ");
            }
            out.push_str("|\n");
            if number == 0 {
                for width in widths.iter().chain([&4]) {
                    let _ = write!(out, "| {:-<width$} ", "");
                }
                out.push_str("|\n");
            }
        }
        out.push_str(&self.ending());
        out
    }

    fn preface(&self) -> String {
        let mut out = String::new();
        if let Some(m) = &self.machine {
            let _ = writeln!(
                out,
                "{} cores ({}), {:.0} GiB, Linux {}, {} build{}",
                m.cores,
                m.cpu,
                m.memory_gib,
                m.kernel,
                self.build,
                self.date
                    .as_ref()
                    .map_or(String::new(), |d| format!(", {d}"))
            );
        }
        let _ = writeln!(out, "`{}`", self.command);
        for condition in &self.conditions {
            let _ = writeln!(out, "- {condition}");
        }
        out.push('\n');
        out
    }

    fn ending(&self) -> String {
        let i = &self.integrity;
        let mut out = format!(
            "\n{} deliveries: {} lost, {} doubled, {} reordered, {} not stored; {} resyncs, {} errors{}\n",
            i.delivered,
            i.lost,
            i.doubled,
            i.reordered,
            i.unstored,
            i.resyncs,
            i.errors,
            i.first_error
                .as_ref()
                .map_or(String::new(), |e| format!(" (first: {e})"))
        );
        for failure in &self.failures {
            let _ = writeln!(out, "not measured: {failure}");
        }
        out
    }
}

fn cells(row: &Row) -> Vec<String> {
    let bound = |of: &Target, figure: f64| {
        let sign = if of.is_upper_bound { "≤" } else { "≥" };
        let suffix = if of.of == Of::Ratio { " ×" } else { "" };
        format!("{sign} {}{suffix}", short(figure))
    };
    let target = |pick: fn(&Target) -> f64| {
        row.target
            .as_ref()
            .map_or(String::new(), |t| bound(t, pick(t)))
    };
    vec![
        row.scenario.to_owned(),
        row.what.clone(),
        format!("{} {}", short(row.value), row.unit),
        row.limit.map_or(String::new(), short),
        row.ratio().map_or(String::new(), |r| format!("{r:.2}")),
        target(|t| t.must),
        target(|t| t.aim),
        match row.verdict() {
            Verdict::Aim => "aim",
            Verdict::Ok => "ok",
            Verdict::Miss => "MISS",
            Verdict::None => "",
        }
        .to_owned(),
        row.note.clone(),
    ]
}

/// Three or four significant digits.
fn short(figure: f64) -> String {
    match figure.abs() {
        n if n >= 100.0 => format!("{figure:.0}"),
        n if n >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, limit: Option<f64>, target: Option<Target>) -> Row {
        Row {
            scenario: "fan-out",
            what: "CPU per delivery".into(),
            value,
            unit: "µs",
            limit,
            target,
            note: String::new(),
        }
    }

    #[test]
    fn verdicts_follow_value_or_ratio_in_the_right_direction() {
        fn check(value: f64, limit: Option<f64>, target: Option<Target>, expected: Verdict) {
            assert_eq!(
                row(value, limit, target).verdict(),
                expected,
                "{value} {limit:?}"
            );
        }
        let ratio = Target::at_most(Of::Ratio, 1.3, 0.85);
        check(5.0, Some(4.0), ratio, Verdict::Ok);
        check(5.3, Some(4.0), ratio, Verdict::Miss);
        check(3.4, Some(4.0), ratio, Verdict::Aim);
        check(3.4, None, ratio, Verdict::None);
        check(3.4, Some(0.0), ratio, Verdict::None);
        let least = Target::at_least(Of::Value, 5000.0, 15000.0);
        check(4999.0, None, least, Verdict::Miss);
        check(5000.0, None, least, Verdict::Ok);
        check(20000.0, None, least, Verdict::Aim);
        check(1.0, None, None, Verdict::None);
    }

    fn report() -> Report {
        Report {
            machine: Some(Machine {
                cores: 2,
                cpu: "Abacus".into(),
                memory_gib: 24.0,
                kernel: "6.18".into(),
            }),
            command: "parlour bench".into(),
            build: "release",
            rows: vec![row(5.0, Some(4.0), Target::at_most(Of::Ratio, 1.3, 0.85))],
            ..Report::default()
        }
    }

    #[test]
    fn the_table_names_machine_targets_and_verdict() {
        let text = report().render(false);
        for part in [
            "2 cores (Abacus)",
            "5.00 µs",
            "1.25",
            "≤ 1.30 ×",
            "| ok ",
            "0 lost",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn json_carries_ratio_and_verdict() {
        let json: serde_json::Value = serde_json::from_str(&report().render(true)).unwrap();
        assert_eq!(json["rows"][0]["verdict"], "ok");
        assert_eq!(json["rows"][0]["ratio"], 1.25);
        assert_eq!(json["integrity"]["lost"], 0);
        assert_eq!(json["machine"]["cores"], 2);
    }

    #[test]
    fn a_loss_or_a_failed_scenario_is_not_clean_and_nothing_measured_is_no_text() {
        let mut lossy = report();
        assert!(lossy.is_clean());
        lossy.integrity.lost = 1;
        assert!(!lossy.is_clean());
        let mut failed = report();
        failed.failures.push("page: no".into());
        assert!(!failed.is_clean());
        assert!(failed.render(false).contains("not measured: page: no"));
        assert_eq!(Report::default().render(false), "");
    }
}
