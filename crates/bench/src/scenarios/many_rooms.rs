//! Many rooms of ten readers each: here the cost of a post counts, not that of a delivery.
//!
//! The limit is the sum of both unavoidable parts: the sends of the broadcaster and the
//! bare insert of the same rows.

use std::time::Duration;

use anyhow::Result;

use super::bench::{Bench, us_each};
use crate::fleet::{Drive, Driven, Fleet, Until};
use crate::limit::insert;
use crate::process::CpuReading;
use crate::report::{Of, Target};
use crate::stats::{Latencies, median};
use crate::text::Words;

const READERS_PER_ROOM: usize = 10;

/// Posts spread over all rooms.
pub fn measure(bench: &mut Bench) -> Result<()> {
    bench.open_house()?;
    let rooms = bench.settings.rooms;
    let writers = bench.settings.writers;
    let ids = make_rooms(bench, rooms)?;
    let (mut server, mut sends, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut acks, mut rates) = (Latencies::default(), Latencies::default(), Vec::new());
    for round in 0..bench.settings.rounds {
        eprintln!("bench: {rooms} rooms, round {}", round + 1);
        let mut fleet = bench.server_fleet(ids.clone())?;
        fleet.connect(
            (0..rooms * READERS_PER_ROOM).map(|n| (bench.token(n), n % rooms)),
            (0..writers).map(|n| bench.token(n)),
        )?;
        let pid = bench.house()?.pid()?;
        bench.pin(pid)?;
        bench.house()?.wait_quiet(|time| fleet.idle(time))?;
        let (cpu, driven) = run(bench, &mut fleet, pid)?;
        bench.unpin();
        server.push(cpu);
        seen.merge(&driven.seen);
        acks.merge(&driven.acks);
        rates.push(driven.posts as f64 / driven.elapsed.as_secs_f64());
        let finished = fleet.finish();
        bench.count(&finished.integrity);

        bench.drop_broadcaster();
        let mut fleet = bench.limit_fleet(rooms, finished.payload_bytes)?;
        fleet.connect(
            (0..rooms * READERS_PER_ROOM).map(|n| (String::new(), n % rooms)),
            std::iter::once(String::new()),
        )?;
        let pid = bench.broadcaster()?.pid();
        bench.pin(pid)?;
        fleet.idle(Duration::from_millis(100))?;
        sends.push(run(bench, &mut fleet, pid)?.0);
        bench.unpin();
        bench.count(&fleet.finish().integrity);
        bench.drop_broadcaster();
        let inserted = insert::measure(bench.folder(), writers, rooms, bench.window())?;
        inserts.push(inserted.cpu_us_per_row);
    }
    let middle = |values: &[f64]| median(values).unwrap_or(0.0);
    let (send, insert) = (middle(&sends), middle(&inserts));
    bench.row(
        "many-rooms",
        format!("CPU per post, {rooms} rooms × {READERS_PER_ROOM} readers"),
        (middle(&server), "µs"),
        Some(send + insert),
        Target::at_most(Of::Ratio, 3.0, 1.5),
        format!(
            "limit: {send:.1} sending + {insert:.1} bare insert; {:.0} posts/s, {writers} under \
             way; seen by all {}; acknowledged {}",
            middle(&rates),
            seen.summary(),
            acks.summary()
        ),
    );
    Ok(())
}

/// Each room belongs to one person, who alone posts there: joining is not measured here.
fn make_rooms(bench: &mut Bench, rooms: usize) -> Result<Vec<u64>> {
    let mut client = bench.client()?;
    let people = bench.people();
    (0..rooms)
        .map(|room| Ok(bench.new_room(&mut client, room % people)?.0))
        .collect()
}

fn run(bench: &Bench, fleet: &mut Fleet, pid: u32) -> Result<(f64, Driven)> {
    let (rooms, people) = (bench.settings.rooms, bench.people().max(1));
    let mut words = Words::new(2);
    let mut turns = vec![0; bench.settings.writers];
    let mut next = |writer: usize| {
        // The writer's own rooms in turn: every `people`-th, beginning with its number.
        let own = writer % people % rooms;
        let turn = turns.get_mut(writer).map_or(0, |turn| {
            *turn += 1;
            *turn - 1
        });
        let mine = (rooms - own).div_ceil(people);
        (own + people * (turn % mine), words.line())
    };
    let mut drive = |for_time| {
        fleet.drive(&mut Drive {
            writers: bench.settings.writers,
            for_time,
            until: Until::Seen,
            spins: bench.is_pinning(),
            next: &mut next,
        })
    };
    drive(bench.window() / 8)?;
    let before = CpuReading::of(pid)?;
    let driven = drive(bench.window())?;
    let after = CpuReading::of(pid)?;
    Ok((us_each(&after, &before, driven.posts), driven))
}
