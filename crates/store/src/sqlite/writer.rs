//! The one thread that writes: group commit.
//!
//! It takes up to [`MAX_BATCH`] queued operations, runs them in one transaction, commits
//! once and only then answers, so the flush of the disk is shared by everyone who waited
//! for it. It knows no tables but the full-text one, whose rows it collects: FTS5 writes
//! out its pending terms at every savepoint (27 µs a row against 11), so the rows of a
//! whole batch go in at its end.
//!
//! Savepoints are for trouble alone. With one open, SQLite copies every page before its
//! first change, which costs more than the rows of a message. An operation that is refused
//! has normally written nothing yet (checks come first), and then there is nothing to undo.
//! Only when one fails *after* it wrote is the batch undone and run again, each operation
//! in a savepoint; and when that fails too (full disk, failed full-text write), one by one.
//!
//! What a newcomer would get wrong: so an operation may run **up to three times**, and must
//! not have effects outside the database. Its refusals belong before its first write.

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpointer;
use super::rows::error_from;
use crate::{Result, StoreError};

/// Operations in one commit. More would only make the first of them wait longer.
const MAX_BATCH: usize = 256;
/// Operations waiting; beyond it callers wait for a place.
pub(super) const MAX_QUEUED: usize = 4096;
/// How long an operation may wait for a place in the queue or for a foreign lock. Below
/// the five seconds within which a request must be answered.
pub(super) const PATIENCE: Duration = Duration::from_millis(4_000);
/// Answers to fewer callers are not worth a task.
const MIN_HANDED_OVER: usize = 3;
/// How long SQLite itself waits for a lock before the thread looks at its queue again.
pub(super) const BUSY_SLICE: Duration = Duration::from_millis(200);

/// Called once, from the writer thread, when a flush failed and nothing may be
/// acknowledged any more.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// A transaction, as operations see it.
pub(super) struct Tx<'c> {
    conn: &'c Connection,
    search: Vec<SearchChange>,
}

/// What is to happen to the full-text index at the end of the batch, in this order.
enum SearchChange {
    Add(i64, String),
    Remove(i64, String),
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl Tx<'_> {
    /// Makes `message` findable by `words`. Without any it needs no row at all.
    pub(super) fn add_search(&mut self, message: i64, words: &str) {
        if !words.is_empty() {
            self.search
                .push(SearchChange::Add(message, words.to_owned()));
        }
    }

    /// Makes `message` unfindable: `words` are those it was added with, all of them.
    pub(super) fn remove_search(&mut self, message: i64, words: String) {
        if !words.is_empty() {
            self.search.push(SearchChange::Remove(message, words));
        }
    }
}

/// One queued operation with the way back to its caller.
pub(super) trait Operation: Send {
    /// Runs the operation and keeps its outcome; true when it succeeded.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Replaces the outcome.
    fn fail(&mut self, error: StoreError);
    /// Gives the outcome to the caller, who may be gone.
    fn answer(self: Box<Self>);
}

struct Pending<F, T> {
    run: F,
    outcome: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<F, T> Operation for Pending<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        // Caught here, it is one failed write, undone like any other; uncaught, it would be
        // the end of the thread and of all writing. The hook has logged it.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.run)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Internal("a write panicked".into())));
        let is_ok = outcome.is_ok();
        self.outcome = Some(outcome);
        is_ok
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // A caller that went away does not undo what was committed.
            let _ = self.caller.send(outcome);
        }
    }
}

/// What the thread is asked.
pub(super) enum Item {
    /// Do this, and answer after the commit.
    Run(Box<dyn Operation>, Instant),
    /// Has another process committed since the last question?
    ChangedOutside(oneshot::Sender<Result<bool>>),
    /// Finish what is queued before this, then close.
    Close(oneshot::Sender<()>),
}

