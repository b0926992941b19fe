//! The history that clients saw, and the checker over it: nothing acknowledged lost,
//! nothing doubled, one order without gaps for everybody. Shared by the ordinary stories
//! and the torture suite.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::Client;

/// A post and what its sender was told.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The key.
    pub nonce: String,
    /// What was said.
    pub body: String,
    /// Id and seq of every acknowledgement.
    pub acks: Vec<(i64, i64)>,
}

/// An event a reader saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its position.
    pub seq: i64,
    /// Its kind.
    pub kind: String,
    /// The message it is about, if any.
    pub message: Option<i64>,
}

/// What everybody saw of one room.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Parts>>);

#[derive(Default)]
struct Parts {
    sent: HashMap<String, Sent>,
    readers: BTreeMap<String, Vec<Seen>>,
}

impl Record {
    /// A post goes out.
    pub fn sending(&self, nonce: &str, body: &str) {
        let mut parts = self.0.lock().unwrap();
        let sent = Sent {
            nonce: nonce.to_owned(),
            body: body.to_owned(),
            acks: Vec::new(),
        };
        parts.sent.entry(nonce.to_owned()).or_insert(sent);
    }

    /// A post was acknowledged.
    pub fn acknowledged(&self, nonce: &str, id: i64, seq: i64) {
        let mut parts = self.0.lock().unwrap();
        parts
            .sent
            .get_mut(nonce)
            .expect("was sent")
            .acks
            .push((id, seq));
    }

    /// How many posts have been acknowledged.
    pub fn count_acknowledged(&self) -> usize {
        self.0
            .lock()
            .unwrap()
            .sent
            .values()
            .filter(|sent| !sent.acks.is_empty())
            .count()
    }

    /// A reader saw an event; frames without a seq are none.
    pub fn saw(&self, reader: &str, event: &Value) {
        let kind = event["event"].as_str().unwrap_or("");
        // Receipts and acknowledgements name a seq, and are no events of the room.
        let is_numbered = ["message.", "member.", "reaction.", "room."]
            .iter()
            .any(|begin| kind.starts_with(begin));
        let Some(seq) = event["seq"].as_i64().filter(|_| is_numbered) else {
            return;
        };
        let seen = Seen {
            seq,
            kind: kind.to_owned(),
            message: event["message"]["id"].as_i64(),
        };
        self.0
            .lock()
            .unwrap()
            .readers
            .entry(reader.to_owned())
            .or_default()
            .push(seen);
    }

    /// The last seq a reader saw.
    pub fn last_of(&self, reader: &str) -> Option<i64> {
        let parts = self.0.lock().unwrap();
        parts
            .readers
            .get(reader)
            .and_then(|seen| seen.last())
            .map(|seen| seen.seq)
    }

    /// Compares everything with the room as it is now. Readers must have caught up.
    ///
    /// # Errors
    /// One line per broken promise.
    pub async fn check(&self, client: &Client, room: i64) -> Result<Summary, Vec<String>> {
        let events = all_events(client, room).await;
        let messages = all_messages(client, room).await;
        let parts = self.0.lock().unwrap();
        let mut broken = Vec::new();
        check_log(&events, &mut broken);
        check_messages(&messages, &parts.sent, &mut broken);
        let kinds: HashMap<i64, (String, Option<i64>)> = events
            .iter()
            .map(|event| {
                let kind = event["event"].as_str().unwrap_or("").to_owned();
                (
                    event["seq"].as_i64().unwrap_or(0),
                    (kind, event["message"]["id"].as_i64()),
                )
            })
            .collect();
        for (reader, seen) in &parts.readers {
            check_reader(reader, seen, &kinds, &mut broken);
        }
        let summary = Summary {
            acknowledged: parts
                .sent
                .values()
                .filter(|sent| !sent.acks.is_empty())
                .count(),
            stored: messages.len(),
            events: events.len(),
        };
        if broken.is_empty() {
            Ok(summary)
        } else {
            Err(broken)
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub struct Summary {
    /// Posts acknowledged.
    pub acknowledged: usize,
    /// Messages in the room.
    pub stored: usize,
    /// Events in its log.
    pub events: usize,
}

fn check_log(events: &[Value], broken: &mut Vec<String>) {
    for (expected, event) in (1..).zip(events) {
        if event["seq"].as_i64() != Some(expected) {
            broken.push(format!(
                "the log has {} where {expected} belongs",
                event["seq"]
            ));
            return;
        }
    }
}

fn check_messages(messages: &[Value], sent: &HashMap<String, Sent>, broken: &mut Vec<String>) {
    let mut by_nonce: HashMap<&str, Vec<&Value>> = HashMap::new();
    let mut last = 0;
    for message in messages {
        let seq = message["seq"].as_i64().unwrap_or(0);
        if seq <= last {
            broken.push(format!("history is out of order: {seq} after {last}"));
        }
        last = seq;
        by_nonce
            .entry(message["nonce"].as_str().unwrap_or(""))
            .or_default()
            .push(message);
    }
    for sent in sent.values() {
        let stored = by_nonce
            .get(sent.nonce.as_str())
            .map_or(&[][..], Vec::as_slice);
        if stored.len() > 1 {
            broken.push(format!(
                "doubled: {} is stored {} times",
                sent.body,
                stored.len()
            ));
        }
        for (id, seq) in &sent.acks {
            match stored.first() {
                None => broken.push(format!("lost: {} was acknowledged as {id}", sent.body)),
                Some(message) => {
                    let is_same = message["id"] == *id && message["seq"] == *seq;
                    if !is_same || message["body"] != sent.body.as_str() {
                        broken.push(format!(
                            "{} was acknowledged as {id} at {seq}, stored: {message}",
                            sent.body
                        ));
                    }
                }
            }
        }
    }
}

fn check_reader(
    reader: &str,
    seen: &[Seen],
    kinds: &HashMap<i64, (String, Option<i64>)>,
    broken: &mut Vec<String>,
) {
    for pair in seen.windows(2) {
        if pair[1].seq != pair[0].seq + 1 {
            broken.push(format!(
                "{reader} saw {} after {}",
                pair[1].seq, pair[0].seq
            ));
        }
    }
    for one in seen {
        match kinds.get(&one.seq) {
            None => broken.push(format!("{reader} saw {one:?}, which the log has not")),
            Some((kind, message)) if *kind != one.kind || *message != one.message => {
                broken.push(format!(
                    "{reader} saw {one:?}, the log has {kind} of {message:?}"
                ));
            }
            Some(_) => {}
        }
    }
    let head = kinds.keys().max().copied().unwrap_or(0);
    if seen.last().map(|last| last.seq) != Some(head) {
        broken.push(format!(
            "{reader} stopped at {:?}, the head is {head}",
            seen.last()
        ));
    }
}

/// The whole log of a room.
pub async fn all_events(client: &Client, room: i64) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events
            .last()
            .map_or(0, |event| event["seq"].as_i64().unwrap());
        let path = format!("/api/v1/rooms/{room}/events?after={after}&limit=100");
        let page = client.get(&path).await.expect(200).items();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// The whole history of a room, oldest first.
pub async fn all_messages(client: &Client, room: i64) -> Vec<Value> {
    let mut pages: Vec<Vec<Value>> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let more = cursor.as_ref().map_or(String::new(), |cursor| {
            format!("&cursor={}", super::http::escape(cursor))
        });
        let path = format!("/api/v1/rooms/{room}/messages?limit=100{more}");
        let answer = client.get(&path).await.expect(200);
        pages.push(answer.items());
        cursor = answer.json()["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return pages.into_iter().rev().flatten().collect();
        }
    }
}
