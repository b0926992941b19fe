//! Faults of the machine and of the operator: signals, a lock, too few descriptors, a
//! second server, a broken file.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Server, Socket, command, until};

#[tokio::test]
async fn a_stop_says_restart_to_every_socket_and_loses_nothing() {
    let mut server = Server::start();
    let lobby = server.bob().lobby().await;
    let mut sockets = vec![
        Socket::of(&server.bob()).await,
        Socket::of(&server.eve()).await,
    ];
    sockets.push(Socket::of_page(&server.browser_of("bob")).await);
    sockets[0].subscribe(lobby).await;
    let said = server.bob().say(lobby, "last words").await;
    server.signal(Signal::TERM);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 1012);
    }
    let (status, took) = server.wait();
    assert!(
        status.success() && took < Duration::from_secs(10),
        "{status} after {took:?}"
    );
    server.run();
    let read = server
        .eve()
        .get(&format!("/api/v1/messages/{}", said["id"]))
        .await
        .expect(200)
        .json();
    assert_eq!(read["body"], "last words");
}

#[tokio::test]
async fn signals_do_what_operators_expect() {
    let mut server = Server::start();
    server.signal(Signal::HUP);
    server.bob().get("/api/v1/me").await.expect(200);
    assert!(server.is_alive(), "a closed terminal ends nothing");
    server.signal(Signal::INT);
    let (status, _) = server.wait();
    assert!(status.success(), "{status}");
    // The second request to stop is the impatient one.
    server.run();
    let mut lingering = crate::support::raw::Wire::connect(server.address()).await;
    lingering
        .send(b"POST /login/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n")
        .await;
    server.bob().get("/api/v1/me").await.expect(200);
    server.signal(Signal::TERM);
    until("it no longer listens", async || {
        TcpStream::connect(server.address()).await.err()
    })
    .await;
    let began = Instant::now();
    server.signal(Signal::TERM);
    server.wait();
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn one_folder_has_one_server() {
    let server = Server::start();
    let (status, said) = command(server.data(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!status.success());
    assert!(said.contains("in use") && said.contains("--data"), "{said}");
    server.bob().get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_foreign_lock_delays_writes_and_stops_no_reads() {
    let server = Server::with().may_log_errors().start();
    let bob = server.bob();
    let lobby = bob.lobby().await;
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("begin immediate").unwrap();
    let path = format!("/api/v1/rooms/{lobby}/messages");
    let began = Instant::now();
    let refused = bob.post(&path, json!({"body": "held up"})).await;
    refused.refused(503, "unavailable");
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    bob.get(&path).await.expect(200);
    server
        .browser_of("eve")
        .get("/rooms/lobby/")
        .await
        .expect(200);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    connection.execute_batch("rollback").unwrap();
    drop(connection);
    bob.say(lobby, "free again").await;
    let stored = bob.get(&path).await.expect(200).items();
    assert_eq!(
        stored.len(),
        1,
        "what was refused was not stored: {stored:?}"
    );
}

#[tokio::test]
async fn without_descriptors_it_waits_and_recovers() {
    let mut server = Server::with().may_log_errors().start();
    server.bob().get("/api/v1/me").await.expect(200);
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    // The hard limit stays: only root may raise it again.
    let limits =
        fs::read_to_string(format!("/proc/{}/limits", server.pid().as_raw_nonzero())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let maximum = line.split_whitespace().nth(4).unwrap().parse().ok();
    let few = Rlimit {
        current: Some(open + 4),
        maximum,
    };
    prlimit(Some(server.pid()), Resource::Nofile, few).unwrap();
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(TcpStream::connect(server.address()).await.unwrap());
    }
    until("the log says so", async || {
        server.log().contains("cannot accept").then_some(())
    })
    .await;
    // Waiting must not be spinning.
    let cpu = |pid: rustix::process::Pid| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let began = (cpu(server.pid()), Instant::now());
    until("a second has passed", async || {
        (began.1.elapsed() > Duration::from_secs(1)).then_some(())
    })
    .await;
    let used = cpu(server.pid()) - began.0;
    assert!(used < 40, "{used} of about 100 ticks were burnt waiting");
    drop(held);
    let began = Instant::now();
    server.bob().get("/api/v1/me").await.expect(200);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(server.is_alive());
}

#[tokio::test]
async fn a_broken_database_is_not_opened_and_not_touched() {
    let mut server = Server::start();
    let lobby = server.bob().lobby().await;
    for n in 0..50 {
        server
            .bob()
            .say(lobby, &format!("message {n} {}", "x".repeat(500)))
            .await;
    }
    server.stop();
    let whole = fs::read(server.database()).unwrap();
    let damage = |what: &str| -> Vec<u8> {
        let mut bytes = whole.clone();
        match what {
            "no database" => bytes = b"this is no database, whatever its name says".repeat(200),
            "half of it" => bytes.truncate(whole.len() / 2 + 100),
            "a flipped header" => bytes[16] ^= 0xff,
            _ => bytes
                .iter_mut()
                .skip(4096 * 3)
                .step_by(97)
                .for_each(|byte| *byte ^= 0x5a),
        }
        bytes
    };
    for what in [
        "no database",
        "half of it",
        "a flipped header",
        "flipped pages",
    ] {
        let broken = damage(what);
        fs::write(server.database(), &broken).unwrap();
        let (status, said) = command(server.data(), &["serve", "--listen", "127.0.0.1:0"], "");
        assert_eq!(status.code(), Some(1), "{what}: {said}");
        assert!(!said.contains("panic"), "{what}: {said}");
        assert!(
            said.contains("parlour.sqlite3"),
            "{what}: the file is named: {said}"
        );
        assert!(
            fs::read(server.database()).unwrap() == broken,
            "{what}: the file is as it was"
        );
    }
    fs::write(server.database(), &whole).unwrap();
    server.run();
    let messages = server
        .bob()
        .get(&format!("/api/v1/rooms/{lobby}/messages?limit=100"))
        .await
        .expect(200)
        .items();
    assert_eq!(messages.len(), 50);
}

#[tokio::test]
async fn secrets_stay_out_of_sight() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let lobby = server.bob().lobby().await;
    server.bob().say(lobby, "the-words-of-bob").await;
    bob.post_form(
        "/login/",
        &[("username", "bob"), ("password", "a-wrong-secret-4711")],
    )
    .await;
    use std::os::unix::fs::PermissionsExt as _;
    let secret = server.data().join("secret");
    assert_eq!(
        fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let key = fs::read(&secret).unwrap();
    let key = String::from_utf8_lossy(&key).trim().to_owned();
    let command_line =
        fs::read(format!("/proc/{}/cmdline", server.pid().as_raw_nonzero())).unwrap();
    let (_, help) = command(server.data(), &["--help"], "");
    let (_, check) = command(server.data(), &["config", "check"], "");
    let log = server.log();
    for text in [
        &log,
        &help,
        &check,
        &String::from_utf8_lossy(&command_line).into_owned(),
    ] {
        assert!(!text.contains(&key));
        for hidden in [
            "the-words-of-bob",
            "a-wrong-secret-4711",
            crate::support::PASSWORD,
        ] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        assert!(
            !text.contains(server.bob().token().unwrap())
                && !text.contains(&bob.cookie("parlour").unwrap())
        );
    }
    let bytes = fs::read(server.database()).unwrap();
    let token = server.bob().token().unwrap().to_owned();
    assert!(
        !bytes
            .windows(token.len())
            .any(|window| window == token.as_bytes()),
        "a token is kept as a hash"
    );
}

#[tokio::test]
async fn one_unreadable_row_does_not_take_the_room_along() {
    let mut server = Server::with().may_log_errors().start();
    let bob = server.bob();
    let room = bob.make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    let before = bob.say(room, "before").await;
    let poison = bob.say(room, "poison").await;
    bob.say(room, "after").await;
    server.stop();
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    for damage in [
        "html = cast(x'fffe' as text)",
        "html = '<p>unclosed <b', markup_version = 999",
        "source = null, html = null",
    ] {
        let sql = format!("update messages set {damage} where id = ?1");
        connection
            .execute(&sql, [poison["id"].as_i64().unwrap()])
            .unwrap();
        server.run();
        let history = format!("/api/v1/rooms/{room}/messages");
        let messages = server.eve().get(&history).await.expect(200).items();
        assert_eq!(messages.len(), 3, "{damage}");
        let page = server
            .browser_of("eve")
            .get("/rooms/garden/")
            .await
            .expect(200)
            .text();
        assert!(
            page.contains("before") && page.contains("after"),
            "{damage}"
        );
        let log = server
            .eve()
            .get(&format!("/api/v1/rooms/{room}/events"))
            .await
            .expect(200)
            .items();
        assert_eq!(log.len(), 4, "{damage}");
        let mut socket = Socket::of(&server.eve()).await;
        let epoch = socket.ready["epoch"].clone();
        socket
            .resume(room, before["seq"].as_i64().unwrap(), &epoch)
            .await;
        assert_eq!(
            socket.event("message.posted").await["seq"],
            3,
            "{damage}: no hole"
        );
        assert_eq!(socket.event("message.posted").await["seq"], 4, "{damage}");
        server.stop();
    }
    server.run();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_that_race_end_in_one_order() {
    let server = Server::start();
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    let acts = (0..40).map(|n| {
        let (bob, eve, ada) = (server.bob(), server.eve(), server.ada());
        async move {
            let messages = format!("/api/v1/rooms/{room}/messages");
            let membership = format!("/api/v1/rooms/{room}/members/me");
            let words = json!({"body": format!("{n}")});
            let name = json!({"name": format!("Garden {n}")});
            let path = format!("/api/v1/rooms/{room}");
            let receipt = format!("{path}/read");
            let (said, left, joined, renamed, read) = tokio::join!(
                eve.post(&messages, words),
                eve.delete(&membership),
                eve.ask(hyper::Method::PUT, &membership).send(),
                ada.patch(&path, name),
                bob.put(&receipt, json!({"seq": n})),
            );
            assert!(matches!(said.status, 201 | 403), "{}", said.text());
            for answer in [left, joined, renamed, read] {
                assert!(answer.status < 500, "{}", answer.text());
            }
        }
    });
    futures_util::future::join_all(acts).await;
    let log = crate::support::record::all_events(&server.bob(), room).await;
    let mut is_member = false;
    for (expected, event) in (1..).zip(&log) {
        assert_eq!(event["seq"], expected, "{event}");
        match event["event"].as_str().unwrap() {
            "member.joined" if event["user"]["username"] == "eve" => {
                assert!(!is_member, "joined twice: {event}");
                is_member = true;
            }
            "member.left" => {
                assert!(is_member, "left without being in: {event}");
                is_member = false;
            }
            "message.posted" => assert!(is_member, "spoke from outside: {event}"),
            _ => {}
        }
    }
}
