//! Making good what got lost on the way: holes, tails, a changed history.
//!
//! Publishing is a shortcut and may fail in every way. The numbers say what is missing and
//! the store has it, so everything here ends in the same step: read the events after the
//! log's head and take them by number.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Body, Epoch, Event, EventKind, RoomId, RoomKind, Seq};
use tracing::{debug, info, warn};

use crate::Revocation;
use crate::handle::Hub;
use crate::inbox::Command;
use crate::room_log::RoomLog;

/// Events read from the store at once. Half a ring, so that readers get a page before the
/// next one pushes it out.
const PAGE: usize = 128;
/// A hole above this is not filled: everyone reloads the room instead.
const MAX_HOLE: i64 = 1_000;
/// Rooms per query of heads.
const ROOMS_PER_QUERY: usize = 500;
/// How often a hole that the store cannot fill is tried, with growing pauses (7 s in all).
const TRIES: u32 = 8;

impl Hub {
    /// Tells shards whom an event concerns beyond its readers.
    pub(crate) fn tell_of(&self, event: &Event, log: Option<&RoomLog>) {
        let room = event.room;
        match &event.kind {
            // Waking every shard for nobody would be a tenth of what posting costs.
            EventKind::MessagePosted(_) if self.context.open.load(Ordering::Relaxed) == 0 => {}
            EventKind::MessagePosted(message) => {
                let may_mention = matches!(
                    &message.body,
                    Some(Body::Markdown { source, .. }) if source.contains('@')
                );
                for inbox in self.inboxes.iter() {
                    inbox.push_lossy(Command::Posted {
                        room,
                        author: message.author.id,
                        seq: event.seq,
                        may_mention,
                    });
                }
            }
            EventKind::MemberJoined { user, .. } => {
                for inbox in self.inboxes.iter() {
                    let user = user.id;
                    inbox.push(Command::Watch { room, user });
                }
            }
            EventKind::MemberLeft { user, .. } => {
                // Without a log nobody reads, and a closed room is the safe guess.
                let kind = log.map_or(RoomKind::Closed, |log| log.facts().0);
                let keeps_reading = kind == RoomKind::Open;
                if !keeps_reading {
                    let what = Revocation::Membership(room, user.id);
                    self.context.doubts.note(&what);
                }
                for inbox in self.inboxes.iter() {
                    inbox.push(Command::Left {
                        room,
                        user: user.id,
                        seq: event.seq,
                        keeps_reading,
                    });
                }
            }
            EventKind::MessageEdited(_)
            | EventKind::MessageDeleted(_)
            | EventKind::RoomChanged(_) => {}
        }
    }

    /// Reads what is missing in a while, unless it comes by itself or someone is at it.
    pub(crate) fn repair_later(self: &Arc<Self>, log: &Arc<RoomLog>) {
        if log.is_repairing.swap(true, Ordering::SeqCst) {
            return;
        }
        let (hub, log) = (Arc::clone(self), Arc::clone(log));
        let wait = self.context.config.hole_wait;
        self.spawn(async move {
            tokio::time::sleep(wait).await;
            for attempt in 0..TRIES {
                hub.repair(&log).await;
                if log.hole() == 0 {
                    break;
                }
                // The store is out of reach, or reads a moment behind its writer.
                tokio::time::sleep(Duration::from_millis(30 << attempt)).await;
            }
            if log.hole() > 0 {
                warn!(room.id = %log.room, "events are missing in the store; left to the head check");
                log.forget_waiting();
            }
            log.is_repairing.store(false, Ordering::SeqCst);
            // One may have come between the last look and the flag.
            if log.hole() > 0 {
                hub.repair_later(&log);
            }
        });
    }

    /// Reads the events after the head until there are no more.
    pub(crate) async fn repair(self: &Arc<Self>, log: &Arc<RoomLog>) {
        if log.hole() > MAX_HOLE {
            self.restart(log).await;
            return;
        }
        loop {
            let events = match self.store.events_after(log.room, log.head(), PAGE).await {
                Ok(events) => events,
                Err(error) => {
                    debug!(room.id = %log.room, %error, "missing events could not be read");
                    return;
                }
            };
            let is_last = events.len() < PAGE;
            for event in events {
                self.admit(&Arc::new(event));
            }
            if is_last {
                return;
            }
        }
    }

