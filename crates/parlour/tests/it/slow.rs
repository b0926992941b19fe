//! Faults that take minutes or a right of the machine: run by `bin/torture`, ignored in the
//! ordinary run with the reason beside each. What cannot run fails; it does not pass.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::raw::{FIN, TEXT, Wire, frame};
use crate::support::{Said, Server, Socket, until, uuid};

#[tokio::test]
#[ignore = "waits for timeouts of 10 to 70 s: bin/torture"]
async fn slow_heads_and_bodies_are_cut_and_others_do_not_notice() {
    let server = Server::start();
    let drip = async |start: &str, limit: Duration| {
        let mut wire = Wire::connect(server.address()).await;
        wire.send(start.as_bytes()).await;
        let began = Instant::now();
        loop {
            let dripping = tokio::time::timeout(Duration::from_secs(1), wire.closed()).await;
            if dripping.is_ok() {
                return;
            }
            assert!(
                began.elapsed() < limit,
                "{start:?} was not cut within {limit:?}"
            );
            wire.send(b"x").await;
        }
    };
    let ordinary = async {
        for _ in 0..40 {
            let began = Instant::now();
            server.bob().get("/api/v1/me").await.expect(200);
            assert!(began.elapsed() < Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let head = Duration::from_secs(13);
    let slow_heads =
        join_all((0..200).map(|_| drip("GET / HTTP/1.1\r\nhost: localhost\r\nx: ", head)));
    let silent = drip("", head);
    let body = "POST /login/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100000\r\n\r\n";
    let slow_body = drip(body, Duration::from_secs(70));
    tokio::join!(slow_heads, silent, slow_body, ordinary);
}

#[tokio::test]
#[ignore = "waits for a heartbeat of 25 s: bin/torture"]
async fn a_heartbeat_names_the_heads() {
    let server = Server::start();
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    server.bob().say(room, "one").await;
    let mut bob = Socket::of(&server.bob()).await;
    bob.subscribe(room).await;
    let heartbeat_s = bob.ready["heartbeat_s"].as_u64().unwrap();
    let heads = loop {
        let said = bob
            .next_patiently(Duration::from_secs(heartbeat_s + 10))
            .await;
        match said {
            Said::Event(event) if event["event"] == "heads" => break event,
            Said::Event(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heads["rooms"][room.to_string()], 2, "{heads}");
    assert_eq!(heads["epoch"], bob.ready["epoch"]);
}

#[tokio::test]
#[ignore = "holds a lock for 30 s: bin/torture"]
async fn a_lock_held_for_half_a_minute_is_survived() {
    let server = Server::with().may_log_errors().start();
    let bob = server.bob();
    let lobby = bob.lobby().await;
    let mut eve = Socket::of(&server.eve()).await;
    eve.subscribe(lobby).await;
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("begin immediate").unwrap();
    let path = format!("/api/v1/rooms/{lobby}/messages");
    let held = Instant::now();
    let mut refused = 0;
    while held.elapsed() < Duration::from_secs(30) {
        let began = Instant::now();
        let answer = bob.post(&path, json!({"body": "held up"})).await;
        assert!(
            began.elapsed() < Duration::from_secs(7),
            "{:?}",
            began.elapsed()
        );
        answer.refused(503, "unavailable");
        refused += 1;
        let began = Instant::now();
        bob.get(&path).await.expect(200);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "reading goes on: {:?}",
            began.elapsed()
        );
        eve.say(json!({"op": "ping"})).await;
        eve.event("pong").await;
    }
    assert!(refused >= 3);
    connection.execute_batch("rollback").unwrap();
    bob.say(lobby, "free again").await;
    assert_eq!(
        eve.event("message.posted").await["message"]["body"],
        "free again"
    );
}

/// A small disk of its own, unmounted in the end.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        let is_mounted = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        assert!(
            is_mounted,
            "the disk-full test needs root to mount a small tmpfs: {status:?}"
        );
        Self { folder }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.folder.path())
            .status();
    }
}

