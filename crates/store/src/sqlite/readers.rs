//! A few threads that read, each with a connection of its own.
//!
//! Not for anything that writes: the connections refuse it (`query_only`). In WAL mode a
//! reader never waits for the writer and sees the last commit at its start. A single
//! statement is a snapshot by itself; what needs two of them opens a transaction.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::open_connection;
use super::rows::error_from;
use super::writer::PATIENCE;
use crate::{Result, StoreError};

/// Reads waiting; beyond it callers wait for a place.
const MAX_QUEUED: usize = 1024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The callers' end.
pub(super) struct Readers {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    reads: VecDeque<Read>,
    is_closed: bool,
}

impl Readers {
    /// Starts `count` threads on the file at `path`.
    pub(super) fn start(path: &Path, count: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
        });
        let readers = Self {
            shared,
            places: Arc::new(Semaphore::new(MAX_QUEUED)),
        };
        for number in 0..count.max(1) {
            let conn = open_connection(path)?;
            conn.pragma_update(None, "query_only", true)
                .map_err(error_from)?;
            let shared = Arc::clone(&readers.shared);
            std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || shared.serve(&conn))
                .map_err(|error| StoreError::Internal(Box::new(error)))?;
        }
        Ok(readers)
    }

    /// Runs `read` on one of the connections. Not run at all when the caller is gone before
    /// its turn.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let places = Arc::clone(&self.places);
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => tokio::time::timeout(PATIENCE, places.acquire_owned())
                .await
                .map_err(|_| {
                    StoreError::Unavailable(format!("{MAX_QUEUED} reads are waiting already"))
                })?
                .map_err(|_| closed())?,
        };
        let (caller, answer) = oneshot::channel();
        let job: Read = Box::new(move |conn| {
            drop(place);
            if !caller.is_closed() {
                let _ = caller.send(read(conn));
            }
        });
        self.shared.push(job)?;
        answer.await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Ends the threads once their queue is empty.
    pub(super) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.arrived.notify_all();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        // Nothing can panic while the lock is held, and a queue is whole at every moment.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, read: Read) -> Result<()> {
        let mut queue = self.lock();
        if queue.is_closed {
            return Err(closed());
        }
        queue.reads.push_back(read);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    fn serve(&self, conn: &Connection) {
        loop {
            let mut queue = self.lock();
            let read = loop {
                if let Some(read) = queue.reads.pop_front() {
                    break read;
                }
                if queue.is_closed {
                    return;
                }
                queue = self
                    .arrived
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            // A read that panics takes its own answer along, not the thread: when the last
            // thread is gone, everybody waits for ever. The hook has logged it.
            let _ = catch_unwind(AssertUnwindSafe(|| read(conn)));
        }
    }
}

/// The job is gone without an answer: it panicked, or the store closed before its turn.
fn no_answer() -> StoreError {
    StoreError::Unavailable("the read ended without an answer".into())
}

fn closed() -> StoreError {
    StoreError::Unavailable("the database is closed".into())
}
