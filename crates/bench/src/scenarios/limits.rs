//! The limit rows by themselves, to know a machine before a server runs on it.

use anyhow::Result;

use super::bench::Bench;
use super::fan_out::{self, Side};
use crate::limit::{flush, insert};

/// About the payload of a message of one line.
const PAYLOAD_BYTES: usize = 400;

/// Fan-out by the bare broadcaster, bare inserts, flushes.
pub fn measure(bench: &mut Bench) -> Result<()> {
    for readers in bench.settings.readers.clone() {
        let mut sides: [Side; 2] = Default::default();
        for _ in 0..bench.settings.rounds {
            fan_out::limit_round(bench, readers, PAYLOAD_BYTES, &mut sides)?;
        }
        for (writers, side) in fan_out::WRITERS.iter().zip(&mut sides) {
            let what = format!("bare send, {readers} readers, {writers} under way");
            let note = side.summary();
            bench.row("limit", what, (side.cpu(), "µs"), None, None, note);
        }
    }
    for producers in [1, bench.settings.writers, bench.settings.in_flight] {
        let mut inserted = insert::measure(bench.folder(), producers, 1, bench.window())?;
        let note = format!(
            "{}; writing thread {:.1} µs a row",
            inserted.acks.summary(),
            inserted.cpu_us_per_row
        );
        let what = format!("bare insert, {producers} under way");
        bench.row("limit", what, (inserted.per_second, "/s"), None, None, note);
    }
    let mut flushes = flush::measure(bench.folder(), 500)?;
    let p50 = flushes.percentile_ms(0.5);
    bench.row(
        "limit",
        "fdatasync p50",
        (p50, "ms"),
        None,
        None,
        flushes.summary(),
    );
    Ok(())
}
