//! From nothing to ready, and what it weighs then.

use std::time::Duration;

use anyhow::Result;

use super::bench::Bench;
use crate::house::House;
use crate::process::resident_bytes;
use crate::report::{Of, Target};
use crate::stats::median;

/// Starts on an empty folder several times.
pub fn measure(bench: &mut Bench) -> Result<()> {
    if bench.is_foreign() {
        bench.condition("start is not measured: the server runs already");
        return Ok(());
    }
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for round in 0..bench.settings.rounds.max(3) {
        let folder = bench.folder().join(format!("start-{round}"));
        let house = House::start(&bench.binary, &folder)?;
        times.extend(house.start_time.map(|time| time.as_secs_f64() * 1e3));
        house.wait_quiet(|time| {
            std::thread::sleep(time);
            Ok(())
        })?;
        sizes.push(resident_bytes(house.pid()?)? as f64 / 1e6);
        drop(house);
        std::thread::sleep(Duration::from_millis(50));
        std::fs::remove_dir_all(&folder)?;
    }
    bench.row(
        "start",
        "empty folder to ready",
        (median(&times).unwrap_or(0.0), "ms"),
        None,
        Target::at_most(Of::Value, 300.0, 100.0),
        "from starting the process to its line, migrations included",
    );
    bench.row(
        "start",
        "resident memory after start",
        (median(&sizes).unwrap_or(0.0), "MB"),
        None,
        Target::at_most(Of::Value, 30.0, 15.0),
        "pages of the executable included",
    );
    Ok(())
}
