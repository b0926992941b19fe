//! Percentiles and medians.
//!
//! Latencies are kept whole and sorted when asked: a run has at most a few million, and a
//! histogram would round exactly the tail that matters.

use std::time::Duration;

/// Latencies of one run.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    ns: Vec<u64>,
    is_sorted: bool,
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.ns
            .push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        self.is_sorted = false;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Latencies) {
        self.ns.extend_from_slice(&other.ns);
        self.is_sorted = false;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ns.is_empty()
    }

    /// The smallest latency that at least `share` (0 to 1) of all do not exceed, in
    /// milliseconds; 0 when there are none.
    pub fn percentile_ms(&mut self, share: f64) -> f64 {
        if !self.is_sorted {
            self.ns.sort_unstable();
            self.is_sorted = true;
        }
        let rank = (share * self.ns.len() as f64).ceil() as usize;
        self.ns
            .get(rank.clamp(1, self.ns.len().max(1)) - 1)
            .map_or(0.0, |ns| *ns as f64 / 1e6)
    }

    /// `p50 0.24, p99 0.55, p999 1.20 ms`.
    pub fn summary(&mut self) -> String {
        if self.is_empty() {
            return "no samples".into();
        }
        format!(
            "p50 {:.2}, p99 {:.2}, p999 {:.2} ms",
            self.percentile_ms(0.5),
            self.percentile_ms(0.99),
            self.percentile_ms(0.999)
        )
    }
}

/// The middle of `values`, the mean of the two middle ones when even; `None` when empty.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted
        .get(sorted.len() / 2 - 1)
        .map(|lower| (lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(ms: impl IntoIterator<Item = u64>) -> Latencies {
        let mut all = Latencies::default();
        ms.into_iter()
            .for_each(|ms| all.record(Duration::from_millis(ms)));
        all
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        fn check(share: f64, expected: f64) {
            let mut all = latencies((1..=100).rev());
            assert_eq!(all.percentile_ms(share), expected, "share {share}");
        }
        check(0.0, 1.0);
        check(0.5, 50.0);
        check(0.99, 99.0);
        check(0.999, 100.0);
        check(1.0, 100.0);
    }

    #[test]
    fn a_percentile_of_one_sample_is_the_sample_and_of_none_is_nought() {
        assert_eq!(latencies([7]).percentile_ms(0.001), 7.0);
        assert_eq!(latencies([]).percentile_ms(0.5), 0.0);
        assert_eq!(latencies([]).summary(), "no samples");
    }

    #[test]
    fn merging_and_recording_after_a_question_count_too() {
        let mut all = latencies([1, 2]);
        assert_eq!(all.percentile_ms(1.0), 2.0);
        all.merge(&latencies([9]));
        assert_eq!(all.percentile_ms(1.0), 9.0);
        all.record(Duration::from_millis(11));
        assert_eq!(all.percentile_ms(1.0), 11.0);
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn medians_of_odd_even_and_empty_lists() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[5.0]), Some(5.0));
        assert_eq!(median(&[]), None);
    }
}
