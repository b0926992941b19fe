//! Rights that ended a moment ago, so that what was checked before cannot act after.
//!
//! A subscription is checked by its caller, then takes a while: the log is opened, missed
//! events are read. A removal may fall in between. Every removal is noted here *before* the
//! shards hear of it, with a growing number. A subscription takes the number at its
//! beginning; if its right is noted at that moment it asks the store again, and the shard
//! refuses it when it was noted later. Without doubts, which is nearly always, all this
//! costs one atomic read.
//!
//! What this does not cover is a check older than [`KEPT`]: callers subscribe at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::actor::Credential;
use domain::{RoomId, SessionId, TokenId, UserId};

use crate::Revocation;

/// How long an ended right is remembered; longer than any check may be old.
const KEPT: Duration = Duration::from_secs(120);
/// Ended rights remembered. Beyond it, subscriptions begun before are refused and asked to
/// begin again.
const MAX_KEPT: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Right {
    Membership(RoomId, UserId),
    Session(SessionId),
    Token(TokenId),
    User(UserId),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    number: AtomicU64,
    count: AtomicUsize,
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    rights: HashMap<Right, (u64, Instant)>,
    /// Everything before this number is in doubt: it had to be forgotten early.
    floor: u64,
}

impl Doubts {
    /// The number a check made now is older than every later doubt.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Notes the end of a right.
    pub(crate) fn note(&self, what: &Revocation) {
        let right = match *what {
            Revocation::Session(session) => Right::Session(session),
            Revocation::Token(token) => Right::Token(token),
            Revocation::User(user, _) => Right::User(user),
            Revocation::Membership(room, user) => Right::Membership(room, user),
        };
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let now = Instant::now();
        if ended.rights.len() >= MAX_KEPT {
            ended
                .rights
                .retain(|_, (_, at)| now.duration_since(*at) < KEPT);
        }
        if ended.rights.len() >= MAX_KEPT {
            ended.rights.clear();
            ended.floor = number;
        }
        ended.rights.insert(right, (number, now));
        self.count.store(ended.rights.len(), Ordering::SeqCst);
    }

    /// Forgets what is old; called now and then.
    pub(crate) fn expire(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        ended
            .rights
            .retain(|_, (_, at)| now.duration_since(*at) < KEPT);
        self.count.store(ended.rights.len(), Ordering::SeqCst);
    }

    /// Whether nothing ended lately.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Whether this membership ended lately.
    pub(crate) fn has_membership(&self, room: RoomId, user: UserId) -> bool {
        self.membership_after(room, user, 0)
    }

    /// Whether this membership ended after `number` was taken.
    pub(crate) fn membership_after(&self, room: RoomId, user: UserId, number: u64) -> bool {
        if self.number() == number || self.is_empty() {
            return false;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.floor > number
            || ended
                .rights
                .get(&Right::Membership(room, user))
                .is_some_and(|(noted, _)| *noted > number)
    }

    /// Whether this session or token ended lately; they never come back.
    pub(crate) fn has_credential(&self, credential: &Credential) -> bool {
        if self.is_empty() {
            return false;
        }
        let right = match credential {
            Credential::Session(session) => Right::Session(*session),
            Credential::Token(token, _) => Right::Token(*token),
        };
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.rights.contains_key(&right)
    }

    /// Whether everything of this user ended lately; they may have signed in again since.
    pub(crate) fn has_user(&self, user: UserId) -> bool {
        if self.is_empty() {
            return false;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.rights.contains_key(&Right::User(user))
    }
}
