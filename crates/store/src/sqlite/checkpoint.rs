//! Moves what the write-ahead log has gathered into the database file, beside the writer.
//!
//! Not for durability: a commit is flushed by the writer. Left to SQLite, whichever commit
//! passes the limit does the copying, and everyone in that batch waits for two flushes and
//! a thousand page writes. What a newcomer would get wrong: a checkpoint that runs while
//! writes go on never catches up entirely, and only an entire one lets the log start again
//! from its beginning. So the thread does the long part, and the writer, between two
//! batches, the short rest.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc;

use rusqlite::Connection;

use super::open_connection;
use crate::{Result, StoreError};

/// 4 MiB of 4 KiB pages: enough to copy each hot page once for many commits, and small
/// enough to be recovered in a few milliseconds at the next start.
const WAL_PAGES: i64 = 1024;

/// The writer's end.
pub(super) struct Checkpointer {
    wake: mpsc::SyncSender<()>,
    is_nearly_done: Arc<AtomicBool>,
    /// Length of the log at which to ask next.
    ask_at: Cell<i64>,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(super) fn start(path: &Path) -> Result<Self> {
        let conn = open_connection(path)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let is_nearly_done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_nearly_done);
        std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while woken.recv().is_ok() {
                    checkpoint(&conn, "passive");
                    flag.store(true, Ordering::Release);
                }
            })
            .map_err(|error| StoreError::Internal(Box::new(error)))?;
        Ok(Self {
            wake,
            is_nearly_done,
            ask_at: Cell::new(WAL_PAGES),
        })
    }

    /// Called by the writer after each batch: finishes a checkpoint or asks for one.
    pub(super) fn after_commit(&self, conn: &Connection, wal_pages: &AtomicI64) {
        let pages = wal_pages.load(Ordering::Relaxed);
        if self.is_nearly_done.swap(false, Ordering::AcqRel) {
            checkpoint(conn, "passive");
        } else if pages >= self.ask_at.get() {
            // A slow reader may keep the log from starting again; then it is asked once per
            // 4 MiB more, not at every commit. A full channel has been asked already.
            self.ask_at.set(pages + WAL_PAGES);
            let _ = self.wake.try_send(());
        } else if pages < WAL_PAGES {
            self.ask_at.set(WAL_PAGES);
        }
    }

    /// Empties the log before the connection closes.
    pub(super) fn finish(&self, conn: &Connection) {
        checkpoint(conn, "truncate");
    }
}

fn checkpoint(conn: &Connection, mode: &str) {
    let outcome = conn.pragma(None, "wal_checkpoint", mode, |_| Ok(()));
    if let Err(error) = outcome {
        // Nothing is lost: the log keeps everything until a later checkpoint succeeds.
        tracing::warn!(error = %error, "a checkpoint of the database failed");
    }
}
