//! P4: what a client has after any number of interruptions is what a fresh client loads.
//!
//! Two clients keep a room by snapshot and events; one is cut off at random moments. People
//! do random things. In the end both must equal the room as it is. The screen a client
//! keeps is the model: a map of messages, a set of members, a name.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use serde_json::{Value, json};

use crate::support::record::all_messages;
use crate::support::{Chance, Client, Said, Server, Socket};

/// What a client shows of a room.
#[derive(Clone, Debug, Default, PartialEq)]
struct Screen {
    messages: BTreeMap<i64, (i64, Option<String>)>,
    members: BTreeSet<String>,
    name: String,
    seq: i64,
}

impl Screen {
    /// Loaded anew: from the API, not from events.
    async fn load(client: &Client, room: i64) -> Self {
        // The head first: events after it are applied again, which changes nothing.
        let seen = client
            .get(&format!("/api/v1/rooms/{room}"))
            .await
            .expect(200)
            .json();
        let messages = all_messages(client, room).await;
        let members = client
            .get(&format!("/api/v1/rooms/{room}/members?limit=100"))
            .await
            .expect(200)
            .items();
        Self {
            messages: messages.iter().map(Self::entry).collect(),
            members: members
                .iter()
                .map(|member| member["user"]["username"].as_str().unwrap().to_owned())
                .collect(),
            name: seen["name"].as_str().unwrap().to_owned(),
            seq: seen["head"].as_i64().unwrap(),
        }
    }

    fn entry(message: &Value) -> (i64, (i64, Option<String>)) {
        let body = message["body"].as_str().map(str::to_owned);
        (
            message["id"].as_i64().unwrap(),
            (message["seq"].as_i64().unwrap(), body),
        )
    }

    /// Takes an event; it must be the next one.
    fn apply(&mut self, event: &Value) {
        let seq = event["seq"].as_i64().unwrap();
        assert_eq!(seq, self.seq + 1, "a hole or a repetition: {event}");
        self.seq = seq;
        match event["event"].as_str().unwrap() {
            "message.posted" | "message.edited" | "message.deleted" => {
                let (id, entry) = Self::entry(&event["message"]);
                self.messages.insert(id, entry);
            }
            "member.joined" => {
                self.members
                    .insert(event["user"]["username"].as_str().unwrap().to_owned());
            }
            "member.left" => {
                self.members
                    .remove(event["user"]["username"].as_str().unwrap());
            }
            "room.changed" => {
                if let Some(name) = event["changes"]["name"].as_str() {
                    self.name = name.to_owned();
                }
            }
            other => panic!("an event nobody knows: {other}"),
        }
    }
}

/// A client with a screen and, mostly, a socket.
struct Reader {
    client: Client,
    room: i64,
    screen: Screen,
    epoch: Value,
    socket: Option<Socket>,
}

impl Reader {
    async fn start(client: Client, room: i64) -> Self {
        let screen = Screen::load(&client, room).await;
        let mut reader = Self {
            client,
            room,
            screen,
            epoch: Value::Null,
            socket: None,
        };
        reader.connect().await;
        reader
    }

    async fn connect(&mut self) {
        let mut socket = Socket::of(&self.client).await;
        if self.epoch.is_null() {
            self.epoch = socket.ready["epoch"].clone();
        }
        socket.resume(self.room, self.screen.seq, &self.epoch).await;
        self.socket = Some(socket);
    }

