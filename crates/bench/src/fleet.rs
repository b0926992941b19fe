//! Thousands of sockets in one thread: readers that check what they get, writers that post.
//!
//! The load generator shares the machine with the server, so it must be light: one epoll
//! loop, one `read` per wake, frames borrowed from one buffer, no allocation per delivery.
//! It speaks two dialects: Parlour's JSON socket, and that of the bare broadcaster
//! ([`crate::limit::broadcast`]), whose frames look the same, so both are measured by the
//! same client.
//!
//! What a newcomer would get wrong: mio reports *edges*. A read that filled the buffer must
//! be followed by another, or the rest waits for the next message.

mod events;
mod heard;
mod ledger;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};

use crate::frames::{put_masked, put_text};
use crate::stats::Latencies;
use heard::posted_payload;
pub use ledger::Integrity;
use ledger::Ledger;
pub use peer::write_some;
use peer::{Peer, Phase, Role};

/// Connections being opened at the same time: below a usual listen backlog, because a SYN
/// that finds it full is sent again a second later.
const OPENING_AT_ONCE: usize = 100;
/// With nothing happening for so long, a run is over: something is lost.
const STALLED_AFTER: Duration = Duration::from_secs(15);

/// What is on the other side.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// `/api/v1/socket` of a server.
    Parlour {
        /// For the `Host` header.
        host: String,
    },
    /// The bare broadcaster, with frames of so many bytes of payload.
    Limit {
        /// Length of the payload.
        payload_bytes: usize,
    },
}

/// Where and how a fleet connects.
#[derive(Clone, Debug)]
pub struct Door {
    /// The listening address.
    pub addr: SocketAddr,
    /// The address to come from; several fleets in a row would run out of ports on one.
    pub source: Option<Ipv4Addr>,
    /// What is spoken there.
    pub dialect: Dialect,
}

/// When a post is over and its writer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Every reader has it.
    Seen,
    /// The server has acknowledged it.
    Acknowledged,
}

/// A closed loop of posts.
pub struct Drive<'a> {
    /// Posts under way at once.
    pub writers: usize,
    /// For how long new posts are made.
    pub for_time: Duration,
    /// When the next one follows.
    pub until: Until,
    /// Look for news without pause; only with a core of one's own.
    pub spins: bool,
    /// Room (position) and body of the next post of a writer.
    pub next: &'a mut dyn FnMut(usize) -> (usize, String),
}

/// What a closed loop did.
#[derive(Default)]
pub struct Driven {
    /// Posts that came to their end.
    pub posts: u64,
    /// Events that reached readers meanwhile.
    pub deliveries: u64,
    /// How long it took, to the last delivery.
    pub elapsed: Duration,
    /// From sending to the acknowledgement.
    pub acks: Latencies,
    /// From sending until the last reader had it.
    pub seen: Latencies,
}

/// How connecting went.
pub struct Connected {
    /// All together.
    pub elapsed: Duration,
    /// From the first SYN until subscribed, each.
    pub latencies: Latencies,
}

struct Post {
    at: Instant,
    writer: usize,
    is_acknowledged: bool,
}

/// The sockets.
pub struct Fleet {
    door: Door,
    room_ids: Vec<u64>,
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    writers: Vec<usize>,
    opening: usize,
    opened: Latencies,
    ledger: Ledger,
    scratch: Vec<u8>,
    nonce_seed: u128,
    last_post: u64,
    posts: HashMap<u64, Post>,
    until: Until,
    finished: Vec<usize>,
    driven: Driven,
    now: Instant,
    limit_seqs: Vec<u64>,
    sample: usize,
    acknowledged: Vec<(usize, u64)>,
}

impl Fleet {
    /// An empty fleet for the rooms `room_ids`; later they are named by position.
    pub fn new(door: Door, room_ids: Vec<u64>) -> Result<Self> {
        let random = || RandomState::new().build_hasher().finish();
        Ok(Self {
            ledger: Ledger::new(room_ids.len()),
            limit_seqs: vec![0; room_ids.len()],
            door,
            room_ids,
            poll: Poll::new().context("cannot make an epoll")?,
            events: Events::with_capacity(4096),
            peers: Vec::new(),
            writers: Vec::new(),
            opening: 0,
            opened: Latencies::default(),
            scratch: vec![0; 256 * 1024],
            nonce_seed: (u128::from(random()) << 64) | (u128::from(random()) & !0xffff_ffff_ffff),
            last_post: 0,
            posts: HashMap::new(),
            until: Until::Seen,
            finished: Vec::new(),
            driven: Driven::default(),
            now: Instant::now(),
            sample: 0,
            acknowledged: Vec::new(),
        })
    }

    /// Opens a reader per entry of `readers` (token, room position) and a writer per token
    /// of `writers`, and waits until all are subscribed or ready.
    pub fn connect(
        &mut self,
        readers: impl Iterator<Item = (String, usize)>,
        writers: impl Iterator<Item = String>,
    ) -> Result<Connected> {
        let start = Instant::now();
        let mut wanted = writers
            .map(|token| (token, None))
            .chain(readers.map(|(token, room)| (token, Some(room))));
        let mut last_progress = Instant::now();
        loop {
            let before = self.opening;
            while self.opening < OPENING_AT_ONCE
                && let Some((token, room)) = wanted.next()
            {
                self.open(&token, room)?;
            }
            if self.opening == 0 {
                break;
            }
            self.turn(Duration::from_millis(100))?;
            if let Some(error) = &self.ledger.integrity.first_error {
                bail!("connecting failed: {error}");
            }
            if self.opening != before {
                last_progress = Instant::now();
            }
            if last_progress.elapsed() > STALLED_AFTER {
                bail!("{} connections do not open", self.opening);
            }
        }
        Ok(Connected {
            elapsed: start.elapsed(),
            latencies: std::mem::take(&mut self.opened),
        })
    }

