//! A storm of connections, and what they weigh when nothing happens.

use std::time::Duration;

use anyhow::Result;

use super::bench::{Bench, us_each};
use crate::process::resident_bytes;
use crate::report::{Of, Target};

/// Connects the largest number of readers to a fresh server.
pub fn measure(bench: &mut Bench) -> Result<()> {
    let count = bench.settings.readers.iter().max().copied().unwrap_or(1);
    bench.restart_house()?;
    let mut client = bench.client()?;
    let (room, _) = bench.new_room(&mut client, 0)?;
    drop(client);
    let pid = bench.house()?.pid()?;
    // A first few, so that what is made once (threads, caches) is not counted per connection.
    let mut first = bench.server_fleet(vec![room])?;
    first.connect((0..20).map(|n| (bench.token(n), 0)), std::iter::empty())?;
    bench.house()?.wait_quiet(|time| first.idle(time))?;

    let mut fleet = bench.server_fleet(vec![room])?;
    let (cpu, memory) = (bench.house()?.cpu()?, resident_bytes(pid)?);
    let tokens = (0..count).map(|n| (bench.token(n), 0));
    let mut connected = fleet.connect(tokens, std::iter::empty())?;
    let cpu_connected = bench.house()?.cpu()?;
    bench.house()?.wait_quiet(|time| {
        first.idle(Duration::from_millis(1))?;
        fleet.idle(time)
    })?;
    let cpu_settled = bench.house()?.cpu()?;
    let grown = resident_bytes(pid)?.saturating_sub(memory);
    let total = resident_bytes(pid)? as f64 / 1e6;
    bench.count(&fleet.finish().integrity);

    let rate = count as f64 / connected.elapsed.as_secs_f64();
    bench.row(
        "connect",
        format!("{count} connect and subscribe, CPU each"),
        (us_each(&cpu_settled, &cpu, count as u64), "µs"),
        None,
        Target::at_most(Of::Value, 100.0, 50.0),
        format!(
            "{:.1} µs until the last was subscribed, the rest afterwards; {rate:.0}/s, {}; 100 \
             opening at once, upgrade with a token",
            us_each(&cpu_connected, &cpu, count as u64),
            connected.latencies.summary()
        ),
    );
    bench.row(
        "idle",
        format!("memory per connection, {count} of them"),
        (grown as f64 / count as f64 / 1024.0, "KiB"),
        None,
        Target::at_most(Of::Value, 4.0, 1.0),
        format!("growth of the resident size; {total:.1} MB in all"),
    );
    Ok(())
}