    /// Reads up to this seq, reloading when told to.
    async fn catch_up(&mut self, head: i64) {
        if self.socket.is_none() {
            self.connect().await;
        }
        while self.screen.seq < head {
            match self.socket.as_mut().unwrap().next().await {
                Said::Event(event) if event["event"] == "resync" => {
                    self.screen = Screen::load(&self.client, self.room).await;
                    // Live goes on after the head that was named; the reload may be further.
                    self.screen.seq = event["head"].as_i64().unwrap();
                }
                Said::Event(event) if event["seq"].is_i64() && event["event"] != "receipt" => {
                    self.screen.apply(&event)
                }
                Said::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// One random act of a random person; most are allowed.
async fn act(chance: &mut Chance, server: &Server, room: i64, ids: &mut Vec<i64>) {
    let name = chance.word(&["bob", "eve", "ada"]);
    let client = server.token_of(name);
    let number = chance.next() % 1000;
    match chance.below(10) {
        0..=4 => {
            let said = client.say(room, &format!("{name} says {number}")).await;
            ids.push(said["id"].as_i64().unwrap());
        }
        5 | 6 if !ids.is_empty() => {
            let path = format!("/api/v1/messages/{}", chance.one_of(ids));
            let body = json!({"body": format!("edited {number}")});
            let status = client.patch(&path, body).await.status;
            assert!(matches!(status, 200 | 403 | 409), "{status}");
        }
        7 if !ids.is_empty() => {
            let path = format!("/api/v1/messages/{}", chance.one_of(ids));
            let status = client.delete(&path).await.status;
            assert!(matches!(status, 204 | 403), "{status}");
        }
        8 => {
            let path = format!("/api/v1/rooms/{room}/members/me");
            let method = if chance.below(2) == 0 {
                Method::PUT
            } else {
                Method::DELETE
            };
            let status = client.ask(method, &path).send().await.status;
            assert!(matches!(status, 200 | 204 | 403 | 409), "{status}");
        }
        _ => {
            let body = json!({"name": format!("Room {number}")});
            let status = client
                .patch(&format!("/api/v1/rooms/{room}"), body)
                .await
                .status;
            assert!(matches!(status, 200 | 403), "{status}");
        }
    }
}

#[tokio::test]
async fn snapshot_and_events_equal_a_fresh_snapshot() {
    let server = Server::start();
    let mut chance = Chance::of_run("resume");
    let room = server.bob().make_room("Room", "open").await["id"]
        .as_i64()
        .unwrap();
    let mut steady = Reader::start(server.ada(), room).await;
    let mut shaky = Reader::start(server.eve(), room).await;
    let mut ids = Vec::new();
    for step in 0..300 {
        act(&mut chance, &server, room, &mut ids).await;
        if chance.below(6) == 0 {
            shaky.socket = None;
        } else if shaky.socket.is_none() && chance.below(4) == 0 {
            shaky.connect().await;
        }
        if step % 60 == 59 {
            let fresh = Screen::load(&server.bob(), room).await;
            steady.catch_up(fresh.seq).await;
            shaky.catch_up(fresh.seq).await;
            assert_eq!(steady.screen, fresh, "after step {step}");
            assert_eq!(shaky.screen, fresh, "after step {step}");
        }
    }
}

#[tokio::test]
async fn a_client_resumes_over_a_crash_of_the_server() {
    let mut server = Server::start();
    let mut chance = Chance::of_run("resume over a crash");
    let room = server.bob().make_room("Room", "open").await["id"]
        .as_i64()
        .unwrap();
    let mut reader = Reader::start(server.eve(), room).await;
    let mut ids = Vec::new();
    for round in 0..3 {
        for _ in 0..15 {
            act(&mut chance, &server, room, &mut ids).await;
        }
        if round == 1 {
            let head = server
                .bob()
                .get(&format!("/api/v1/rooms/{room}"))
                .await
                .expect(200)
                .json()["head"]
                .as_i64();
            reader.catch_up(head.unwrap()).await;
        }
        server.kill();
        server.run();
        reader.client = server.eve();
        reader.socket = None;
    }
    let fresh = Screen::load(&server.bob(), room).await;
    reader.catch_up(fresh.seq).await;
    assert_eq!(reader.screen, fresh);
    let again = Socket::of(&server.eve()).await;
    assert_eq!(
        again.ready["epoch"], reader.epoch,
        "what was acknowledged was flushed: the history is the same"
    );
}
