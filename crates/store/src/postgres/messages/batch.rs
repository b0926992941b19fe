//! Group commit: posts that arrive together are stored in one transaction.
//!
//! A few lanes, each with one batch under way; while it commits, the next one gathers. A
//! room always takes the same lane, so its posts never wait for each other's locks. A batch
//! takes two trips to the server however many posts it holds: lock and look; write and
//! commit. Everything is checked in between, so a refusal leaves nothing behind.
//!
//! What a newcomer would get wrong: seqs are handed out here, in memory, which is right only
//! because the rooms' rows are locked from the first trip to the commit.

mod look;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Pool;
use domain::{Event, EventKind, Message, MessageId, Nonce, RoomId, Seq, UserId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use self::look::{Decision, Plan, Stored, decide, look};
use self::write::write;
use crate::messages::search_words;
use crate::postgres::log;
use crate::postgres::pool::{PATIENCE, closed};
use crate::postgres::retry::{self, Again, Gate, Kind, MAX_RETRIES};
use crate::postgres::rows::{author_columns, message, message_columns, message_joins, vector};
use crate::postgres::tx::Tx;
use crate::{Appended, NewMessage, Result, StoreError};

/// Posts in one commit. More would only make the first of them wait longer.
const MAX_BATCH: usize = 64;
/// Batches under way at once; a commit that waits for the disk leaves room for another.
const LANES: usize = 2;
/// Posts waiting in a lane; the gate lets no more in.
const MAX_QUEUED: usize = 4096;

/// A post on its way.
struct Post {
    new: NewMessage,
    /// Its words for the index, split on the caller's thread.
    words: Option<String>,
    since: Instant,
    caller: oneshot::Sender<Result<Appended>>,
    /// Held until it is answered, so that closing waits for it.
    place: OwnedSemaphorePermit,
}

impl Post {
    fn answer(self, outcome: Result<Appended>) {
        drop(self.place);
        // A caller that went away does not undo what was committed.
        let _ = self.caller.send(outcome);
    }

    fn key(&self) -> (UserId, Nonce) {
        (self.new.author, self.new.nonce)
    }
}

/// The callers' end.
pub(in crate::postgres) struct Lanes {
    queues: Vec<mpsc::Sender<Post>>,
}

impl Lanes {
    /// Starts the lanes' tasks; they end when this is dropped.
    pub(in crate::postgres) fn start(pool: &Pool) -> Self {
        let start = |_| {
            let (queue, posts) = mpsc::channel(MAX_QUEUED);
            tokio::spawn(serve(pool.clone(), posts));
            queue
        };
        Self {
            queues: (0..LANES).map(start).collect(),
        }
    }

    /// Queues a post and waits for its committed outcome. Once queued it goes on to its
    /// end, also when this future is dropped.
    pub(in crate::postgres) async fn append(
        &self,
        gate: &Arc<Gate>,
        new: NewMessage,
    ) -> Result<Appended> {
        let since = Instant::now();
        let place = gate.enter().await?;
        let (caller, answer) = oneshot::channel();
        let lane = usize::try_from(new.room.0.unsigned_abs()).unwrap_or(0) % LANES;
        let post = Post {
            words: vector(&search_words(Some(&new.body))),
            new,
            since,
            caller,
            place,
        };
        let queue = self.queues.get(lane).ok_or_else(closed)?;
        queue.send(post).await.map_err(|_| closed())?;
        // What waited in the queue and then for a stalled server has waited twice.
        match timeout_at(since + PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(StoreError::Unavailable(
                "the database does not answer".into(),
            )),
        }
    }
}

async fn serve(pool: Pool, mut posts: mpsc::Receiver<Post>) {
    let mut waiting: Vec<Post> = Vec::new();
    loop {
        if waiting.is_empty() {
            match posts.recv().await {
                Some(post) => waiting.push(post),
                None => return,
            }
        }
        while waiting.len() < MAX_BATCH {
            let Ok(post) = posts.try_recv() else { break };
            waiting.push(post);
        }
        let batch = take_batch(&mut waiting);
        store(&pool, batch).await;
    }
}

/// The posts that can be stored together: of two with one nonce the later must see the
/// earlier one stored, so it waits for the next batch.
fn take_batch(waiting: &mut Vec<Post>) -> Vec<Post> {
    let mut keys = HashSet::new();
    let (batch, later): (Vec<_>, Vec<_>) = std::mem::take(waiting)
        .into_iter()
        .partition(|post| keys.insert(post.key()));
    *waiting = later;
    batch
}

/// Stores a batch and answers everyone in it.
async fn store(pool: &Pool, batch: Vec<Post>) {
    let (late, batch): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|post| post.since.elapsed() >= PATIENCE);
    for post in late {
        post.answer(Err(StoreError::Unavailable(
            "the database did not answer in time".into(),
        )));
    }
    if batch.is_empty() {
        return;
    }
    match commit(pool, &batch).await {
        Ok(outcomes) => {
            for (post, outcome) in batch.into_iter().zip(outcomes) {
                post.answer(outcome);
            }
        }
        // Nobody would fare better alone.
        Err(StoreError::Unavailable(text)) => {
            for post in batch {
                post.answer(Err(StoreError::Unavailable(text.clone())));
            }
        }
        Err(StoreError::Full) => {
            for post in batch {
                post.answer(Err(StoreError::Full));
            }
        }
        Err(error) if batch.len() > 1 => {
            tracing::warn!(
                error = %error,
                operations = batch.len(),
                "a batch was undone; its posts are stored one by one"
            );
            for post in batch {
                let alone = [post];
                let outcome = commit(pool, &alone).await;
                let [post] = alone;
                post.answer(outcome.and_then(only));
            }
        }
        Err(error) => {
            if let Some(post) = batch.into_iter().next() {
                post.answer(Err(error));
            }
        }
    }
}

