//! Logs on standard error: one line per event.
//!
//! Without `debug` a line is `key=value` throughout, for machines and for `grep`; with it
//! the message comes first, for people. Foreign text cannot break out of its line: control
//! characters are escaped, so nobody forges a log entry or paints a terminal.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Tasks and threads that have panicked since the start.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many tasks and threads have panicked since the start.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Starts logging to standard error, from `usual` on. `filter` is the value of `RUST_LOG`.
pub fn start(readable: bool, usual: LevelFilter, filter: Option<&str>) {
    let parsed = filter
        .filter(|text| !text.trim().is_empty())
        .map(str::parse::<Targets>);
    let is_wrong = matches!(parsed, Some(Err(_)));
    let targets = match parsed {
        Some(Ok(targets)) => targets,
        // What the HTTP library says about each connection is noise, also for developers.
        _ => Targets::new()
            .with_default(usual)
            .with_target("hyper", LevelFilter::INFO),
    };
    let paint = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .fmt_fields(Fields)
        .event_format(Line { readable, paint });
    // Tests may start twice in one process; the first holds.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(layer)
        .try_init();
    if is_wrong {
        tracing::warn!(
            "RUST_LOG cannot be read and is ignored; write, for example, info,store=debug"
        );
    }
}

/// Replaces the panic message: it goes to the log, with the place and without formatted
/// text, which could hold what someone wrote.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let total = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
        let place = info
            .location()
            .map_or_else(String::new, ToString::to_string);
        let thread = std::thread::current()
            .name()
            .unwrap_or("unnamed")
            .to_owned();
        tracing::error!(
            panic.place = %place,
            panic.thread = %thread,
            panics = total,
            "a bug stopped one task, the server goes on: {}",
            harmless_message(info)
        );
    }));
}

/// A literal from the source may be shown; a formatted message may hold foreign words.
fn harmless_message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    info.payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(text withheld)")
}

/// Prints an event as one line.
struct Line {
    readable: bool,
    paint: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<tracing_subscriber::fmt::FormattedFields<N>>()
                && !fields.is_empty()
            {
                let _ = write!(parts.fields, " {fields}");
            }
        }
        let level = *event.metadata().level();
        let target = event.metadata().target();
        let at = crate::wiring::now();
        if self.readable {
            let word = format!("{:>5}", level.as_str());
            write!(
                writer,
                "{at} {} {}",
                paint(self.paint, level, &word),
                parts.message
            )?;
            let dim = |text: &str| {
                if self.paint {
                    format!("\u{1b}[2m{text}\u{1b}[0m")
                } else {
                    text.to_owned()
                }
            };
            writeln!(writer, "{}", dim(&format!("{} ({target})", parts.fields)))
        } else {
            let word = paint(self.paint, level, &level.as_str().to_ascii_lowercase());
            write!(
                writer,
                "at={at} level={word} target={target} message=\"{}\"",
                parts.message
            )?;
            writeln!(writer, "{}", parts.fields)
        }
    }
}

fn paint(on: bool, level: Level, word: &str) -> String {
    let colour = match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        _ => "2",
    };
    if on {
        format!("\u{1b}[{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

/// Formats the fields of spans.
struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut parts = Parts::default();
        fields.record(&mut parts);
        writer.write_str(parts.fields.trim_start())
    }
}

/// What an event or span says, escaped.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Parts {
    fn add(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            escape(text, &mut self.message);
            return;
        }
        let is_plain = !text.is_empty()
            && text
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=');
        let _ = write!(self.fields, " {}=", field.name());
        if is_plain {
            self.fields.push_str(text);
        } else {
            self.fields.push('"');
            escape(text, &mut self.fields);
            self.fields.push('"');
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

/// Control characters, line separators and quotation marks written out.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Bidirectional overrides would let a name reorder the line around it.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        assert_eq!(escaped("ada said hi"), "ada said hi");
        assert_eq!(escaped("a\nat=now level=error"), "a\\nat=now level=error");
        assert_eq!(escaped("\u{1b}[31m\r"), "\\u{1b}[31m\\u{d}");
        assert_eq!(escaped("\" x=\""), "\\\" x=\\\"");
        assert_eq!(escaped("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escaped("größe 東京 👍"), "größe 東京 👍");
    }
}
