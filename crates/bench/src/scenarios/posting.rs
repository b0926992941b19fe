//! Posting in a closed loop: stored, flushed, acknowledged.
//!
//! The limit is the bare insert of the same rows with as many producers. One writer alone
//! is compared with the flush of the same disk instead: nobody shares it with them.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::bench::{Bench, us_each};
use crate::fleet::{Drive, Until};
use crate::house::bearer;
use crate::http::{Load, Loaded, request};
use crate::limit::{flush, insert};
use crate::report::{Of, Target};
use crate::stats::{Latencies, median};
use crate::text::Words;

/// One side's rounds.
#[derive(Default)]
struct Side {
    per_second: Vec<f64>,
    acks: Latencies,
    cpu_us: Vec<f64>,
}

impl Side {
    fn rate(&self) -> f64 {
        median(&self.per_second).unwrap_or(0.0)
    }

    fn cpu(&self) -> f64 {
        median(&self.cpu_us).unwrap_or(0.0)
    }
}

/// Many writers over HTTP keep-alive, then one alone.
pub fn measure_http(bench: &mut Bench) -> Result<()> {
    bench.open_house()?;
    let writers = bench.settings.writers;
    let (mut server, mut limit) = (Side::default(), Side::default());
    for round in 0..bench.settings.rounds {
        eprintln!("bench: {writers} writers over HTTP, round {}", round + 1);
        http_round(bench, writers, &mut server)?;
        limit_round(bench, writers, &mut limit)?;
    }
    let targets = [
        Target::at_least(Of::Ratio, 0.5, 0.8),
        Target::at_most(Of::Value, 20.0, 7.0),
    ];
    rows(bench, "posting-http", writers, targets, server, limit);

    row_alone(
        bench,
        "posting-http",
        "one writer alone over HTTP",
        http_round,
    )
}

/// Many posts under way over the JSON socket, spread over the sockets of the writers.
pub fn measure_socket(bench: &mut Bench) -> Result<()> {
    bench.open_house()?;
    let in_flight = bench.settings.in_flight;
    let (mut server, mut limit) = (Side::default(), Side::default());
    for round in 0..bench.settings.rounds {
        eprintln!(
            "bench: {in_flight} posts under way over sockets, round {}",
            round + 1
        );
        socket_round(bench, in_flight, &mut server)?;
        limit_round(bench, in_flight, &mut limit)?;
    }
    let targets = [Target::at_least(Of::Ratio, 0.7, 0.9), None];
    rows(bench, "posting-socket", in_flight, targets, server, limit);

    row_alone(
        bench,
        "posting-socket",
        "one writer alone over the socket",
        socket_round,
    )
}

fn rows(
    bench: &mut Bench,
    scenario: &'static str,
    writers: usize,
    [rate_target, p99_target]: [Option<Target>; 2],
    mut server: Side,
    mut limit: Side,
) {
    bench.row(
        scenario,
        format!("posts, {writers} under way"),
        (server.rate(), "/s"),
        Some(limit.rate()),
        rate_target,
        format!(
            "server CPU {:.1} µs each; limit: bare group-commit insert, writing thread {:.1} µs a \
             row",
            server.cpu(),
            limit.cpu()
        ),
    );
    bench.row(
        scenario,
        format!("acknowledged p99, {writers} under way"),
        (server.acks.percentile_ms(0.99), "ms"),
        Some(limit.acks.percentile_ms(0.99)),
        p99_target,
        format!("{}; limit {}", server.acks.summary(), limit.acks.summary()),
    );
}

fn row_alone(
    bench: &mut Bench,
    scenario: &'static str,
    what: &'static str,
    round: fn(&mut Bench, usize, &mut Side) -> Result<()>,
) -> Result<()> {
    let (mut alone, mut flushes) = (Side::default(), Latencies::default());
    // In turns, as everywhere: a disk that others use is not the same a second later.
    for _ in 0..bench.settings.rounds {
        round(bench, 1, &mut alone)?;
        flushes.merge(&flush::measure(bench.folder(), 500)?);
    }
    let flush_ms = flushes.percentile_ms(0.5);
    bench.row(
        scenario,
        format!("{what}: p50 above one flush"),
        (alone.acks.percentile_ms(0.5) - flush_ms, "ms"),
        None,
        Target::at_most(Of::Value, 0.5, 0.15),
        format!(
            "acknowledged {}; fdatasync of a page {}; {:.0}/s",
            alone.acks.summary(),
            flushes.summary(),
            alone.rate()
        ),
    );
    Ok(())
}

