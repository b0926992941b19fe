//! Running an operation: its transaction, its deadline, and another attempt when the
//! database asks for one.
//!
//! What a newcomer would get wrong: an operation whose *commit* got no answer may have
//! happened. It is never run again here; the caller asks by nonce.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Run;
use super::pool::{self, PATIENCE, closed};
use super::tx::Tx;
use crate::{Result, StoreError};

/// Attempts after the first, when the database undid a transaction for another's sake.
pub(super) const MAX_RETRIES: u32 = 3;
/// Operations under way or waiting for a connection; beyond it callers wait for a place.
const MAX_RUNNING: u32 = 4096;

/// How long one waits for a place; what comes after has [`PATIENCE`].
const QUEUE_PATIENCE: Duration = Duration::from_millis(800);
/// How long a batch of an import may take.
const IMPORT_PATIENCE: Duration = Duration::from_secs(120);

/// What an operation needs around its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One statement that reads.
    Read,
    /// Several that read, from one snapshot.
    Snapshot,
    /// One statement that writes.
    WriteOne,
    /// Several that write.
    Write,
    /// Thousands that write, for which nobody waits at a screen.
    Import,
}

impl Kind {
    /// The statement that begins it.
    pub(super) fn begin(self) -> Option<&'static str> {
        match self {
            Self::Read | Self::WriteOne => None,
            Self::Snapshot => Some("begin isolation level repeatable read read only"),
            Self::Write | Self::Import => Some("begin"),
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Import => IMPORT_PATIENCE,
            _ => PATIENCE,
        }
    }

    /// Whether it may have happened although the connection broke before an answer;
    /// transactions count as soon as their commit is sent.
    pub(super) fn writes_at_once(self) -> bool {
        self == Self::WriteOne
    }
}

/// Lets operations in until the store is closed.
pub(super) struct Gate {
    places: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_RUNNING as usize)),
        }
    }

    /// A place, held while the operation runs.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(place);
        }
        match tokio::time::timeout(QUEUE_PATIENCE, places.acquire_owned()).await {
            Ok(place) => place.map_err(|_| closed()),
            Err(_) => Err(StoreError::Unavailable(format!(
                "{MAX_RUNNING} operations are waiting already"
            ))),
        }
    }

    /// Waits for those inside, then lets nobody in.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(MAX_RUNNING);
        let _ = tokio::time::timeout(PATIENCE, all).await;
        self.places.close();
    }
}

/// Runs an operation within [`PATIENCE`], again when the database asks for it.
pub(super) async fn run<A, T>(pool: &Pool, kind: Kind, args: &A, run: Run<A, T>) -> Result<T>
where
    A: Sync,
{
    let deadline = Instant::now() + kind.patience();
    let mut retries = 0;
    loop {
        let (outcome, again) = attempt(pool, kind, args, run, deadline).await;
        let is_wanted = match again {
            Again::No => false,
            Again::Undone => retries < MAX_RETRIES,
            // A stale connection is no reason to fail what cannot have happened.
            Again::Lost => retries == 0,
        };
        if !is_wanted || Instant::now() >= deadline {
            return outcome;
        }
        retries += 1;
        pause(retries).await;
    }
}

/// Whether an attempt deserves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It succeeded, or would only fail again.
    No,
    /// The database undid it for another transaction's sake.
    Undone,
    /// The connection broke before anything can have happened.
    Lost,
}

async fn attempt<A, T>(
    pool: &Pool,
    kind: Kind,
    args: &A,
    run: Run<A, T>,
    deadline: Instant,
) -> (Result<T>, Again)
where
    A: Sync,
{
    let tx = match begin(pool, kind, deadline).await {
        Ok(tx) => tx,
        Err(error) => return (Err(error), Again::No),
    };
    let whole = async {
        let outcome = run(&tx, args).await;
        tx.end(outcome).await
    };
    let outcome = within(deadline, whole).await;
    settle(tx, outcome)
}

/// A connection with nothing begun yet.
pub(super) async fn begin(pool: &Pool, kind: Kind, deadline: Instant) -> Result<Tx> {
    match timeout_at(deadline, pool::get(pool)).await {
        Ok(client) => Ok(Tx::new(client?, kind)),
        Err(_) => Err(silent()),
    }
}

/// The outcome of `whole`, or why it did not come to its end: the deadline, or a panic. Left
/// alone, that would take along the lane it happens in, and its connection would go back
/// into the pool with a transaction open. The hook has logged it.
pub(super) async fn within<T>(
    deadline: Instant,
    whole: impl Future<Output = Result<T>>,
) -> Result<Result<T>> {
    match timeout_at(deadline, AssertUnwindSafe(whole).catch_unwind()).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(StoreError::Internal("an operation panicked".into())),
        Err(_) => Err(silent()),
    }
}

/// Gives the connection back, or away when it is not fit for others.
pub(super) fn settle<T>(tx: Tx, outcome: Result<Result<T>>) -> (Result<T>, Again) {
    let again = tx.again();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            tx.discard();
            return (Err(error), Again::No);
        }
    };
    if outcome.is_err() && tx.is_broken() {
        tx.discard();
    }
    let again = if outcome.is_ok() { Again::No } else { again };
    (outcome, again)
}

/// Waits a little, longer each time and never as long as others who failed with us.
pub(super) async fn pause(retries: u32) {
    let span = 8_u64 << retries.min(6);
    let random = u64::from(getrandom::u32().unwrap_or(0));
    tokio::time::sleep(Duration::from_millis(1 + random % span)).await;
}

fn silent() -> StoreError {
    StoreError::Unavailable("the database does not answer".into())
}