/// The callers' end of the queue.
pub(super) struct Writer {
    queue: mpsc::Sender<Item>,
    is_dead: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread on `conn`.
    pub(super) fn start(
        conn: Connection,
        checkpointer: Checkpointer,
        on_fatal: Option<FatalHook>,
    ) -> Result<Self> {
        let (queue, items) = mpsc::channel(MAX_QUEUED);
        let is_dead = Arc::new(AtomicBool::new(false));
        let mut thread = Thread::new(conn, checkpointer, Arc::clone(&is_dead), on_fatal)?;
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.serve(items))
            .map_err(|error| StoreError::Internal(Box::new(error)))?;
        Ok(Self { queue, is_dead })
    }

    /// Queues an operation and waits for its committed outcome. Once queued it runs to its
    /// end, also when this future is dropped.
    pub(super) async fn write<T, F>(&self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        if self.is_dead.load(Ordering::Acquire) {
            return Err(dead());
        }
        let since = Instant::now();
        let (caller, answer) = oneshot::channel();
        let pending = Pending {
            run,
            outcome: None,
            caller,
        };
        self.send(Item::Run(Box::new(pending), since)).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether another process has committed since the last call.
    pub(super) async fn changed_outside(&self) -> Result<bool> {
        let (caller, answer) = oneshot::channel();
        self.send(Item::ChangedOutside(caller)).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs what is queued, then closes the connection.
    pub(super) async fn close(&self) {
        let (caller, answer) = oneshot::channel();
        if self.queue.send(Item::Close(caller)).await.is_ok() {
            let _ = answer.await;
        }
    }

    async fn send(&self, item: Item) -> Result<()> {
        // The common case must not set a timer.
        let item = match self.queue.try_send(item) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(closed()),
            Err(mpsc::error::TrySendError::Full(item)) => item,
        };
        match self.queue.send_timeout(item, PATIENCE).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(closed()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(StoreError::Unavailable(
                format!("{MAX_QUEUED} writes are waiting already"),
            )),
        }
    }
}

fn dead() -> StoreError {
    StoreError::Unavailable("a flush to disk failed; nothing can be stored until a restart".into())
}

fn undone() -> StoreError {
    StoreError::Unavailable("the transaction was rolled back".into())
}

fn closed() -> StoreError {
    StoreError::Unavailable("the database is closed".into())
}

/// How far apart the operations of a batch are kept.
#[derive(Clone, Copy, PartialEq)]
enum Apart {
    /// Not at all: fast, and right as long as none fails after writing.
    No,
    /// Each in a savepoint.
    Savepoints,
}

/// Why a batch as a whole did not happen.
enum Lost {
    /// An operation failed after it wrote, and no savepoint kept it apart.
    Mixed,
    /// Another process holds the write lock.
    Busy(String),
    /// It is undone; running the operations one by one may save most of them.
    Undone(StoreError),
    /// A flush failed: what reached the disk is unknown.
    Fatal(String),
}

struct Thread {
    conn: Connection,
    checkpointer: Checkpointer,
    is_dead: Arc<AtomicBool>,
    on_fatal: Option<FatalHook>,
    data_version: i64,
    wal_pages: Arc<AtomicI64>,
    /// The runtime of those who wait, when the store was opened inside one.
    callers: Option<Handle>,
}

type Batch = Vec<(Box<dyn Operation>, Instant)>;

