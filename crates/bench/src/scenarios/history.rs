//! A house with a million messages: how soon it is ready, how fast its pages come.

use anyhow::{Context, Result, bail};

use super::bench::Bench;
use crate::house::{House, Person, bearer, fill};
use crate::http::{Load, request};
use crate::report::{Of, Target};
use crate::stats::Latencies;
use crate::text::Words;

const ROOMS: u64 = 100;

/// Fills a house of its own, starts on it and reads at random places.
pub fn measure(bench: &mut Bench) -> Result<()> {
    if bench.is_foreign() {
        bench.condition("history is not measured: it needs a house of its own");
        return Ok(());
    }
    let messages = bench.settings.messages;
    let folder = bench.folder().join("history");
    eprintln!("bench: dummy data, {messages} messages");
    let start = std::time::Instant::now();
    fill(&bench.binary, &folder, messages, ROOMS)?;
    let filling_s = start.elapsed().as_secs_f64();
    let house = House::start(&bench.binary, &folder)?;
    let ready_ms = house
        .start_time
        .map_or(0.0, |time| time.as_secs_f64() * 1e3);
    bench.row(
        "history",
        format!("{messages} messages to ready"),
        (ready_ms, "ms"),
        None,
        Target::at_most(Of::Value, 2_000.0, 300.0),
        format!("filled in {filling_s:.1} s by dummy-data"),
    );
    // Dummy data may have made an owner already; then set-up is gone, which is as good.
    let _ = house.set_up();
    let people = house.people("visitor", 1)?;
    let person = people.first().context("nobody signed up")?;
    let rooms = rooms(&house, person)?;
    let (id, head) = rooms
        .iter()
        .max_by_key(|room| room.2)
        .map(|room| (room.0, room.2))
        .context("no rooms")?;

    let mut random = Words::new(6);
    let host = house.host.clone();
    let headers = bearer(person);
    let mut pages = one_by_one(bench, &house, &mut || {
        let before = random.number() % head.max(1) + 1;
        let path = format!("/api/v1/rooms/{id}/messages?before={before}&limit=50");
        request("GET", &path, &host, &headers, b"")
    })?;
    let note = format!("{}; a room of {head}, at random places", pages.summary());
    row(bench, "history page of 50, p99", &mut pages, &note);

    let cookie = house.log_in(person)?;
    let (_, slug, _) = rooms.first().context("no rooms")?;
    let path = format!("/rooms/{slug}/");
    let plain = house
        .client()
        .send("GET", &path, &format!("Cookie: {cookie}\r\n"), b"")?;
    if !String::from_utf8_lossy(&plain.body).contains("id=\"msg-") {
        bail!("{path} shows no messages: {}", plain.excerpt());
    }
    let headers = format!("Cookie: {cookie}\r\nAccept-Encoding: gzip, br\r\n");
    let mut switches = one_by_one(bench, &house, &mut || {
        let at = random.number() as usize % rooms.len().max(1);
        let slug = rooms
            .get(at)
            .map(|room| room.1.as_str())
            .unwrap_or_default();
        request("GET", &format!("/rooms/{slug}/"), &host, &headers, b"")
    })?;
    let note = format!("{}; {} rooms, whole page", switches.summary(), rooms.len());
    row(bench, "room switch, p99", &mut switches, &note);
    drop(house);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn row(bench: &mut Bench, what: &'static str, latencies: &mut Latencies, note: &str) {
    bench.row(
        "history",
        what,
        (latencies.percentile_ms(0.99), "ms"),
        None,
        Target::at_most(Of::Value, 5.0, 1.0),
        format!("as one client sees it, one at a time: {note}"),
    );
}

fn one_by_one(
    bench: &Bench,
    house: &House,
    next: &mut dyn FnMut() -> Vec<u8>,
) -> Result<Latencies> {
    let loaded = Load {
        addr: house.addr,
        connections: 1,
        for_time: bench.window(),
        request: &mut |_| next(),
        answer: &mut |_, answer| {
            if answer.status != 200 {
                bail!("a page failed: {}", answer.excerpt());
            }
            Ok(())
        },
    }
    .run()?;
    Ok(loaded.latencies)
}

/// Id, slug and head of the rooms that `person` may read.
fn rooms(house: &House, person: &Person) -> Result<Vec<(u64, String, u64)>> {
    let mut client = house.client();
    let answer = client.send("GET", "/api/v1/rooms?limit=100", &bearer(person), b"")?;
    let list = answer.json()?;
    let items = list
        .get("items")
        .and_then(|items| items.as_array())
        .with_context(|| format!("no rooms: {}", answer.excerpt()))?;
    Ok(items
        .iter()
        .filter_map(|room| {
            Some((
                room.get("id")?.as_u64()?,
                room.get("slug")?.as_str()?.to_owned(),
                room.get("head")?.as_u64()?,
            ))
        })
        .collect())
}
