//! What a hostile client finds that the rows of other modules do not reach: headers that
//! only differ by method, addresses in other scripts, greed through pages.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Server, until};

#[tokio::test]
async fn head_says_what_get_says_also_when_it_is_compressed() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    for path in [
        "/rooms/",
        "/rooms/lobby/",
        "/settings/",
        "/api/docs",
        "/login/",
    ] {
        for gzip in [true, false] {
            let ask = |method: Method| {
                let ask = bob.ask(method, path);
                if gzip {
                    ask.header("accept-encoding", "gzip").send()
                } else {
                    ask.send()
                }
            };
            let (get, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
            assert_eq!(get.status, head.status, "{path}");
            for name in ["content-encoding", "vary", "content-type", "cache-control"] {
                assert_eq!(get.header(name), head.header(name), "{path} {name}");
            }
            // It may be left out, but a wrong one breaks caches and connections.
            let length = head.header("content-length");
            assert!(
                ["", get.header("content-length")].contains(&length),
                "{path} {gzip}"
            );
        }
    }
}

#[tokio::test]
async fn a_new_room_in_any_script_is_found_where_the_answer_leads() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let form = [("name", "Küche 部屋"), ("topic", ""), ("kind", "open")];
    let plain = bob.post_form("/rooms/", &form).await.expect(303);
    let location = plain.header("location").to_owned();
    assert!(location.is_ascii(), "{location:?}");
    bob.get(&location).await.expect(200);

    let form = [("name", "Küche 部屋 zwei"), ("topic", ""), ("kind", "open")];
    let scripted = bob
        .ask(Method::POST, "/rooms/")
        .header("hx-request", "true");
    let scripted = scripted.form(&form).send().await.expect(204);
    let location = scripted.header("hx-location").to_owned();
    assert!(location.is_ascii(), "{location:?}");
    bob.get(&location).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_taken_in_turns_too() {
    let server = Server::with()
        .set("PARLOUR_RATE_LIMITS", "on")
        .may_log_errors()
        .start();
    // While nothing can be written, whoever changes something waits with their turn.
    let lock = rusqlite::Connection::open(server.database()).unwrap();
    lock.busy_timeout(Duration::from_secs(5)).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    let mut greedy: FuturesUnordered<_> = (0..90)
        .map(|n| {
            let bob = server.browser_of("bob");
            async move {
                let name = format!("Bob {n}");
                bob.post_form("/settings/name", &[("display_name", &name)])
                    .await
            }
        })
        .collect();
    // Eight are at work and wait for the lock, so who is answered first is who is refused.
    let first = greedy.next().await.unwrap().expect(429);
    assert_ne!(first.header("retry-after"), "");
    let eve = server.browser_of("eve");
    eve.get("/rooms/lobby/").await.expect(200);
    lock.execute_batch("rollback").unwrap();
    while let Some(answer) = greedy.next().await {
        let status = answer.status;
        assert!(matches!(status, 303 | 429 | 503), "{status}");
    }
    let bob = server.browser_of("bob");
    bob.get("/rooms/lobby/").await.expect(200);
}

#[tokio::test]
async fn reading_needs_no_writing_however_old_the_credential() {
    let server = Server::with().may_log_errors().start();
    let lock = rusqlite::Connection::open(server.database()).unwrap();
    lock.busy_timeout(Duration::from_secs(5)).unwrap();
    // Their last use is worth noting again.
    lock.execute_batch(
        "update tokens set used_at = used_at - 120000;
         update sessions set seen_at = seen_at - 120000;
         begin immediate",
    )
    .unwrap();
    let began = Instant::now();
    server.bob().get("/api/v1/rooms").await.expect(200);
    let eve = server.browser_of("eve");
    eve.get("/rooms/lobby/").await.expect(200);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    lock.execute_batch("rollback").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_do_not_end_hold_little_together() {
    let server = Server::start();
    let lobby = server.bob().lobby().await;
    let head = format!(
        "POST /login/ HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n",
        server.address()
    );
    let before = resident_kib(&server);
    let mut peers = Vec::new();
    for _ in 0..300 {
        let mut peer = TcpStream::connect(server.address()).await.unwrap();
        peer.write_all(head.as_bytes()).await.unwrap();
        // Cut in the middle by those that are refused.
        let _ = peer.write_all(&vec![b'a'; 900_000]).await;
        peers.push(peer);
    }
    // Whoever writes a message does not notice.
    server.bob().say(lobby, "among giants").await;
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < 160 * 1024, "{grown} KiB for 300 bodies");
    drop(peers);
    // The room they took is free again.
    until("a large body is read", async || {
        let large = server.stranger().ask(Method::POST, "/login/");
        let password = "a".repeat(900_000);
        let large = large.form(&[("username", "bob"), ("password", &password)]);
        (large.send().await.status == 422).then_some(())
    })
    .await;
}

fn resident_kib(server: &Server) -> usize {
    let path = format!("/proc/{}/status", server.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

#[tokio::test]
async fn pages_with_secrets_are_kept_by_no_cache() {
    let server = Server::start();
    let ada = server.browser_of("ada");
    let made = ada.post_form("/admin/people/bob/reset", &[]).await;
    let made = made.expect(200);
    assert_eq!(made.header("cache-control"), "private, no-store");
    let page = made.text();
    let (_, rest) = page.split_once("/reset/").unwrap();
    let secret: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    let reset = server.stranger().get(&format!("/reset/{secret}")).await;
    let reset = reset.expect(200);
    assert_eq!(reset.header("cache-control"), "private, no-store");
    let token = [("name", "script"), ("scopes", "read")];
    let token = ada.post_form("/settings/tokens", &token).await.expect(200);
    assert_eq!(token.header("cache-control"), "private, no-store");
}