impl Thread {
    fn new(
        mut conn: Connection,
        checkpointer: Checkpointer,
        is_dead: Arc<AtomicBool>,
        on_fatal: Option<FatalHook>,
    ) -> Result<Self> {
        let wal_pages = Arc::new(AtomicI64::new(0));
        let counter = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            counter.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))
        .map_err(error_from)?;
        let data_version = data_version(&conn)?;
        Ok(Self {
            conn,
            checkpointer,
            is_dead,
            on_fatal,
            data_version,
            wal_pages,
            callers: Handle::try_current().ok(),
        })
    }

    fn serve(&mut self, mut items: mpsc::Receiver<Item>) {
        let mut batch: Batch = Vec::with_capacity(MAX_BATCH);
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = items.blocking_recv() else {
                break;
            };
            closing = self.take(first, &mut batch);
            while closing.is_none() && batch.len() < MAX_BATCH {
                let Ok(item) = items.try_recv() else { break };
                closing = self.take(item, &mut batch);
            }
            if !batch.is_empty() {
                self.write(&mut batch, &mut items, &mut closing);
                self.checkpointer.after_commit(&self.conn, &self.wal_pages);
            }
        }
        items.close();
        while let Ok(item) = items.try_recv() {
            refuse(item, closed);
        }
        self.checkpointer.finish(&self.conn);
        if let Some(caller) = closing {
            let _ = caller.send(());
        }
    }

    /// Sorts one item: operations into `batch`, a wish to close into the answer.
    fn take(&mut self, item: Item, batch: &mut Batch) -> Option<oneshot::Sender<()>> {
        match item {
            Item::Run(operation, since) => batch.push((operation, since)),
            Item::ChangedOutside(caller) => {
                let _ = caller.send(self.changed_outside());
            }
            Item::Close(caller) => return Some(caller),
        }
        None
    }

    /// Commits `batch` and answers everyone in it, however it ends.
    fn write(
        &mut self,
        batch: &mut Batch,
        items: &mut mpsc::Receiver<Item>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) {
        if self.is_dead.load(Ordering::Acquire) {
            return fail_all(batch, dead);
        }
        let mut apart = Apart::No;
        loop {
            match self.commit(batch, apart) {
                Ok(()) => return answer_all(batch, self.callers.as_ref()),
                Err(Lost::Mixed) => apart = Apart::Savepoints,
                Err(Lost::Busy(text)) => {
                    // Newcomers wait together with those here, each for its own patience.
                    expire(batch, &text);
                    while closing.is_none() && batch.len() < MAX_BATCH {
                        let Ok(item) = items.try_recv() else { break };
                        *closing = self.take(item, batch);
                    }
                    if batch.is_empty() {
                        return;
                    }
                }
                Err(Lost::Undone(error)) if batch.len() == 1 => {
                    if let Some((mut operation, _)) = batch.pop() {
                        operation.fail(error);
                        operation.answer();
                    }
                    return;
                }
                Err(Lost::Undone(error)) => {
                    tracing::warn!(
                        error = %error,
                        operations = batch.len(),
                        "a batch was undone; its operations run one by one"
                    );
                    return self.one_by_one(batch);
                }
                Err(Lost::Fatal(text)) => {
                    self.die(&text);
                    return fail_all(batch, dead);
                }
            }
        }
    }

    fn one_by_one(&mut self, batch: &mut Batch) {
        for (operation, since) in batch.drain(..) {
            let mut single = vec![(operation, since)];
            match self.commit(&mut single, Apart::No) {
                Ok(()) => answer_all(&mut single, self.callers.as_ref()),
                // Alone there is nobody to be kept apart from.
                Err(Lost::Mixed) => fail_all(&mut single, closed),
                Err(Lost::Busy(text)) => {
                    fail_all(&mut single, || StoreError::Unavailable(text.clone()))
                }
                Err(Lost::Undone(error)) => {
                    if let Some((mut operation, _)) = single.pop() {
                        operation.fail(error);
                        operation.answer();
                    }
                }
                Err(Lost::Fatal(text)) => {
                    self.die(&text);
                    fail_all(&mut single, dead);
                }
            }
        }
    }

    /// Runs and commits `batch`. On `Ok` every operation holds its own outcome and those
    /// that succeeded are on disk; on `Err` nothing is.
    fn commit(&mut self, batch: &mut Batch, apart: Apart) -> std::result::Result<(), Lost> {
        if self.is_dead.load(Ordering::Acquire) {
            return Err(Lost::Undone(dead()));
        }
        self.execute("begin immediate").map_err(|e| self.lost(e))?;
        let outcome = self.run(batch, apart);
        if outcome.is_err() && !self.conn.is_autocommit() {
            // Should this fail too, the next `begin` says so.
            let _ = self.execute("rollback");
        }
        outcome
    }

    fn run(&self, batch: &mut Batch, apart: Apart) -> std::result::Result<(), Lost> {
        let mut tx = Tx {
            conn: &self.conn,
            search: Vec::with_capacity(batch.len()),
        };
        let is_alone = batch.len() == 1;
        let mut has_written = false;
        for (operation, _) in batch.iter_mut() {
            let kept = tx.search.len();
            let changes = self.conn.total_changes();
            if apart == Apart::Savepoints {
                self.execute("savepoint operation")
                    .map_err(|e| self.lost(e))?;
            }
            let is_ok = operation.run(&mut tx);
            if self.conn.is_autocommit() {
                // SQLite has rolled back everything by itself, others' work included. Alone,
                // the operation holds the reason already.
                return if is_alone {
                    Ok(())
                } else {
                    Err(Lost::Undone(undone()))
                };
            }
            if is_ok {
                has_written = true;
            } else {
                tx.search.truncate(kept);
                let wrote = self.conn.total_changes() != changes;
                if apart == Apart::Savepoints {
                    self.execute("rollback to operation")
                        .map_err(|e| self.lost(e))?;
                } else if wrote && !is_alone {
                    return Err(Lost::Mixed);
                }
            }
            if apart == Apart::Savepoints {
                self.execute("release operation")
                    .map_err(|e| self.lost(e))?;
            }
        }
        if !has_written {
            return self.execute("rollback").map_err(|e| self.lost(e));
        }
        self.write_search(&tx.search).map_err(|e| self.lost(e))?;
        self.execute("commit").map_err(|e| self.lost(e))
    }

    fn write_search(&self, changes: &[SearchChange]) -> rusqlite::Result<()> {
        for change in changes {
            let (sql, message, words) = match change {
                SearchChange::Add(message, words) => (ADD_SEARCH, message, words),
                SearchChange::Remove(message, words) => (REMOVE_SEARCH, message, words),
            };
            self.conn.prepare_cached(sql)?.execute((message, words))?;
        }
        Ok(())
    }

    fn execute(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn lost(&self, error: rusqlite::Error) -> Lost {
        let code = error.sqlite_error().map(|e| (e.code, e.extended_code));
        match code {
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => {
                Lost::Busy("another process is writing to it".into())
            }
            // After a failed flush the pages may be marked clean though they never reached
            // the disk, so trying again would acknowledge what is not there.
            Some((
                _,
                rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC,
            )) => Lost::Fatal(error.to_string()),
            _ => Lost::Undone(error_from(error)),
        }
    }

    fn die(&self, text: &str) {
        if !self.is_dead.swap(true, Ordering::AcqRel) {
            tracing::error!(error = text, "a flush to disk failed; refusing all writes");
            if let Some(hook) = &self.on_fatal {
                hook(text);
            }
        }
    }

    fn changed_outside(&mut self) -> Result<bool> {
        let now = data_version(&self.conn)?;
        let is_changed = now != self.data_version;
        self.data_version = now;
        Ok(is_changed)
    }
}

