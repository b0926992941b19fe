//! How many requests of one person are at work at once: eight, the others wait their turn.
//!
//! A script that asks for ten thousand pages at once then costs what eight cost, and
//! nobody else waits for it. Not a rate limit: `chat` counts what people do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Requests of one person at work.
const AT_ONCE: usize = 8;
/// Requests of one person at work or waiting; more are refused.
const MOST: usize = 8 + 64;

/// The turns of everybody who asks now. Empty when nobody does.
#[derive(Default)]
pub(crate) struct Turns {
    people: Mutex<HashMap<UserId, Queue>>,
}

struct Queue {
    permits: Arc<Semaphore>,
    /// Turns and waits for one; the queue is forgotten at 0.
    users: usize,
}

/// One request's turn; ends when dropped.
pub(crate) struct Turn {
    // Given back before the place is, so that a queue is never forgotten while in use.
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

/// A place in someone's queue, left also by a request that is cut while it waits.
struct Place {
    turns: Arc<Turns>,
    user: UserId,
}

impl Turns {
    /// Waits for a turn of `user`.
    ///
    /// # Errors
    /// 429 when too many wait already.
    pub(crate) async fn take(self: &Arc<Self>, user: UserId) -> Result<Turn, Problem> {
        let permits = {
            let mut people = self.lock();
            let queue = people.entry(user).or_insert_with(|| Queue {
                permits: Arc::new(Semaphore::new(AT_ONCE)),
                users: 0,
            });
            if queue.users >= MOST {
                return Err(Problem::rate_limited("requests at once", 1));
            }
            queue.users += 1;
            Arc::clone(&queue.permits)
        };
        let place = Place {
            turns: Arc::clone(self),
            user,
        };
        Ok(Turn {
            // Never closed, so this cannot fail.
            _permit: permits.acquire_owned().await.ok(),
            _place: place,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Queue>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut people = self.turns.lock();
        if let Some(queue) = people.get_mut(&self.user) {
            queue.users -= 1;
            if queue.users == 0 {
                people.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::UserId;
    use futures_util::FutureExt as _;

    use super::{AT_ONCE, MOST, Turns};

    #[tokio::test]
    async fn eight_requests_of_a_person_are_at_work_and_others_wait() {
        let turns = Arc::new(Turns::default());
        let (ada, bob) = (UserId(1), UserId(2));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(ada).await.ok().unwrap());
        }
        let mut waiting: Vec<_> = (AT_ONCE..MOST).map(|_| Box::pin(turns.take(ada))).collect();
        for wait in &mut waiting {
            assert!(wait.now_or_never().is_none());
        }
        assert!(turns.take(ada).await.is_err());
        // Nobody else is held up.
        assert!(turns.take(bob).await.is_ok());

        held.pop();
        assert!(
            waiting
                .remove(0)
                .now_or_never()
                .is_some_and(|turn| turn.is_ok())
        );
        // A wait that is cut leaves its place.
        waiting.clear();
        held.clear();
        assert!(turns.lock().is_empty());
    }
}