#[tokio::test]
#[ignore = "mounts a small disk, which needs root: bin/torture"]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let disk = SmallDisk::mount("64m");
    let data = disk.folder.path().join("data");
    let mut server = Server::with().data(&data).may_log_errors().start();
    let bob = server.bob();
    let lobby = bob.lobby().await;
    let path = format!("/api/v1/rooms/{lobby}/messages");
    bob.say(lobby, "before").await;
    let mut eve = Socket::of(&server.eve()).await;
    eve.subscribe(lobby).await;
    // Fills the disk to its last block.
    let full = fs::write(disk.ballast(), vec![0; 128 << 20]);
    assert!(full.is_err(), "the disk is full");
    let refused = until("writes are refused", async || {
        let answer = bob.post(&path, json!({"body": "x".repeat(1000)})).await;
        (answer.status != 201).then_some(answer)
    })
    .await;
    refused.refused(507, "storage_full");
    let messages = bob
        .get(&format!("{path}?limit=1"))
        .await
        .expect(200)
        .items();
    assert_eq!(messages.len(), 1);
    server
        .browser_of("eve")
        .get("/rooms/lobby/")
        .await
        .expect(200);
    eve.say(json!({"op": "ping"})).await;
    eve.event("pong").await;
    let ack = eve.post(lobby, &uuid(), "no room").await;
    assert_eq!(ack["code"], "storage_full", "{ack}");
    assert!(server.is_alive());
    fs::remove_file(disk.ballast()).unwrap();
    let began = Instant::now();
    until("writes go on", async || {
        let answer = bob.post(&path, json!({"body": "after"})).await;
        (answer.status == 201).then_some(())
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let (status, _) = server.stop();
    assert!(status.success());
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    let verdict: String = connection
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand sockets: bin/torture"]
async fn everybody_cut_at_once_is_back_soon() {
    let mut server = Server::start();
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    let connect = |after: Option<i64>| {
        let client = server.eve();
        async move {
            let mut socket = Socket::of(&client).await;
            match after {
                None => {
                    socket.subscribe(room).await;
                }
                Some(after) => {
                    let epoch = socket.ready["epoch"].clone();
                    socket.resume(room, after, &epoch).await;
                    let missed = socket.event("message.posted").await;
                    assert_eq!(missed["seq"], after + 1);
                }
            }
            socket
        }
    };
    let mut sockets = join_all((0..1000).map(|_| connect(None))).await;
    server.kill();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 1006);
    }
    server.run();
    let said = server.bob().say(room, "while they were away").await;
    let after = said["seq"].as_i64().unwrap() - 1;
    let connect = |after: i64| {
        let client = server.eve();
        async move {
            let mut socket = Socket::of(&client).await;
            let epoch = socket.ready["epoch"].clone();
            socket.resume(room, after, &epoch).await;
            assert_eq!(socket.event("message.posted").await["seq"], after + 1);
        }
    };
    let began = Instant::now();
    join_all((0..1000).map(|_| connect(after))).await;
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
#[ignore = "floods readers that do not read: bin/torture"]
async fn readers_that_never_read_cost_little_and_delay_nobody() {
    let server = Server::start();
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    let memory_kib = |server: &Server| -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let mut stuck = Vec::new();
    let subscribe = json!({"op": "subscribe", "room": room}).to_string();
    for _ in 0..300 {
        let mut wire = Wire::upgrade(&server.eve(), "/api/v1/socket", "").await;
        wire.send(&frame(FIN | TEXT, subscribe.as_bytes())).await;
        stuck.push(wire);
    }
    let mut healthy = Socket::of(&server.ada()).await;
    healthy.subscribe(room).await;
    let before = memory_kib(&server);
    let mut writer = Socket::of(&server.bob()).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..4000 {
        let began = Instant::now();
        let ack = writer.post(room, &uuid(), &"x".repeat(990)).await;
        slowest = slowest.max(began.elapsed());
        let seen = healthy.event("message.posted").await;
        assert_eq!(seen["seq"], ack["seq"]);
    }
    let grown = memory_kib(&server).saturating_sub(before);
    assert!(grown < 64 * 1024, "grown by {grown} KiB");
    assert!(slowest < Duration::from_secs(2), "a post took {slowest:?}");
    drop(stuck);
}

#[tokio::test]
#[ignore = "measures times, which a busy machine blurs: bin/torture"]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let server = Server::start();
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..100 {
        for (times, name) in times.iter_mut().zip(["bob", "nobody-here"]) {
            let form = [("username", name), ("password", "a-wrong-password")];
            let began = Instant::now();
            server
                .stranger()
                .post_form("/login/", &form)
                .await
                .expect(422);
            times.push(began.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_unstable();
        times[50].as_secs_f64()
    });
    let ratio = known / unknown;
    assert!(
        (0.9..1.1).contains(&ratio),
        "medians {known:.4} s and {unknown:.4} s"
    );
}

#[tokio::test]
#[ignore = "waits for a silent peer to be given up, 50 to 65 s: bin/torture"]
async fn who_answers_no_ping_is_given_up_and_who_does_stays() {
    let server = Server::start();
    let mut silent = Wire::upgrade(&server.bob(), "/api/v1/socket", "").await;
    let mut quiet = Socket::of(&server.eve()).await;
    let began = Instant::now();
    let staying = async {
        // The library answers pings; the person says nothing.
        while began.elapsed() < Duration::from_secs(70) {
            let said = quiet.next_patiently(Duration::from_secs(60)).await;
            assert!(
                !matches!(said, Said::Closed(_)),
                "after {:?}",
                began.elapsed()
            );
        }
    };
    let going = async {
        // Takes everything, says nothing: a cable that was pulled looks like this.
        silent.closed().await;
        let took = began.elapsed();
        assert!((45..70).contains(&took.as_secs()), "{took:?}");
    };
    tokio::join!(staying, going);
}