/// Own commits do not count in this number, which is why it is asked here and nowhere else.
fn data_version(conn: &Connection) -> Result<i64> {
    conn.prepare_cached(DATA_VERSION)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(error_from)
}

/// Gives everyone their outcome. From here each answer would wake the callers' runtime by
/// itself, a system call a time; handed over as one task it is woken once and wakes the
/// rest from inside.
fn answer_all(batch: &mut Batch, callers: Option<&Handle>) {
    if let Some(callers) = callers.filter(|_| batch.len() >= MIN_HANDED_OVER) {
        let done = std::mem::replace(batch, Vec::with_capacity(MAX_BATCH));
        callers.spawn(async move {
            for (operation, _) in done {
                operation.answer();
            }
        });
        return;
    }
    for (operation, _) in batch.drain(..) {
        operation.answer();
    }
}

fn fail_all(batch: &mut Batch, error: impl Fn() -> StoreError) {
    for (mut operation, _) in batch.drain(..) {
        operation.fail(error());
        operation.answer();
    }
}

fn expire(batch: &mut Batch, text: &str) {
    for (mut operation, _) in batch.extract_if(.., |(_, since)| since.elapsed() >= PATIENCE) {
        operation.fail(StoreError::Unavailable(text.to_owned()));
        operation.answer();
    }
}

fn refuse(item: Item, error: impl Fn() -> StoreError) {
    match item {
        Item::Run(mut operation, _) => {
            operation.fail(error());
            operation.answer();
        }
        Item::ChangedOutside(caller) => {
            let _ = caller.send(Err(error()));
        }
        Item::Close(caller) => {
            let _ = caller.send(());
        }
    }
}

// By rowid, which is the message id.
const ADD_SEARCH: &str = "
insert into search (rowid, body)
values (?1, ?2)";

// FTS5's command to delete from an index without content: it needs the words.
const REMOVE_SEARCH: &str = "
insert into search (search, rowid, body)
values ('delete', ?1, ?2)";

const DATA_VERSION: &str = "pragma data_version";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("ADD_SEARCH", ADD_SEARCH),
    ("REMOVE_SEARCH", REMOVE_SEARCH),
    ("DATA_VERSION", DATA_VERSION),
];
