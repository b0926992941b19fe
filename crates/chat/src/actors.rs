//! Who a credential stands for, remembered for a moment.
//!
//! Entries live at most 5 s and are dropped at once by a revocation. A read that was under
//! way while something was revoked must not put the old answer back: the generation tells.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::actor::Credential;
use domain::{Actor, SessionId, Time, TokenId, UserId};

const LIFE_MS: i64 = 5_000;
/// Above so many entries the old ones are swept out; then all, which only costs reads.
const MAX_ENTRIES: usize = 20_000;

#[derive(Default)]
pub(crate) struct Actors {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    generation: u64,
    by_secret: HashMap<[u8; 32], (Actor, Time)>,
}

/// What to forget.
pub(crate) enum Forget {
    User(UserId),
    Session(SessionId),
    Token(TokenId),
}

impl Actors {
    /// The remembered actor, if still good, or the generation to remember the answer under.
    pub(crate) fn find(&self, secret: &[u8; 32], now: Time) -> Result<Actor, u64> {
        let inner = self.lock();
        match inner.by_secret.get(secret) {
            // A clock that went back must not keep an entry for ever.
            Some((actor, at)) if (0..LIFE_MS).contains(&now.ms_since(*at)) => Ok(actor.clone()),
            _ => Err(inner.generation),
        }
    }

    pub(crate) fn remember(&self, secret: [u8; 32], actor: &Actor, generation: u64, now: Time) {
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        if inner.by_secret.len() >= MAX_ENTRIES {
            inner
                .by_secret
                .retain(|_, (_, at)| (0..LIFE_MS).contains(&now.ms_since(*at)));
            if inner.by_secret.len() >= MAX_ENTRIES {
                inner.by_secret.clear();
            }
        }
        inner.by_secret.insert(secret, (actor.clone(), now));
    }

    /// Grows whenever a right ended: an equal number means none did.
    pub(crate) fn rights(&self) -> u64 {
        self.lock().generation
    }

    /// A right ended that no actor is remembered by.
    pub(crate) fn rights_changed(&self) {
        self.lock().generation += 1;
    }

    pub(crate) fn forget(&self, what: &Forget) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.by_secret.retain(|_, (actor, _)| {
            let Some(standing) = actor.standing() else {
                return false;
            };
            !match (what, &standing.credential) {
                (Forget::User(user), _) => standing.user == *user,
                (Forget::Session(id), Credential::Session(held)) => held == id,
                (Forget::Token(id), Credential::Token(held, _)) => held == id,
                _ => false,
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
