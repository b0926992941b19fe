//! P1, P2, P3 and P4 under SIGKILL and SIGTERM: eight writers, readers that resume, and a
//! checker over everything anybody was told. A few rounds in the ordinary run;
//! `bin/torture` sets `PARLOUR_TORTURE_ROUNDS` to 200.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::record::Record;
use crate::support::{Chance, Client, Said, Server, Socket, until, uuid};

/// Rounds when nobody asks for more.
const ROUNDS: usize = 5;
const WRITERS: usize = 8;

/// How many rounds this run makes.
fn rounds() -> usize {
    match std::env::var("PARLOUR_TORTURE_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("PARLOUR_TORTURE_ROUNDS is a number"),
        Err(_) => ROUNDS,
    }
}

/// What writers and readers share: where the server is now, and whether to stop.
#[derive(Clone)]
struct Field {
    address: Arc<Mutex<SocketAddr>>,
    is_over: Arc<AtomicBool>,
    record: Record,
    room: i64,
}

impl Field {
    fn at(&self, client: &Client) -> Client {
        client.clone().at(*self.address.lock().unwrap())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// A pause between tries while the server is away.
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where a writer posts: a request each, or one socket for all.
enum Door {
    Http,
    Socket(Option<Box<Socket>>),
}

impl Door {
    /// Posts once; `None` when nobody knows whether it was stored.
    async fn post(
        &mut self,
        field: &Field,
        client: &Client,
        nonce: &str,
        body: &str,
    ) -> Option<(i64, i64)> {
        match self {
            Self::Http => post_by_http(field, client, nonce, body).await,
            Self::Socket(socket) => {
                if socket.is_none() {
                    let opened = Socket::open(&field.at(client), "/api/v1/socket", &[])
                        .await
                        .ok()?;
                    *socket = Some(Box::new(opened));
                }
                let outcome = post_by_socket(socket.as_mut()?, field.room, nonce, body).await;
                if outcome.is_none() {
                    *socket = None;
                }
                outcome
            }
        }
    }
}

async fn post_by_http(
    field: &Field,
    client: &Client,
    nonce: &str,
    body: &str,
) -> Option<(i64, i64)> {
    let path = format!("/api/v1/rooms/{}/messages", field.room);
    let ask = field
        .at(client)
        .ask(Method::POST, &path)
        .json(&json!({"body": body}))
        .header("idempotency-key", nonce);
    let answer = ask.try_send().await.ok()?;
    match answer.status {
        200 | 201 => {
            let message = answer.json();
            Some((message["id"].as_i64()?, message["seq"].as_i64()?))
        }
        503 => None,
        other => panic!("a post was answered {other}: {}", answer.text()),
    }
}

async fn post_by_socket(
    socket: &mut Socket,
    room: i64,
    nonce: &str,
    body: &str,
) -> Option<(i64, i64)> {
    let op = json!({"op": "post", "room": room, "nonce": nonce, "body": body});
    socket.try_say(&op.to_string()).await.ok()?;
    loop {
        match socket.next().await {
            Said::Event(event) if event["event"] == "posted" && event["nonce"] == nonce => {
                return Some((event["id"].as_i64()?, event["seq"].as_i64()?));
            }
            Said::Event(event) if event["re"] == nonce => {
                assert_eq!(event["code"], "unavailable", "a post was refused: {event}");
                return None;
            }
            Said::Event(_) | Said::Text(_) | Said::Binary(_) => {}
            Said::Closed(_) => return None,
        }
    }
}

/// Half of the writers repeat what was not answered, with the same key; the others go on
/// with something new, and what became of it is the checker's business.
async fn write(field: Field, client: Client, number: usize) {
    let retries = number % 4 < 2;
    let mut door = if number.is_multiple_of(2) {
        Door::Http
    } else {
        Door::Socket(None)
    };
    let mut count = 0;
    while !field.is_over() {
        count += 1;
        let (nonce, body) = (uuid(), format!("writer {number}, message {count}"));
        field.record.sending(&nonce, &body);
        loop {
            if let Some((id, seq)) = door.post(&field, &client, &nonce, &body).await {
                field.record.acknowledged(&nonce, id, seq);
                // Now and then a client repeats what was answered already.
                if retries
                    && count % 7 == 0
                    && let Some((id, seq)) = door.post(&field, &client, &nonce, &body).await
                {
                    field.record.acknowledged(&nonce, id, seq);
                }
                break;
            }
            if !retries || field.is_over() {
                break;
            }
            field.pause().await;
        }
    }
}

/// Reads the room, resuming from where it was; after `resync` it asks for the rest. Goes on
/// until it is ended from outside, when it has caught up.
async fn read(field: Field, client: Client, name: &'static str) {
    let mut epoch = Value::Null;
    loop {
        let Ok(mut socket) = Socket::open(&field.at(&client), "/api/v1/socket", &[]).await else {
            field.pause().await;
            continue;
        };
        if !epoch.is_null() {
            assert_eq!(
                socket.ready["epoch"], epoch,
                "the history is the same after every restart"
            );
        }
        epoch = socket.ready["epoch"].clone();
        let after = field.record.last_of(name).unwrap_or(0);
        let op = json!({"op": "subscribe", "room": field.room, "after": after, "epoch": epoch});
        if socket.try_say(&op.to_string()).await.is_err() {
            continue;
        }
        // What was fetched after a `resync` may also come by the socket.
        let mut fetched = 0;
        while let Some(event) = next_event(&mut socket).await {
            if event["event"] == "resync" {
                read_missed(&field, &client, name, event["head"].as_i64().unwrap()).await;
                fetched = field.record.last_of(name).unwrap_or(0);
            } else if event["seq"].as_i64() > Some(fetched) {
                // Everything else goes to the checker, so that it sees what comes twice.
                field.record.saw(name, &event);
            }
        }
    }
}

/// The next event; `None` when the socket is gone.
async fn next_event(socket: &mut Socket) -> Option<Value> {
    loop {
        let patience = Duration::from_secs(120);
        match socket.next_patiently(patience).await {
            Said::Event(event) => return Some(event),
            Said::Closed(code) => {
                assert!(matches!(code, 1006 | 1012), "closed with {code}");
                return None;
            }
            Said::Text(_) | Said::Binary(_) => {}
        }
    }
}

async fn read_missed(field: &Field, client: &Client, name: &str, head: i64) {
    while field.record.last_of(name).unwrap_or(0) < head {
        let after = field.record.last_of(name).unwrap_or(0);
        let path = format!(
            "/api/v1/rooms/{}/events?after={after}&limit=100",
            field.room
        );
        let Ok(page) = field.at(client).ask(Method::GET, &path).try_send().await else {
            return;
        };
        if page.status != 200 {
            return;
        }
        for event in page.items() {
            field.record.saw(name, &event);
        }
    }
}

/// How a round ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    Stop,
}

async fn rounds_of(end: End, rounds: usize) {
    let mut server = Server::start();
    let mut chance = Chance::of_run("torture");
    let room = server.bob().make_room("Field", "open").await["id"]
        .as_i64()
        .unwrap();
    let field = Field {
        address: Arc::new(Mutex::new(server.address())),
        is_over: Arc::default(),
        record: Record::default(),
        room,
    };
    let people = [
        server.ada(),
        server.bob(),
        server.eve(),
        server.token_of("olga"),
    ];
    let writers: Vec<JoinHandle<()>> = (0..WRITERS)
        .map(|number| {
            tokio::spawn(write(
                field.clone(),
                people[number % people.len()].clone(),
                number,
            ))
        })
        .collect();
    let readers: Vec<JoinHandle<()>> = ["reader 1", "reader 2"]
        .map(|name| tokio::spawn(read(field.clone(), server.eve(), name)))
        .into();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let wanted = field.record.count_acknowledged() + 10 + chance.below(120);
        until(
            &format!("round {round} has {wanted} messages"),
            async || (field.record.count_acknowledged() >= wanted).then_some(()),
        )
        .await;
        match end {
            End::Kill => server.kill(),
            End::Stop => {
                let (status, took) = server.stop();
                assert!(
                    status.success() && took < Duration::from_secs(10),
                    "{status} after {took:?}"
                );
            }
        }
        let began = Instant::now();
        server.run();
        slowest = slowest.max(began.elapsed());
        *field.address.lock().unwrap() = server.address();
    }
    field.is_over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("no writer failed");
    }
    let path = format!("/api/v1/rooms/{room}");
    let head = server.bob().get(&path).await.expect(200).json()["head"].as_i64();
    until("the readers have caught up", async || {
        let has_all = ["reader 1", "reader 2"]
            .iter()
            .all(|name| field.record.last_of(name) == head);
        let has_failed = readers.iter().any(JoinHandle::is_finished);
        (has_all || has_failed).then_some(())
    })
    .await;
    for reader in readers {
        reader.abort();
        if let Err(error) = reader.await {
            assert!(error.is_cancelled(), "a reader failed: {error}");
        }
    }
    match field.record.check(&server.bob(), room).await {
        Ok(summary) => {
            println!(
                "{end:?}: {rounds} rounds, {} acknowledged, {} stored, {} events, slowest start {slowest:?}",
                summary.acknowledged, summary.stored, summary.events
            );
            assert!(summary.acknowledged > rounds * 10, "the writers wrote");
        }
        Err(broken) => panic!("{} promises broken:\n{}", broken.len(), broken.join("\n")),
    }
    assert!(
        slowest < Duration::from_secs(5),
        "a start after {end:?} took {slowest:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_out_of_order_by_sigkill() {
    rounds_of(End::Kill, rounds()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_out_of_order_by_restarts() {
    rounds_of(End::Stop, rounds().div_ceil(4)).await;
}

/// Adds something false to a record.
type Spoil<'a> = Box<dyn Fn(&Record) + 'a>;

#[tokio::test]
async fn the_checker_finds_what_is_wrong() {
    // A checker that always agrees would make the rest worthless.
    let server = Server::start();
    let bob = server.bob();
    let room = bob.make_room("Field", "open").await["id"].as_i64().unwrap();
    let said = bob.say(room, "one").await;
    let (nonce, id, seq) = (
        said["nonce"].as_str().unwrap(),
        said["id"].as_i64().unwrap(),
        said["seq"].as_i64().unwrap(),
    );
    let posted =
        |seq: i64, id: i64| json!({"event": "message.posted", "seq": seq, "message": {"id": id}});
    let joined = json!({"event": "member.joined", "seq": 1});
    let good = Record::default();
    good.sending(nonce, "one");
    good.acknowledged(nonce, id, seq);
    good.saw("r", &joined);
    good.saw("r", &posted(2, id));
    good.check(&bob, room).await.expect("nothing is wrong");

    let broken: [(&str, Spoil<'_>); 6] = [
        (
            "lost",
            Box::new(|record| {
                record.sending("never-stored", "x");
                record.acknowledged("never-stored", 99, 9);
            }),
        ),
        (
            "acknowledged as",
            Box::new(|record| {
                record.sending(nonce, "one");
                record.acknowledged(nonce, id, seq + 1);
            }),
        ),
        (
            "acknowledged as",
            Box::new(|record| {
                record.sending(nonce, "other words");
                record.acknowledged(nonce, id, seq);
            }),
        ),
        ("stopped at", Box::new(|record| record.saw("r", &joined))),
        (
            "after",
            Box::new(|record| {
                record.saw("r", &posted(2, id));
                record.saw("r", &posted(2, id));
            }),
        ),
        (
            "the log has",
            Box::new(|record| {
                record.saw("r", &joined);
                record.saw("r", &posted(2, id + 1));
            }),
        ),
    ];
    for (word, spoil) in broken {
        let record = Record::default();
        spoil(&record);
        let found = record.check(&bob, room).await.expect_err(word).join("\n");
        assert!(found.contains(word), "{word}: {found}");
    }
}
