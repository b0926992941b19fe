//! One room, many readers: the figure this product lives by.

use std::time::Duration;

use anyhow::Result;

use super::bench::{Bench, us_each};
use crate::fleet::{Drive, Driven, Fleet, Until};
use crate::process::CpuReading;
use crate::report::{Of, Target};
use crate::stats::{Latencies, median};
use crate::text::Words;

pub const WRITERS: [usize; 2] = [1, 16];

/// What one side (server or limit) reached with a number of writers.
#[derive(Default)]
pub struct Side {
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
    seen: Latencies,
    acks: Latencies,
}

impl Side {
    fn add(&mut self, cpu_us: f64, driven: &Driven) {
        self.cpu_us.push(cpu_us);
        self.per_second
            .push(driven.deliveries as f64 / driven.elapsed.as_secs_f64());
        self.seen.merge(&driven.seen);
        self.acks.merge(&driven.acks);
    }

    /// Median CPU per delivery, in µs.
    pub fn cpu(&self) -> f64 {
        median(&self.cpu_us).unwrap_or(0.0)
    }

    fn rate(&self) -> f64 {
        median(&self.per_second).unwrap_or(0.0)
    }

    /// Rate and latency.
    pub fn summary(&mut self) -> String {
        format!(
            "{:.0} deliveries/s; seen by all {}",
            self.rate(),
            self.seen.summary()
        )
    }
}

/// For each number of readers: one message under way, then sixteen.
pub fn measure(bench: &mut Bench) -> Result<()> {
    bench.open_house()?;
    for readers in bench.settings.readers.clone() {
        let mut server: [Side; 2] = Default::default();
        let mut limit: [Side; 2] = Default::default();
        let mut payload_bytes = 0;
        for round in 0..bench.settings.rounds {
            eprintln!("bench: fan-out to {readers}, round {}", round + 1);
            payload_bytes = server_round(bench, readers, &mut server)?;
            limit_round(bench, readers, payload_bytes, &mut limit)?;
        }
        let targets = [
            Target::at_most(Of::Ratio, 1.3, 0.85),
            Target::at_most(Of::Ratio, 0.5, 0.15),
        ];
        for (((writers, target), s), l) in WRITERS.iter().zip(targets).zip(&mut server).zip(&limit)
        {
            let note = format!(
                "{:.0} deliveries/s (limit {:.0}), payload {payload_bytes} bytes; seen by all {}; \
                 acknowledged {}",
                s.rate(),
                l.rate(),
                s.seen.summary(),
                s.acks.summary(),
            );
            bench.row(
                "fan-out",
                format!("CPU per delivery, {readers} readers, {writers} under way"),
                (s.cpu(), "µs"),
                Some(l.cpu()),
                target,
                note,
            );
        }
    }
    Ok(())
}

fn server_round(bench: &mut Bench, readers: usize, sides: &mut [Side; 2]) -> Result<usize> {
    let mut client = bench.client()?;
    let (room, _) = bench.new_room(&mut client, 0)?;
    bench.join_all(&mut client, room, 16)?;
    let head = bench.house()?.head(&mut client, bench.person(0)?, room)?;
    let mut fleet = bench.server_fleet(vec![room])?;
    fleet.connect(
        (0..readers).map(|n| (bench.token(n), 0)),
        (0..16).map(|n| bench.token(n)),
    )?;
    let pid = bench.house()?.pid()?;
    bench.pin(pid)?;
    bench.house()?.wait_quiet(|time| fleet.idle(time))?;
    both(bench, &mut fleet, pid, sides)?;
    bench.unpin();
    let finished = fleet.finish();
    bench.count(&finished.integrity);
    let acknowledged: Vec<u64> = finished.acknowledged.iter().map(|(_, seq)| *seq).collect();
    bench.check_stored(room, head, &acknowledged)?;
    Ok(finished.payload_bytes)
}

/// One round of the bare broadcaster.
pub fn limit_round(
    bench: &mut Bench,
    readers: usize,
    payload_bytes: usize,
    sides: &mut [Side; 2],
) -> Result<()> {
    bench.drop_broadcaster();
    let mut fleet = bench.limit_fleet(1, payload_bytes)?;
    fleet.connect(
        (0..readers).map(|_| (String::new(), 0)),
        std::iter::once(String::new()),
    )?;
    let pid = bench.broadcaster()?.pid();
    bench.pin(pid)?;
    fleet.idle(Duration::from_millis(100))?;
    both(bench, &mut fleet, pid, sides)?;
    bench.unpin();
    bench.count(&fleet.finish().integrity);
    bench.drop_broadcaster();
    Ok(())
}

fn both(bench: &Bench, fleet: &mut Fleet, pid: u32, sides: &mut [Side; 2]) -> Result<()> {
    let mut words = Words::new(1);
    for (writers, side) in WRITERS.iter().zip(sides) {
        let mut run = |for_time| {
            fleet.drive(&mut Drive {
                writers: *writers,
                for_time,
                until: Until::Seen,
                spins: bench.is_pinning(),
                next: &mut |_| (0, words.line()),
            })
        };
        run(bench.window() / 8)?;
        let before = CpuReading::of(pid)?;
        let driven = run(bench.window())?;
        let after = CpuReading::of(pid)?;
        side.add(us_each(&after, &before, driven.deliveries), &driven);
    }
    Ok(())
}