    /// Begins the log anew at the store's head.
    async fn restart(&self, log: &RoomLog) {
        match self.store.heads(&[log.room]).await {
            Ok(heads) => {
                for (_, head) in heads {
                    log.restart(head);
                    self.wake(log);
                }
            }
            Err(error) => debug!(room.id = %log.room, %error, "the head could not be read"),
        }
    }

    /// Compares heads with the store as long as the live path lives.
    pub(crate) fn start_head_check(self: &Arc<Self>) {
        let hub = Arc::downgrade(self);
        let pause = self.context.config.head_check;
        self.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                // Weak: a handle that is dropped without `stop` ends all the same.
                let Some(hub) = hub.upgrade() else {
                    return;
                };
                hub.context.doubts.expire();
                if let Err(error) = hub.check_heads().await {
                    debug!(%error, "heads could not be compared with the store");
                }
            }
        });
    }

    async fn check_heads(self: &Arc<Self>) -> store::Result<()> {
        if self.store.epoch().await? != self.context.epoch() {
            self.history_changed().await;
            return Ok(());
        }
        let mut has_gone_back = false;
        // The heads of before the query: nothing is published before it is committed, so
        // a store that knows less has lost it.
        let known: Vec<(Arc<RoomLog>, Seq)> = self
            .context
            .rooms
            .all()
            .into_iter()
            .filter(|log| log.opened.initialized())
            .map(|log| {
                let head = log.head();
                (log, head)
            })
            .collect();
        for part in known.chunks(ROOMS_PER_QUERY) {
            let ids: Vec<RoomId> = part.iter().map(|(log, _)| log.room).collect();
            let mut heads = self.store.heads(&ids).await?;
            heads.sort_unstable_by_key(|(room, _)| *room);
            for (log, before) in part {
                let Ok(at) = heads.binary_search_by_key(&log.room, |(room, _)| *room) else {
                    continue;
                };
                let Some((_, stored)) = heads.get(at) else {
                    continue;
                };
                has_gone_back |= stored < before;
                if *stored > log.head() {
                    self.catch_up(log, *stored).await;
                }
            }
        }
        if has_gone_back {
            self.renew_history().await?;
        }
        Ok(())
    }

    async fn catch_up(self: &Arc<Self>, log: &Arc<RoomLog>, stored: Seq) {
        if stored.0 - log.head().0 > MAX_HOLE {
            self.restart(log).await;
        } else {
            self.repair(log).await;
        }
    }

    /// Numbers that readers have seen are gone from the store (a failover, a disk that
    /// lied about its flush) and may be given out again: this is another history now.
    async fn renew_history(&self) -> store::Result<()> {
        warn!("the store's heads went back; every reader reloads");
        if self.store.epoch().await? == self.context.epoch() {
            self.store.renew_epoch(random_epoch()).await?;
        }
        self.history_changed().await;
        Ok(())
    }

    pub(crate) async fn history_changed(&self) {
        match self.store.epoch().await {
            Ok(epoch) => {
                info!(%epoch, "the history changed; every reader reloads");
                self.context.set_epoch(epoch);
            }
            Err(error) => {
                // The head check compares epochs and comes back here.
                warn!(%error, "the new history could not be read");
                return;
            }
        }
        let logs = self.context.rooms.all();
        for part in logs.chunks(ROOMS_PER_QUERY) {
            let ids: Vec<RoomId> = part.iter().map(|log| log.room).collect();
            let heads = match self.store.heads(&ids).await {
                Ok(heads) => heads,
                Err(error) => {
                    warn!(%error, "heads could not be read; readers reload at the old ones");
                    part.iter().map(|log| (log.room, log.head())).collect()
                }
            };
            for log in part {
                if let Some((_, head)) = heads.iter().find(|(room, _)| *room == log.room) {
                    log.restart(*head);
                    self.wake(log);
                }
            }
        }
    }
}

/// A number nobody has seen: the standard library's hash keys are random.
fn random_epoch() -> Epoch {
    Epoch(RandomState::new().build_hasher().finish())
}