fn limit_round(bench: &Bench, producers: usize, side: &mut Side) -> Result<()> {
    let inserted = insert::measure(bench.folder(), producers, 1, bench.window())?;
    side.per_second.push(inserted.per_second);
    side.acks.merge(&inserted.acks);
    side.cpu_us.push(inserted.cpu_us_per_row);
    Ok(())
}

#[derive(Deserialize)]
struct Posted {
    seq: u64,
}

fn http_round(bench: &mut Bench, writers: usize, side: &mut Side) -> Result<()> {
    let mut client = bench.client()?;
    let (room, _) = bench.new_room(&mut client, 0)?;
    bench.join_all(&mut client, room, writers)?;
    let head = bench.house()?.head(&mut client, bench.person(0)?, room)?;
    let host = bench.house()?.host.clone();
    let path = format!("/api/v1/rooms/{room}/messages");
    let bearers: Vec<String> = (0..writers)
        .map(|n| bench.person(n).map(bearer))
        .collect::<Result<_>>()?;
    let mut words = Words::new(3);
    let mut acknowledged = Vec::new();
    let mut post = |number: usize| {
        let nonce = uuid::Uuid::from_bytes(words.nonce());
        let bearer = bearers.get(number).map(String::as_str).unwrap_or_default();
        let headers =
            format!("{bearer}Content-Type: application/json\r\nIdempotency-Key: {nonce}\r\n");
        let body = serde_json::json!({"body": words.line()}).to_string();
        request("POST", &path, &host, &headers, body.as_bytes())
    };
    let before = bench.house()?.cpu().ok();
    let mut loaded: Loaded = Load {
        addr: bench.house()?.addr,
        connections: writers,
        for_time: bench.window(),
        request: &mut post,
        answer: &mut |_, answer| {
            if answer.status != 201 {
                bail!("posting failed: {}", answer.excerpt());
            }
            let posted: Posted =
                serde_json::from_slice(&answer.body).context("the posted message has no seq")?;
            acknowledged.push(posted.seq);
            Ok(())
        },
    }
    .run()?;
    if let (Some(before), Ok(after)) = (before, bench.house()?.cpu()) {
        side.cpu_us.push(us_each(&after, &before, loaded.requests));
    }
    side.per_second
        .push(loaded.requests as f64 / loaded.elapsed.as_secs_f64());
    side.acks.merge(&std::mem::take(&mut loaded.latencies));
    bench.check_stored(room, head, &acknowledged)
}

fn socket_round(bench: &mut Bench, in_flight: usize, side: &mut Side) -> Result<()> {
    let mut client = bench.client()?;
    let (room, _) = bench.new_room(&mut client, 0)?;
    let sockets = in_flight.min(bench.settings.writers);
    bench.join_all(&mut client, room, sockets)?;
    let head = bench.house()?.head(&mut client, bench.person(0)?, room)?;
    let mut fleet = bench.server_fleet(vec![room])?;
    fleet.connect(std::iter::empty(), (0..sockets).map(|n| bench.token(n)))?;
    let mut words = Words::new(4);
    let before = bench.house()?.cpu().ok();
    let driven = fleet.drive(&mut Drive {
        writers: in_flight,
        for_time: bench.window(),
        until: Until::Acknowledged,
        spins: false,
        next: &mut |_| (0, words.line()),
    })?;
    if let (Some(before), Ok(after)) = (before, bench.house()?.cpu()) {
        side.cpu_us.push(us_each(&after, &before, driven.posts));
    }
    side.per_second
        .push(driven.posts as f64 / driven.elapsed.as_secs_f64());
    side.acks.merge(&driven.acks);
    let finished = fleet.finish();
    bench.count(&finished.integrity);
    let acknowledged: Vec<u64> = finished.acknowledged.iter().map(|(_, seq)| *seq).collect();
    bench.check_stored(room, head, &acknowledged)
}
