//! Reading what peers send.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::error;

use super::conn::{Phase, Put};
use super::{READ_BYTES, Shard};
use crate::Flow;
use crate::ws::{self, Decoder, Incoming, Rules};

/// Full buffers read from one socket per turn; the next turn goes on, so that one loud
/// peer does not make the others wait.
const READS_PER_TURN: usize = 8;
/// Largest message of the echo.
const ECHO_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// What the echo may owe: one largest message, and what it was owing when it paused.
const ECHO_OUTBOUND_BYTES: usize = 3 * ECHO_MESSAGE_BYTES;

/// Whether to go on with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Continue,
    /// Keep the rest for later.
    Pause,
    /// The rest does not matter.
    Stop,
}

impl Shard {
    /// Reads what a socket has.
    ///
    /// `to_the_end`: the peer may have ended its side already. Its end then stands behind
    /// the last bytes without a readiness of its own, so a short read is not the last one.
    pub(super) fn readable(&mut self, key: u32, to_the_end: bool) {
        if self.buffer.len() != READ_BYTES {
            // A panic in the middle of a turn took it along.
            self.buffer = vec![0; READ_BYTES].into_boxed_slice();
        }
        for _ in 0..READS_PER_TURN {
            let Some(conn) = self.conns.get_mut(key as usize) else {
                return;
            };
            if conn.is_paused {
                return;
            }
            let read = match conn.socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.dead.push(key);
                    return;
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.dead.push(key);
                    return;
                }
            };
            conn.heard_ms = self.now_ms;
            let buffer = std::mem::take(&mut self.buffer);
            self.ingest(key, buffer.get(..read).unwrap_or_default());
            self.buffer = buffer;
            if read < READ_BYTES && !to_the_end {
                // All there was: the next byte is a new readiness.
                return;
            }
        }
        self.unfinished.push(key);
    }

    /// Decodes bytes and acts on what they say.
    pub(super) fn ingest(&mut self, key: u32, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if conn.is_deaf {
            return;
        }
        let rules = Rules {
            max_message_bytes: match conn.who {
                Some(_) => self.context.config.max_message_bytes,
                None => ECHO_MESSAGE_BYTES,
            },
            deflate: conn.deflate,
            binary: conn.who.is_none(),
        };
        let mut decoder = conn
            .decoder
            .take()
            .map_or_else(Decoder::new, |boxed| *boxed);
        let mut input = bytes;
        let mut step = Step::Continue;
        while step == Step::Continue {
            match decoder.decode(&mut input, &rules, &mut self.inflater) {
                Ok(None) => break,
                Ok(Some(incoming)) => step = self.take(key, incoming),
                Err(failure) => {
                    self.fail(key, failure);
                    return;
                }
            }
        }
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if step == Step::Pause {
            conn.is_paused = true;
            conn.held = (!input.is_empty()).then(|| input.into());
        }
        if !decoder.is_idle() {
            conn.decoder = Some(Box::new(decoder));
        }
    }

    fn take(&mut self, key: u32, incoming: Incoming) -> Step {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return Step::Stop;
        };
        if let Incoming::Close(code) = incoming {
            self.peer_closed(key, code);
            return Step::Stop;
        }
        if conn.phase != Phase::Open {
            return Step::Continue;
        }
        match incoming {
            Incoming::Text(text) if conn.who.is_none() => self.echo(key, &ws::text_frame(&text)),
            Incoming::Binary(bytes) => self.echo(key, &ws::binary_frame(&bytes)),
            Incoming::Text(text) => self.hear(key, text),
            Incoming::Ping(payload) => {
                if conn.put_lossy(&ws::pong_frame(&payload)) == Put::Dead {
                    self.dead.push(key);
                }
                Step::Continue
            }
            Incoming::Pong | Incoming::Close(_) => Step::Continue,
        }
    }

    fn hear(&mut self, key: u32, text: String) -> Step {
        let Some(who) = self
            .conns
            .get(key as usize)
            .and_then(|conn| conn.who.as_ref())
        else {
            return Step::Stop;
        };
        let Some(inbound) = self.context.inbound.get() else {
            return Step::Continue;
        };
        let flow = catch_unwind(AssertUnwindSafe(|| inbound.text(&who.connected, text)));
        match flow {
            Ok(Flow::Continue) => Step::Continue,
            Ok(Flow::Pause) => Step::Pause,
            Err(_) => {
                error!("taking a client's text panicked; the text is dropped");
                Step::Continue
            }
        }
    }

    fn echo(&mut self, key: u32, frame: &bytes::Bytes) -> Step {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return Step::Stop;
        };
        let deflated = conn.deflate.then(|| ws::deflated_frame(frame)).flatten();
        let bytes = deflated.unwrap_or_else(|| frame.clone());
        match conn.put_chunk(bytes, None, None, ECHO_OUTBOUND_BYTES) {
            Put::Dead | Put::Full => {
                self.dead.push(key);
                Step::Stop
            }
            // It reads on when the peer has taken what it is owed.
            Put::Done if conn.out.is_some() => Step::Pause,
            Put::Done => Step::Continue,
        }
    }

    /// Reads on after a pause.
    pub(super) fn resume(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if !conn.is_paused {
            return;
        }
        conn.is_paused = false;
        conn.heard_ms = self.now_ms;
        if let Some(held) = conn.held.take() {
            self.ingest(key, &held);
        }
        self.readable(key, true);
    }

    /// A socket takes bytes again.
    pub(super) fn writable(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        conn.is_blocked = false;
        match conn.flush() {
            Err(_) => self.dead.push(key),
            Ok(false) => {}
            Ok(true) if conn.phase == Phase::Finishing => self.dead.push(key),
            Ok(true) => {
                let is_owing_echo = conn.is_paused && conn.who.is_none();
                self.catch_up(key);
                if is_owing_echo {
                    self.resume(key);
                }
            }
        }
    }
}
