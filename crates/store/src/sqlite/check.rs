//! What is looked at before a file is used.
//!
//! Cheap things only, because a server must be ready in a moment also with a million
//! messages: the first bytes, the length, the schema's version, and as much of
//! `quick_check` as fits into [`CHECK_TIME`]. What a newcomer would get wrong: a damaged
//! file is refused *before* anything writes to it, so the person can still copy it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::rows::error_from;
use super::{migrate, open_connection};
use crate::{Result, StoreError};

/// How long the structure is looked at; about 20 MB on a slow machine.
const CHECK_TIME: Duration = Duration::from_millis(100);

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens the file at `path`, made when absent, after it has been found sound.
pub(super) fn open_sound(path: &Path) -> Result<Connection> {
    make_file(path)?;
    check_header(path)?;
    // The first connection only reads: not even the journal mode may change in a file that
    // turns out to be damaged or newer.
    check_structure(path)?;
    let conn = open_connection(path)?;
    if conn.is_readonly("main").map_err(error_from)? {
        return Err(unavailable(
            path,
            "is read-only; give this user the right to write it",
        ));
    }
    Ok(conn)
}

/// SQLite would make the file with the rights of the umask; its log takes those of the
/// file.
fn make_file(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Err(StoreError::Full),
        Err(error) => Err(unavailable(path, &format!("cannot be made: {error}"))),
    }
}

fn check_header(path: &Path) -> Result<()> {
    let metadata = path
        .metadata()
        .map_err(|error| unavailable(path, &format!("cannot be read: {error}")))?;
    if metadata.is_dir() {
        return Err(unavailable(path, "is a directory, not a file"));
    }
    if metadata.len() == 0 {
        return Ok(());
    }
    let mut header = [0_u8; 100];
    let mut file = std::fs::File::open(path)
        .map_err(|error| unavailable(path, &format!("cannot be read: {error}")))?;
    if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return Err(damaged(path, "it is not an SQLite database"));
    }
    // While a log exists the file may lag behind it, and the length says nothing.
    let has_log = wal_path(path).metadata().is_ok_and(|log| log.len() > 0);
    let expected = page_size(&header) * page_count(&header);
    if !has_log && metadata.len() < expected {
        return Err(damaged(
            path,
            &format!(
                "it is cut off: {} of {expected} bytes are there",
                metadata.len()
            ),
        ));
    }
    Ok(())
}

fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Bytes 16 and 17, big-endian; 1 stands for 65,536.
fn page_size(header: &[u8; 100]) -> u64 {
    match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    }
}

/// Bytes 28 to 31, big-endian.
fn page_count(header: &[u8; 100]) -> u64 {
    u64::from(u32::from_be_bytes([
        header[28], header[29], header[30], header[31],
    ]))
}

fn check_structure(path: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(error_from)?;
    conn.busy_timeout(super::writer::PATIENCE)
        .map_err(error_from)?;
    conn.pragma_update(None, "query_only", true)
        .map_err(|error| in_file(path, error_from(error)))?;
    migrate::version(&conn).map_err(|error| in_file(path, error))?;
    let deadline = Instant::now() + CHECK_TIME;
    conn.progress_handler(1_000, Some(move || Instant::now() >= deadline))
        .map_err(error_from)?;
    let verdict: rusqlite::Result<String> =
        conn.query_row("pragma quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(damaged(path, &verdict)),
        // The time is up and nothing was found.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(in_file(path, error_from(error))),
    }
}

fn in_file(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(text) => damaged(path, &text),
        StoreError::Unavailable(text) => unavailable(path, &text),
        other => other,
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Corrupt(format!(
        "{}: {what}; restore a backup over it with `parlour restore FILE --force`",
        path.display()
    ))
}

fn unavailable(path: &Path, what: &str) -> StoreError {
    StoreError::Unavailable(format!("{} {what}", path.display()))
}
