//! The room page of someone who is signed in.

use anyhow::{Context, Result, bail};

use super::bench::{Bench, us_each};
use crate::house::bearer;
use crate::http::{Client, Load, request};
use crate::report::{Of, Target};
use crate::stats::median;
use crate::text::Words;

const MESSAGES: usize = 50;
const CONNECTIONS: usize = 8;
/// The last message of the room, to see what a short one weighs as HTML.
const SHORT: &str = "Good morning, everyone!";

/// Complete in each encoding, unchanged, and what a first visit loads.
pub fn measure(bench: &mut Bench) -> Result<()> {
    bench.open_house()?;
    let mut client = bench.client()?;
    let (room, slug) = bench.new_room(&mut client, 0)?;
    fill(bench, &mut client, room)?;
    // Someone new, in this room and the lobby alone: the others have joined dozens of rooms
    // by now, whose unread counts would be measured instead of the page.
    let newcomers = bench.house()?.people(&bench.fresh_name(), 1)?;
    let reader = newcomers.first().context("nobody signed up")?;
    bench.house()?.join(&mut client, reader, room)?;
    let cookie = bench.house()?.log_in(reader)?;
    let path = format!("/rooms/{slug}/");
    let plain = client.send("GET", &path, &format!("Cookie: {cookie}\r\n"), b"")?;
    let text = String::from_utf8_lossy(&plain.body).into_owned();
    let shown = text.matches("id=\"msg-").count();
    if plain.status != 200 || shown != MESSAGES {
        bail!(
            "{path} shows {shown} of {MESSAGES} messages: {}",
            plain.status
        );
    }
    for encoding in ["br", "gzip"] {
        let headers = format!("Cookie: {cookie}\r\nAccept-Encoding: {encoding}\r\n");
        let whole = client.send("GET", &path, &headers, b"")?;
        let note = format!(
            "{} bytes as {}, {} plain",
            whole.body.len(),
            whole.header("content-encoding").unwrap_or("identity"),
            plain.body.len()
        );
        // Only a compressed page is a complete one.
        let target = Target::at_least(Of::Value, 5_000.0, 15_000.0)
            .filter(|_| whole.header("content-encoding") == Some(encoding));
        let what = format!("room page, 50 messages, {encoding}");
        load(bench, &path, &headers, 200, (what, note), target)?;
        if let Some(etag) = whole.header("etag") {
            let headers = format!("{headers}If-None-Match: {etag}\r\n");
            let what = format!("room page unchanged, {encoding}");
            load(bench, &path, &headers, 304, (what, String::new()), None)?;
        } else {
            bench
                .failures
                .push(format!("Page: no ETag on {path} as {encoding}"));
        }
    }
    if let Some(fragment) = fragment_of(&text, SHORT) {
        bench.row(
            "page",
            "one short message as an HTML fragment, plain",
            (fragment.len() as f64, "bytes"),
            None,
            Target::at_most(Of::Value, 900.0, 900.0),
            "as it stands in the page; not deflated here",
        );
    }
    first_visit(bench, &mut client, &text)
}

/// The list item that holds `body`.
fn fragment_of<'p>(page: &'p str, body: &str) -> Option<&'p str> {
    let (before, after) = page.rsplit_once(body)?;
    let start = before.rfind("<li")?;
    let end = after.find("</li>")?;
    page.get(start..before.len() + body.len() + end + "</li>".len())
}

fn fill(bench: &Bench, client: &mut Client, room: u64) -> Result<()> {
    let mut words = Words::new(5);
    let people = bench.people().min(5);
    bench.join_all(client, room, people)?;
    for number in 0..MESSAGES {
        let person = bench.person(number % people)?;
        let headers = format!("Content-Type: application/json\r\n{}", bearer(person));
        let text = match number {
            n if n + 1 == MESSAGES => SHORT.to_owned(),
            _ => words.line(),
        };
        let body = serde_json::json!({"body": text}).to_string();
        let path = format!("/api/v1/rooms/{room}/messages");
        let answer = client.send("POST", &path, &headers, body.as_bytes())?;
        if answer.status != 201 {
            bail!("posting failed: {}", answer.excerpt());
        }
    }
    Ok(())
}

fn load(
    bench: &mut Bench,
    path: &str,
    headers: &str,
    status: u16,
    (what, note): (String, String),
    target: Option<Target>,
) -> Result<()> {
    let (mut per_core, mut rates) = (Vec::new(), Vec::new());
    let mut latencies = crate::stats::Latencies::default();
    let wanted = request("GET", path, &bench.house()?.host, headers, b"");
    for _ in 0..bench.settings.rounds {
        let before = bench.house()?.cpu()?;
        let loaded = Load {
            addr: bench.house()?.addr,
            connections: CONNECTIONS,
            for_time: bench.window() / 2,
            request: &mut |_| wanted.clone(),
            answer: &mut |_, answer| {
                if answer.status != status {
                    bail!("{path} answered {} instead of {status}", answer.status);
                }
                Ok(())
            },
        }
        .run()?;
        let after = bench.house()?.cpu()?;
        per_core.push(1e6 / us_each(&after, &before, loaded.requests).max(0.001));
        rates.push(loaded.requests as f64 / loaded.elapsed.as_secs_f64());
        latencies.merge(&loaded.latencies);
    }
    let middle = |values: &[f64]| median(values).unwrap_or(0.0);
    let note = format!(
        "{note}; {:.1} µs CPU each; {:.0}/s with {CONNECTIONS} connections; {}",
        1e6 / middle(&per_core).max(0.001),
        middle(&rates),
        latencies.summary()
    );
    bench.row(
        "page",
        what,
        (middle(&per_core), "/s per core"),
        None,
        target,
        note.trim_start_matches("; ").to_owned(),
    );
    Ok(())
}

/// Sizes of the scripts and styles that the page names.
fn first_visit(bench: &mut Bench, client: &mut Client, page: &str) -> Result<()> {
    let mut total = 0;
    let mut files = 0;
    for path in assets(page) {
        let answer = client.send("GET", path, "Accept-Encoding: br\r\n", b"")?;
        if answer.status != 200 {
            bail!("{path}: {}", answer.status);
        }
        total += answer.body.len();
        files += 1;
    }
    bench.row(
        "page",
        "first visit: script and style, compressed",
        (total as f64 / 1000.0, "KB"),
        None,
        Target::at_most(Of::Value, 60.0, 30.0),
        format!("{files} files named by the page"),
    );
    Ok(())
}

/// Paths of scripts and style sheets in `page`.
fn assets(page: &str) -> impl Iterator<Item = &str> {
    page.split(['"', '\''])
        .filter(|text| text.starts_with('/'))
        .filter(|path| {
            let path = path.split('?').next().unwrap_or(path);
            path.ends_with(".js") || path.ends_with(".css")
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_is_cut_out_of_the_page() {
        let page = "<ol><li id=\"msg-1\">x</li><li id=\"msg-2\"><p>hi</p></li></ol>";
        let item = "<li id=\"msg-2\"><p>hi</p></li>";
        assert_eq!(super::fragment_of(page, "hi"), Some(item));
        assert_eq!(super::fragment_of(page, "ho"), None);
    }

    #[test]
    fn scripts_and_styles_are_found_and_links_are_not() {
        let page = r#"<link rel="stylesheet" href="/assets/app.1f.css"><script src='/a.js?v=1'>
            <a href="/rooms/js/">x</a><img src="/i.png"><p>"see x.js"</p>"#;
        let found: Vec<_> = super::assets(page).collect();
        assert_eq!(found, ["/assets/app.1f.css", "/a.js?v=1"]);
    }
}