fn only(outcomes: Vec<Result<Appended>>) -> Result<Appended> {
    outcomes.into_iter().next().unwrap_or_else(|| Err(closed()))
}

/// Stores `batch` in one transaction; the outcome of each, or why none is stored.
async fn commit(pool: &Pool, batch: &[Post]) -> Result<Vec<Result<Appended>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut retries = 0;
    loop {
        let tx = retry::begin(pool, Kind::Write, deadline).await?;
        let outcome = retry::within(deadline, transaction(&tx, batch)).await;
        let (outcome, again) = retry::settle(tx, outcome);
        let is_wanted = match again {
            Again::No => false,
            Again::Undone => retries < MAX_RETRIES,
            Again::Lost => retries == 0,
        };
        if !is_wanted || Instant::now() >= deadline {
            return outcome;
        }
        retries += 1;
        retry::pause(retries).await;
    }
}

async fn transaction(tx: &Tx, batch: &[Post]) -> Result<Vec<Result<Appended>>> {
    let outcome = match look(tx, batch).await {
        Ok(mut seen) => {
            let mut plan = Plan::default();
            let decided: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(place, post)| decide(&mut seen, &mut plan, place, post))
                .collect();
            let repeated = repeated(tx, &decided).await;
            match repeated {
                Ok(repeated) if plan.posts.is_empty() => Ok((decided, repeated, HashMap::new())),
                Ok(repeated) => write(tx, batch, &seen, &plan)
                    .await
                    .map(|ids| (decided, repeated, ids)),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    // After `write` there is nothing left to end.
    let (decided, mut repeated, ids) = tx.end(outcome).await?;
    Ok(batch
        .iter()
        .zip(decided)
        .map(|(post, decision)| match decision? {
            Decision::Repeated(id) => repeated
                .remove(&id)
                .map(|message| Appended {
                    message,
                    repeated: true,
                    events: Vec::new(),
                })
                .ok_or(StoreError::NotFound),
            Decision::Stored(stored) => appended(post, stored, &ids),
        })
        .collect())
}

/// The messages that repeated nonces stand for, as they are now.
async fn repeated(tx: &Tx, decided: &[Result<Decision>]) -> Result<HashMap<MessageId, Message>> {
    let ids: Vec<i64> = decided
        .iter()
        .filter_map(|decision| match decision {
            Ok(Decision::Repeated(id)) => Some(id.0),
            _ => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let messages = tx
        .all(MESSAGES_BY_IDS, [&ids], |row| message(row, 0))
        .await?;
    Ok(messages
        .into_iter()
        .map(|message| (message.id, message))
        .collect())
}

fn appended(
    post: &Post,
    stored: Stored,
    ids: &HashMap<(RoomId, Seq), MessageId>,
) -> Result<Appended> {
    let new = &post.new;
    let id = ids
        .get(&(new.room, stored.seq))
        .ok_or_else(|| StoreError::Corrupt("a stored message came back without its id".into()))?;
    let mut events = Vec::with_capacity(2);
    if let Some(seq) = stored.joined {
        events.push(log::joined(new.room, seq, stored.author.clone(), new.at));
    }
    let message = Message {
        id: *id,
        room: new.room,
        seq: stored.seq,
        nonce: new.nonce,
        author: stored.author,
        body: Some(new.body.clone()),
        origin: new.origin,
        reply_to: stored.reply_to,
        created_at: new.at,
        edited_at: None,
        deleted_at: None,
        version: 1,
    };
    events.push(Event {
        room: new.room,
        seq: message.seq,
        at: new.at,
        kind: EventKind::MessagePosted(message.clone()),
    });
    Ok(Appended {
        message,
        repeated: false,
        events,
    })
}

// By primary keys.
const MESSAGES_BY_IDS: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.id = any($1)"
);

/// Every statement of this file and those beside, for the test that prepares them all.
#[cfg(test)]
pub(super) fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("MESSAGES_BY_IDS", MESSAGES_BY_IDS)];
    all.extend(look::STATEMENTS);
    all.extend(write::STATEMENTS);
    all
}