    fn open(&mut self, token: &str, room: Option<usize>) -> Result<()> {
        let mut stream = peer::connect(self.door.addr, self.door.source)?;
        let number = self.peers.len();
        self.poll.registry().register(
            &mut stream,
            Token(number),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let role = match room {
            Some(room) => Role::Reader {
                room,
                reader: self.ledger.add_reader(room),
            },
            None => {
                self.writers.push(number);
                Role::Writer
            }
        };
        self.peers.push(Peer {
            stream,
            phase: Phase::Connecting,
            role,
            started: Instant::now(),
            hello: self.hello(token, room),
            inbuf: Vec::new(),
            outbuf: Vec::new(),
        });
        self.opening += 1;
        Ok(())
    }

    fn hello(&self, token: &str, room: Option<usize>) -> Vec<u8> {
        match &self.door.dialect {
            Dialect::Parlour { host } => format!(
                "GET /api/v1/socket HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .into_bytes(),
            Dialect::Limit { .. } => {
                let mut hello = vec![if room.is_some() { b'R' } else { b'W' }];
                hello.extend_from_slice(&(room.unwrap_or(0) as u32).to_be_bytes());
                hello
            }
        }
    }

    /// Runs a closed loop and waits for the last delivery.
    pub fn drive(&mut self, drive: &mut Drive<'_>) -> Result<Driven> {
        self.until = drive.until;
        self.driven = Driven::default();
        let delivered_before = self.ledger.integrity.delivered;
        let start = Instant::now();
        for writer in 0..drive.writers {
            let (room, body) = (drive.next)(writer);
            self.post(writer, room, &body)?;
        }
        let (mut last_progress, mut seen) = (start, 0);
        loop {
            // Never asleep while it counts: whether a `send` has to wake the reader depends on
            // which of the two happens to be faster, and over a network no sender pays for
            // it. Both sides of a ratio are measured like this.
            self.turn(if drive.spins {
                Duration::ZERO
            } else {
                Duration::from_millis(100)
            })?;
            let finished = std::mem::take(&mut self.finished);
            if start.elapsed() < drive.for_time {
                for writer in &finished {
                    let (room, body) = (drive.next)(*writer);
                    self.post(*writer, room, &body)?;
                }
            } else if self.posts.is_empty() && self.ledger.is_caught_up() {
                break;
            }
            let progress = self.ledger.integrity.delivered + self.driven.posts;
            if progress != seen {
                (last_progress, seen) = (Instant::now(), progress);
            } else if last_progress.elapsed() > STALLED_AFTER {
                let open = self.posts.len();
                self.posts.clear();
                self.ledger
                    .integrity
                    .error(|| format!("{open} posts never came to their end"));
                break;
            }
        }
        let mut driven = std::mem::take(&mut self.driven);
        driven.elapsed = start.elapsed();
        driven.deliveries = self.ledger.integrity.delivered - delivered_before;
        Ok(driven)
    }

    /// Posts `body` to the room at position `room`.
    fn post(&mut self, writer: usize, room: usize, body: &str) -> Result<()> {
        self.last_post += 1;
        let number = self.last_post;
        let nonce =
            uuid::Builder::from_random_bytes((self.nonce_seed | u128::from(number)).to_be_bytes())
                .into_uuid();
        let mut bytes = Vec::with_capacity(256);
        let connection = match &self.door.dialect {
            Dialect::Parlour { .. } => {
                let id = self.room_ids.get(room).context("no such room")?;
                let op = serde_json::json!(
                    {"op": "post", "room": id, "nonce": nonce, "body": body}
                );
                let mask = (number as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
                put_masked(&mut bytes, 1, op.to_string().as_bytes(), mask);
                writer
            }
            Dialect::Limit { payload_bytes } => {
                let seq = self.limit_seqs.get_mut(room).context("no such room")?;
                *seq += 1;
                let mut frame = Vec::with_capacity(*payload_bytes + 10);
                put_text(
                    &mut frame,
                    &posted_payload(room, *seq, &nonce.to_string(), *payload_bytes),
                );
                bytes.extend_from_slice(&(room as u32).to_be_bytes());
                bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
                bytes.extend_from_slice(&frame);
                // One control connection: on several, two posts could overtake each other.
                0
            }
        };
        let peer = self
            .writers
            .get(connection % self.writers.len().max(1))
            .and_then(|peer| self.peers.get_mut(*peer))
            .context("a fleet without writers cannot post")?;
        self.posts.insert(
            number,
            Post {
                at: Instant::now(),
                writer,
                is_acknowledged: false,
            },
        );
        peer.send(&bytes).context("a writer's connection broke")
    }

    /// Waits for `time` and reads what comes.
    pub fn idle(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(rest) = end
            .checked_duration_since(Instant::now())
            .filter(|rest| !rest.is_zero())
        {
            self.turn(rest)?;
        }
        Ok(())
    }

    /// Ends the run: what has not come is lost.
    pub fn finish(mut self) -> Finished {
        self.ledger.close();
        Finished {
            integrity: self.ledger.integrity,
            payload_bytes: self.sample,
            acknowledged: self.acknowledged,
        }
    }
}

/// What is left of a fleet.
pub struct Finished {
    /// The counts.
    pub integrity: Integrity,
    /// Length of a `message.posted` payload.
    pub payload_bytes: usize,
    /// Every acknowledged post: room position and seq.
    pub acknowledged: Vec<(usize, u64)>,
}
