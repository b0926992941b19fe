//! Finding out what watchers are to be told.
//!
//! Shards know who has not been told yet; the store knows how much is unread. One task
//! stands between them: it takes what shards ask, joins what concerns the same room, asks
//! the store and hands the answers back. When it is behind, shards' questions are refused
//! and the next message of the room asks again: an unread signal may be late, never queued
//! without bound.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{RoomId, RoomRef, Seq, UserId};
use store::Store;
use tokio::sync::mpsc;
use tracing::debug;

use crate::inbox::{Command, Inbox, Told};

/// Questions that may wait.
pub(crate) const MAX_ASKS: usize = 1_024;
/// Questions joined into one round.
const MAX_JOINED: usize = 128;
/// Members up to whom unread messages are counted; the same bound as for receipts.
pub(crate) const COUNTED_MEMBERS: i64 = 100;
/// In larger rooms mentions are looked up for so many people per message; of more, the
/// rest hears without a number.
const MAX_MENTIONS_ASKED: usize = 1_000;
/// Users per query.
const USERS_PER_QUERY: usize = 256;
/// How long a room's number of members is believed.
const MEMBERS_KEPT: Duration = Duration::from_secs(30);
/// Rooms whose number of members is remembered; beyond it all are forgotten.
const MAX_ROOMS_KEPT: usize = 10_000;

/// Whom a shard wants to tell about `room`.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) shard: usize,
    pub(crate) room: RoomId,
    pub(crate) head: Seq,
    pub(crate) may_mention: bool,
    /// Ascending.
    pub(crate) users: Vec<UserId>,
}

/// Answers shards until the last one is gone.
pub(crate) async fn answer(
    store: Arc<dyn Store>,
    inboxes: Arc<[Arc<Inbox>]>,
    mut asks: mpsc::Receiver<Ask>,
) {
    let mut members = Members::default();
    let mut round = Vec::new();
    while asks.recv_many(&mut round, MAX_JOINED).await > 0 {
        for ask in join_asks(round.drain(..)) {
            let shard = ask.shard;
            let told = find_out(&*store, &mut members, ask).await;
            if let Some(inbox) = inboxes.get(shard) {
                // Lost when the shard is far behind; the receipt or the next mention
                // brings the number back in step.
                inbox.push_lossy(Command::Told(Box::new(told)));
            }
        }
    }
}

/// One question per shard and room, with everybody in it and the newest head.
fn join_asks(asks: impl Iterator<Item = Ask>) -> Vec<Ask> {
    let mut joined: Vec<Ask> = Vec::new();
    for ask in asks {
        let same = joined
            .iter_mut()
            .find(|other| other.shard == ask.shard && other.room == ask.room);
        let Some(other) = same else {
            joined.push(ask);
            continue;
        };
        other.head = other.head.max(ask.head);
        other.may_mention |= ask.may_mention;
        other.users.extend(ask.users);
        other.users.sort_unstable();
        other.users.dedup();
    }
    joined
}

async fn find_out(store: &dyn Store, members: &mut Members, ask: Ask) -> Told {
    match count(store, members, &ask).await {
        Ok(counts) => Told {
            room: ask.room,
            head: ask.head,
            counts,
            untold: Vec::new(),
        },
        Err(error) => {
            debug!(room.id = %ask.room, %error, "unread counts could not be read");
            Told {
                room: ask.room,
                head: ask.head,
                counts: Vec::new(),
                untold: ask.users,
            }
        }
    }
}

async fn count(
    store: &dyn Store,
    members: &mut Members,
    ask: &Ask,
) -> store::Result<Vec<(UserId, Option<i64>, i64)>> {
    let is_counted = members.of(store, ask.room).await? <= COUNTED_MEMBERS;
    if !is_counted && ask.users.len() > MAX_MENTIONS_ASKED && !ask.may_mention {
        return Ok(ask.users.iter().map(|user| (*user, None, 0)).collect());
    }
    let mut counts = Vec::with_capacity(ask.users.len());
    for users in ask.users.chunks(USERS_PER_QUERY) {
        for one in store.unread_counts(ask.room, users).await? {
            counts.push((one.user, is_counted.then_some(one.unread), one.mentions));
        }
    }
    counts.sort_unstable_by_key(|(user, ..)| *user);
    Ok(counts)
}

/// Numbers of members, remembered for a while.
#[derive(Default)]
struct Members(HashMap<RoomId, (Instant, i64)>);

impl Members {
    async fn of(&mut self, store: &dyn Store, room: RoomId) -> store::Result<i64> {
        if let Some((at, count)) = self.0.get(&room)
            && at.elapsed() < MEMBERS_KEPT
        {
            return Ok(*count);
        }
        let facts = store.room_facts(&RoomRef::Id(room), None).await?;
        if self.0.len() >= MAX_ROOMS_KEPT {
            self.0.clear();
        }
        let count = facts.room.member_count;
        self.0.insert(room, (Instant::now(), count));
        Ok(count)
    }
}
