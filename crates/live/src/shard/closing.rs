//! Ending connections so that the peer sees why.
//!
//! A browser reports our code only if the closing handshake completes: after our Close the
//! socket stays open for the echo, what comes meanwhile is thrown away, and exactly one
//! Close leaves. Seen in Chromium: a second Close, or dropping the socket at once, turns
//! 1012 into 1006.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::Shard;
use super::conn::{Phase, Put};
use crate::ConnectionId;
use crate::ws::Failure;

/// A shard that closes its connections one after the other.
pub(super) struct Stopping {
    /// Who is still to be closed, in random order, and when the next one is.
    queue: Vec<ConnectionId>,
    started_ms: u64,
    spread_ms: u64,
    total: usize,
    /// From then on nobody is waited for.
    end_ms: u64,
}

impl Stopping {
    /// When there is something to do next.
    pub(super) fn next_ms(&self) -> Option<u64> {
        Some(if self.queue.is_empty() {
            self.end_ms
        } else {
            self.due_ms()
        })
    }

    fn due_ms(&self) -> u64 {
        let done = (self.total - self.queue.len()) as u64;
        self.started_ms + self.spread_ms * done / (self.total.max(1) as u64)
    }
}

impl Shard {
    /// Begins a close with a code; nothing else leaves on this connection afterwards.
    pub(super) fn close(&mut self, key: u32, code: u16, reason: &str) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if conn.phase != Phase::Open {
            return;
        }
        let id = conn.id;
        if conn.put_close(Some(code), reason, Phase::Closing) == Put::Dead {
            self.dead.push(key);
        }
        self.closings.push_back((self.overdue_ms(), id));
        self.unlink(key);
        // The peer's Close may stand behind what a pause holds back.
        self.resume(key);
    }

    /// Fails the connection: the peer broke the protocol, what follows makes no sense.
    pub(super) fn fail(&mut self, key: u32, failure: Failure) {
        if let Some(conn) = self.conns.get_mut(key as usize) {
            conn.is_deaf = true;
            conn.decoder = None;
            conn.held = None;
        }
        self.close(key, failure.code, failure.reason);
    }

    /// The peer sent Close.
    pub(super) fn peer_closed(&mut self, key: u32, code: Option<u16>) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if conn.phase != Phase::Open {
            // The echo of ours: done.
            self.dead.push(key);
            return;
        }
        let id = conn.id;
        let is_sent = conn.put_close(code, "", Phase::Finishing) == Put::Dead || conn.out.is_none();
        if is_sent {
            self.dead.push(key);
        } else {
            self.closings.push_back((self.overdue_ms(), id));
            self.unlink(key);
        }
    }

    fn overdue_ms(&self) -> u64 {
        let wait = self.context.config.close_wait.as_millis();
        self.now_ms + u64::try_from(wait).unwrap_or(u64::MAX / 2)
    }

    /// Drops sockets whose peers did not answer our Close in time.
    pub(super) fn drop_overdue(&mut self) {
        while let Some((at, id)) = self.closings.front()
            && *at <= self.now_ms
        {
            if let Some(key) = self.ids.get(id) {
                self.dead.push(*key);
            }
            self.closings.pop_front();
        }
        self.bury();
    }

    /// Starts closing everyone.
    pub(super) fn stop(&mut self, spread: Duration) {
        let mut queue: Vec<ConnectionId> = self.ids.keys().copied().collect();
        shuffle(&mut queue);
        let spread_ms = u64::try_from(spread.as_millis()).unwrap_or(0);
        self.stopping = Some(Stopping {
            total: queue.len(),
            queue,
            started_ms: self.now_ms,
            spread_ms,
            end_ms: self.overdue_ms() + spread_ms,
        });
    }

    /// Closes whose turn it is; false when everyone is gone or waited for long enough.
    pub(super) fn go_on_stopping(&mut self) -> bool {
        let Some(mut stopping) = self.stopping.take() else {
            return true;
        };
        while !stopping.queue.is_empty() && stopping.due_ms() <= self.now_ms {
            if let Some(id) = stopping.queue.pop()
                && let Some(key) = self.ids.get(&id).copied()
            {
                self.close(key, crate::close::RESTART, "restarting");
            }
        }
        self.bury();
        let is_over =
            stopping.queue.is_empty() && (self.conns.is_empty() || self.now_ms >= stopping.end_ms);
        self.stopping = Some(stopping);
        if is_over {
            let left: Vec<u32> = self.ids.values().copied().collect();
            self.dead.extend(left);
            self.bury();
        }
        !is_over
    }
}

/// Random order, so that a restart does not favour those who came first. Needs no good
/// randomness, only a different one each time.
fn shuffle(ids: &mut [ConnectionId]) {
    let random = RandomState::new();
    for at in (1..ids.len()).rev() {
        let mut hasher = random.build_hasher();
        hasher.write_usize(at);
        let other = (hasher.finish() % (at as u64 + 1)) as usize;
        ids.swap(at, other);
    }
}
