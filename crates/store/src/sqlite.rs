//! SQLite: one file, one writer thread, a few readers.
//!
//! Not for two servers on one file: other *processes* may write (the command line does),
//! and a running server notices through `changed_outside`. What a newcomer would get
//! wrong: `synchronous=FULL` is what makes an acknowledgement true after a power cut, and
//! costs nothing here, because the flush is shared by everyone in a batch.
//!
//! | file | holds |
//! | --- | --- |
//! | `writer` | the queue, group commit, what a failed flush means |
//! | `readers` | threads that read |
//! | `checkpoint` | moving the log into the file |
//! | `migrate` | the schema and its versions |
//! | `check` | what is looked at before a file is used |
//! | `rows` | rows to domain types, SQLite's errors to ours |
//! | the rest | one file per trait, each statement beside its caller |

mod check;
mod checkpoint;
mod house;
mod jobs;
mod log;
mod members;
mod messages;
mod migrate;
mod readers;
mod rooms;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;
mod transfer;
mod users;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::checkpoint::Checkpointer;
use self::readers::Readers;
use self::rows::error_from;
use self::writer::{Tx, Writer};
use crate::Result;

pub use self::writer::FatalHook;

/// How to open a file.
#[derive(Clone, Default)]
pub struct SqliteOptions {
    /// Threads that read; 0 takes the default of 3.
    pub readers: usize,
    /// Largest size of the file in bytes; a write beyond it answers `Full`. `None` leaves
    /// it to the disk.
    pub max_bytes: Option<u64>,
    /// Called when a flush failed and nothing may be acknowledged any more. The process
    /// should end: only a restart, which reads the file again, knows what is stored.
    pub on_fatal: Option<FatalHook>,
}

/// A house in an SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl SqliteStore {
    /// Opens the file at `path`, makes it (readable by its owner alone) when it is absent,
    /// and applies missing migrations.
    ///
    /// # Errors
    /// `Corrupt` when the file is damaged or no database of ours, `Newer` when a newer
    /// Parlour wrote it, `Unavailable` when it cannot be opened or another process holds
    /// it. The file is left as it was.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Arc<Self>> {
        let conn = Self::open_checked(path)?;
        if let Some(max_bytes) = options.max_bytes {
            let page_size: u32 = conn
                .pragma_query_value(None, "page_size", |row| row.get(0))
                .map_err(error_from)?;
            let pages = max_bytes / u64::from(page_size.max(1));
            let pages = i64::try_from(pages).unwrap_or(i64::MAX);
            conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
                .map_err(error_from)?;
        }
        conn.busy_timeout(writer::BUSY_SLICE).map_err(error_from)?;
        let checkpointer = Checkpointer::start(path)?;
        let readers = Readers::start(
            path,
            if options.readers == 0 {
                3
            } else {
                options.readers
            },
        )?;
        let writer = Writer::start(conn, checkpointer, options.on_fatal)?;
        Ok(Arc::new(Self {
            writer,
            readers,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }))
    }

    /// Applies missing migrations to the file at `path` and closes it; returns their names.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub fn migrate(path: &Path) -> Result<Vec<&'static str>> {
        let mut conn = check::open_sound(path)?;
        migrate::apply(&mut conn)
    }

    /// Names of the migrations that are missing from the file at `path`, which need not
    /// exist.
    ///
    /// # Errors
    /// `Corrupt`, `Newer`, `Unavailable` as for [`SqliteStore::open`].
    pub fn pending_migrations(path: &Path) -> Result<Vec<&'static str>> {
        if !path.exists() {
            return Ok(migrate::MIGRATIONS.iter().map(|(name, _)| *name).collect());
        }
        let conn = check::open_sound(path)?;
        migrate::pending(&conn)
    }

    fn open_checked(path: &Path) -> Result<Connection> {
        let mut conn = check::open_sound(path)?;
        migrate::apply(&mut conn)?;
        Ok(conn)
    }

    /// Operations asked for since it was opened, reads and writes. What a post costs is a
    /// promise, and this is how a test sees it.
    #[must_use]
    pub fn operations(&self) -> (u64, u64) {
        let (reads, writes) = (&self.reads, &self.writes);
        (
            reads.load(Ordering::Relaxed),
            writes.load(Ordering::Relaxed),
        )
    }

    async fn write<T, F>(&self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.writer.write(run).await
    }

    async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.readers.read(read).await
    }
}

/// A connection as every thread here wants it. The file must exist.
fn open_connection(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(error_from)?;
    conn.busy_timeout(writer::PATIENCE).map_err(error_from)?;
    // Some three dozen statements per thread; the default of 16 would compile the hot ones
    // again and again.
    conn.set_prepared_statement_cache_capacity(128);
    // Without this a statement may be compiled again at *every* binding of its parameters,
    // in case other values deserve another plan: 40 % of the writer's time when measured.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(error_from)?;
    conn.execute_batch(CONNECTION).map_err(error_from)?;
    Ok(conn)
}

// `secure_delete` overwrites what is deleted, so that deleted words are not in the file.
// `cache_size` is in KiB when negative; the kernel caches the file anyway.
// `wal_autocheckpoint` is off because checkpoints run on their own thread, and
// `journal_size_limit` cuts a log that a slow reader made long.
const CONNECTION: &str = "
pragma journal_mode = wal;
pragma synchronous = full;
pragma foreign_keys = on;
pragma secure_delete = on;
pragma temp_store = memory;
pragma cache_size = -4096;
pragma mmap_size = 0;
pragma wal_autocheckpoint = 0;
pragma journal_size_limit = 67108864;
pragma trusted_schema = off;
";
