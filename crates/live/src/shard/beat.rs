//! Heartbeats and the end of silent peers, without a timer per connection.
//!
//! A wheel has some buckets and a connection belongs to the one its slab key falls in.
//! Each tick serves one bucket, so ten thousand heartbeats are spread over the interval.

use std::time::Duration;

use bytes::Bytes;
use domain::{RoomId, Seq, Signal};

use super::Shard;
use super::conn::{Phase, Put};
use crate::frames::{SignalFrames, Variant};
use crate::ws;

/// The most buckets; fewer when the heartbeat is short, so that a tick is no less than
/// [`MIN_TICK_MS`].
const MAX_BUCKETS: u64 = 64;
const MIN_TICK_MS: u64 = 5;
/// How often per heartbeat a connection's silence is looked at.
const LOOKS: usize = 4;
/// Different sets of rooms whose `heads` are kept encoded within a tick.
const MAX_SETS: usize = 64;

/// Which connections' heartbeat is due.
pub(super) struct Wheel {
    buckets: usize,
    tick_ms: u64,
    at: usize,
    next_ms: u64,
}

impl Wheel {
    pub(super) fn new(heartbeat: Duration) -> Wheel {
        let whole = u64::try_from(heartbeat.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let buckets = (whole / MIN_TICK_MS).clamp(1, MAX_BUCKETS);
        let tick_ms = (whole / buckets).max(1);
        Wheel {
            buckets: buckets as usize,
            tick_ms,
            at: 0,
            next_ms: tick_ms,
        }
    }

    pub(super) fn next_ms(&self) -> u64 {
        self.next_ms
    }

    /// The bucket whose turn it is, if it is time. A shard that was held up long does not
    /// make up for every tick.
    fn turn(&mut self, now_ms: u64) -> Option<usize> {
        if now_ms < self.next_ms {
            return None;
        }
        self.next_ms += self.tick_ms;
        if self.next_ms + self.tick_ms * self.buckets as u64 <= now_ms {
            self.next_ms = now_ms + self.tick_ms;
        }
        self.at = (self.at + 1) % self.buckets;
        Some(self.at)
    }
}

/// Encoded `heads` of sets of rooms.
#[derive(Default)]
struct Sets(Vec<(Vec<u32>, Variant, Bytes)>);

impl Shard {
    /// Does what the clock asks for.
    pub(super) fn beat(&mut self) {
        if self.conns.is_empty() {
            self.wheel.next_ms = self.now_ms + self.wheel.tick_ms;
            return;
        }
        while let Some(bucket) = self.wheel.turn(self.now_ms) {
            self.send_heartbeats(bucket);
            let apart = (self.wheel.buckets / LOOKS).max(1);
            for look in 0..LOOKS.min(self.wheel.buckets) {
                self.reap((bucket + look * apart) % self.wheel.buckets);
            }
        }
        self.bury();
    }

    /// Drops the bucket's connections that were silent too long. There is nobody to close
    /// with: a peer that lives answers pings.
    fn reap(&mut self, bucket: usize) {
        let limit = u64::try_from(self.context.config.reap_after.as_millis()).unwrap_or(u64::MAX);
        for key in (bucket..self.conns.capacity()).step_by(self.wheel.buckets) {
            // Nothing is read while paused, so silence says nothing.
            if let Some(conn) = self.conns.get(key)
                && !conn.is_paused
                && self.now_ms.saturating_sub(conn.heard_ms) > limit
            {
                self.dead.push(key as u32);
            }
        }
    }

    fn send_heartbeats(&mut self, bucket: usize) {
        let heartbeat = u64::try_from(self.context.config.heartbeat.as_millis()).unwrap_or(0);
        // A peer heard of within most of the interval needs no ping.
        let silent_ms = heartbeat - heartbeat / 8;
        let ping = ws::ping_frame(&[]);
        let mut sets = Sets::default();
        let mut scratch = Vec::new();
        for key in (bucket..self.conns.capacity()).step_by(self.wheel.buckets) {
            let Some(conn) = self.conns.get(key) else {
                continue;
            };
            // Whoever is behind is being written to anyway.
            if conn.phase != Phase::Open || conn.out.is_some() || conn.is_blocked {
                continue;
            }
            let wants_ping = self.now_ms.saturating_sub(conn.heard_ms) >= silent_ms;
            let heads = if conn.who.is_some() {
                scratch.clear();
                scratch.extend(conn.reads.iter().map(|link| link.room));
                scratch.sort_unstable();
                self.heads_frame(&mut sets, &scratch, conn.variant)
            } else {
                Bytes::new()
            };
            let Some(conn) = self.conns.get_mut(key) else {
                continue;
            };
            let mut put = conn.put_lossy(&heads);
            if wants_ping && put == Put::Done {
                put = conn.put_lossy(&ping);
            }
            if put == Put::Dead {
                self.dead.push(key as u32);
            }
        }
    }

    fn heads_frame(&self, sets: &mut Sets, rooms: &[u32], variant: Variant) -> Bytes {
        let known = sets
            .0
            .iter()
            .find(|(set, of, _)| *of == variant && set == rooms);
        if let Some((_, _, frame)) = known {
            return frame.clone();
        }
        let mut heads: Vec<(RoomId, Seq)> = rooms
            .iter()
            .filter_map(|room| self.rooms.get(*room as usize))
            .filter_map(|room| room.hold.as_ref())
            .map(|hold| (hold.log().room, hold.log().head()))
            .collect();
        heads.sort_unstable_by_key(|(room, _)| *room);
        let signal = SignalFrames::new(Signal::Heads {
            epoch: self.context.epoch(),
            rooms: heads,
        });
        let frame = signal.get(variant, &*self.context.render).clone();
        if sets.0.len() >= MAX_SETS {
            sets.0.clear();
        }
        sets.0.push((rooms.to_vec(), variant, frame.clone()));
        frame
    }
}
