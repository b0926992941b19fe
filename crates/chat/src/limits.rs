//! Rate limits by actor and action, in front of the policy. Per node; kept in memory.
//!
//! Failed sign-ins are not here: they are counted in the database, so that a restart or
//! another node does not forget them.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::{RoomId, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{Error, Result};

/// Messages a person may send: 5 a second, 10 at once.
const USER_MESSAGES: (u32, u32) = (5, 10);
/// Messages a room takes: 50 a second, 100 at once.
const ROOM_MESSAGES: (u32, u32) = (50, 100);
/// Receipts, joins and other small changes of a person: 20 a second, 60 at once.
const USER_CHANGES: (u32, u32) = (20, 60);
/// Sign-ups of an address: 20 an hour.
const SIGN_UPS_PER_HOUR: u32 = 20;

pub(crate) struct Limits {
    is_on: bool,
    user_messages: DefaultKeyedRateLimiter<UserId>,
    room_messages: DefaultKeyedRateLimiter<RoomId>,
    user_changes: DefaultKeyedRateLimiter<UserId>,
    sign_ups: DefaultKeyedRateLimiter<String>,
    typing: DefaultKeyedRateLimiter<(RoomId, UserId)>,
}

impl Limits {
    pub(crate) fn new(is_on: bool) -> Self {
        let typing = Quota::with_period(Duration::from_secs(3)).unwrap_or(per_second((1, 1)));
        Self {
            is_on,
            user_messages: RateLimiter::keyed(per_second(USER_MESSAGES)),
            room_messages: RateLimiter::keyed(per_second(ROOM_MESSAGES)),
            user_changes: RateLimiter::keyed(per_second(USER_CHANGES)),
            sign_ups: RateLimiter::keyed(Quota::per_hour(count(SIGN_UPS_PER_HOUR))),
            typing: RateLimiter::keyed(typing),
        }
    }

    pub(crate) fn message(&self, user: UserId, room: RoomId) -> Result<()> {
        self.check(&self.user_messages, &user, "messages")?;
        self.check(&self.room_messages, &room, "messages in this room")
    }

    pub(crate) fn change(&self, user: UserId) -> Result<()> {
        self.check(&self.user_changes, &user, "changes")
    }

    pub(crate) fn sign_up(&self, address: &str) -> Result<()> {
        self.check(
            &self.sign_ups,
            &address.to_owned(),
            "sign-ups from this address",
        )
    }

    /// Whether a typing signal is worth passing on: once in 3 s per person and room, also
    /// when limits are off, since more says nothing.
    pub(crate) fn typing(&self, room: RoomId, user: UserId) -> bool {
        self.typing.check_key(&(room, user)).is_ok()
    }

    /// Forgets those who have been quiet, so that the tables stay as small as the traffic.
    pub(crate) fn sweep(&self) {
        self.user_messages.retain_recent();
        self.room_messages.retain_recent();
        self.user_changes.retain_recent();
        self.sign_ups.retain_recent();
        self.typing.retain_recent();
    }

    fn check<K: Hash + Eq + Clone>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
        what: &'static str,
    ) -> Result<()> {
        if !self.is_on {
            return Ok(());
        }
        limiter.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::TooMany {
                what,
                retry_after_s: wait.as_secs() + 1,
            }
        })
    }
}

fn per_second((rate, burst): (u32, u32)) -> Quota {
    Quota::per_second(count(rate)).allow_burst(count(burst))
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
