//! PostgreSQL: one database, shared by as many nodes as there are.
//!
//! Not for ordering by anything but the room's row: no triggers, no `listen`, no advisory
//! locks (but one while migrating), no sequence for seqs, so that engines which speak
//! PostgreSQL and distribute tables stay possible. What a newcomer would get wrong: at
//! `read committed` a statement that waited for a lock goes on with what it had read
//! *before* it waited. So an operation first locks, and only its next statement looks.
//!
//! Locks are always taken in one order, rooms by ascending id and then users by ascending
//! id, so that no two operations wait for each other:
//!
//! | what | is under the lock on |
//! | --- | --- |
//! | seqs, memberships, messages, everything in a room | the room's row |
//! | who exists, the first owner | the lobby's row, because everyone joins it |
//! | an account's standing, the last owner | the user's row, with it the owners' |
//!
//! | file | holds |
//! | --- | --- |
//! | `pool` | connections, their time limits |
//! | `retry` | running an operation: transaction, deadline, another attempt |
//! | `migrate` | the schema and its versions |
//! | `tx` | an operation's statements and its end |
//! | `rows` | rows to domain types, PostgreSQL's errors to ours |
//! | `messages/batch` | group commit of posts |
//! | the rest | one file per trait, as in `sqlite`, each statement beside its caller |

mod house;
mod jobs;
mod log;
mod members;
mod messages;
mod migrate;
mod pool;
mod retry;
mod rooms;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;
mod transfer;
mod tx;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;

use self::messages::batch::Lanes;
use self::retry::{Gate, Kind};
use self::tx::Tx;
use crate::{Result, StoreError};

/// How to use a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostgresOptions {
    /// Connections at most; 0 takes the default of 8. The server's `max_connections` must
    /// hold those of all nodes.
    pub connections: usize,
}

/// A house in a PostgreSQL database.
pub struct PostgresStore {
    pool: Pool,
    gate: Arc<Gate>,
    lanes: Lanes,
    /// The newest notice this node has been told of by `changed_outside`.
    seen_notice: AtomicI64,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl PostgresStore {
    /// Connects to the database at `url` and applies missing migrations.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached or refuses us, `Newer` when a newer Parlour
    /// has used it, `Corrupt` when its tables are another program's or it is not in UTF-8.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Arc<Self>> {
        let connections = match options.connections {
            0 => pool::DEFAULT_CONNECTIONS,
            wished => wished,
        };
        let pool = pool::open(url, connections)?;
        let mut client = pool::get(&pool).await?;
        migrate::apply(&mut client).await?;
        drop(client);
        let gate = Arc::new(Gate::new());
        let store = Self {
            lanes: Lanes::start(&pool),
            pool,
            gate,
            seen_notice: AtomicI64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        };
        let newest = store.newest_notice().await?;
        store.seen_notice.store(newest, Ordering::Relaxed);
        Ok(Arc::new(store))
    }

    /// Applies missing migrations to the database at `url`; returns their names.
    ///
    /// # Errors
    /// As for [`PostgresStore::open`].
    pub async fn migrate(url: &str) -> Result<Vec<&'static str>> {
        let pool = pool::open(url, 1)?;
        let mut client = pool::get(&pool).await?;
        migrate::apply(&mut client).await
    }

    /// Names of the migrations that are missing from the database at `url`.
    ///
    /// # Errors
    /// As for [`PostgresStore::open`].
    pub async fn pending_migrations(url: &str) -> Result<Vec<&'static str>> {
        let pool = pool::open(url, 1)?;
        let client = pool::get(&pool).await?;
        migrate::pending(&client).await
    }

    /// Operations asked for since it was opened, reads and writes.
    #[must_use]
    pub fn operations(&self) -> (u64, u64) {
        let (reads, writes) = (&self.reads, &self.writes);
        (
            reads.load(Ordering::Relaxed),
            writes.load(Ordering::Relaxed),
        )
    }

    /// Connections: how many there are, and how many of them nobody uses now.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Runs statements in one transaction. Once begun it goes on to its end, also when this
    /// future is dropped; it may run several times, each with `args` as given.
    async fn write<A, T>(&self, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.spawn(Kind::Write, args, run).await
    }

    /// Runs one statement that writes: it is a transaction by itself.
    async fn write_one<A, T>(&self, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.spawn(Kind::WriteOne, args, run).await
    }

    /// Runs one statement that reads.
    async fn read<A, T>(&self, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync,
        T: Send,
    {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let _place = self.gate.enter().await?;
        retry::run(&self.pool, Kind::Read, &args, run).await
    }

    /// Runs several statements that read, all from one snapshot.
    async fn read_snapshot<A, T>(&self, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.spawn(Kind::Snapshot, args, run).await
    }

    /// Runs statements in one transaction that may take its time.
    async fn import<A, T>(&self, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.spawn(Kind::Import, args, run).await
    }

    async fn spawn<A, T>(&self, kind: Kind, args: A, run: Run<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let place = self.gate.enter().await?;
        let pool = self.pool.clone();
        // A task of its own: were it dropped halfway, its connection would go back into the
        // pool with a transaction open.
        let running = tokio::spawn(async move {
            let outcome = retry::run(&pool, kind, &args, run).await;
            drop(place);
            outcome
        });
        match running.await {
            Ok(outcome) => outcome,
            Err(error) => Err(StoreError::Internal(Box::new(error))),
        }
    }
}

/// An operation: what it does with its arguments in a transaction.
type Run<A, T> = for<'t> fn(&'t Tx, &'t A) -> BoxFuture<'t, Result<T>>;
