//! Numbered, append-only migrations; `pragma user_version` says how far a file has got.
//!
//! Not for reading a schema out of a file that somebody else made. A library would bring
//! its own bookkeeping table, checksums and a clock for forty lines that are this plain,
//! and PostgreSQL's migrations share nothing with these but their numbers. What a newcomer
//! would get wrong: the version is read again *inside* the transaction, because two
//! processes may start on one empty file at once.

use rusqlite::{Connection, TransactionBehavior};

use super::rows::error_from;
use crate::{Result, StoreError};

/// "Parl": tells our files from other programs' SQLite files.
const APPLICATION_ID: i64 = 0x5061_726c;

/// All migrations, oldest first; the version is the position, starting at 1.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_first_house",
    include_str!("migrations/0001_first_house.sql"),
)];

/// The schema this binary writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The file's schema version: 0 for an empty file.
///
/// `Newer` for a schema this binary does not know, `Corrupt` for a file of another program.
pub(super) fn version(conn: &Connection) -> Result<i64> {
    let found: i64 = pragma(conn, "user_version")?;
    if found > known() {
        return Err(StoreError::Newer {
            found,
            known: known(),
        });
    }
    let application: i64 = pragma(conn, "application_id")?;
    let objects: i64 = conn
        .query_row("select count(*) from sqlite_schema", [], |row| row.get(0))
        .map_err(error_from)?;
    let is_ours = application == APPLICATION_ID || objects == 0;
    if !is_ours {
        return Err(StoreError::Corrupt(
            "the file is an SQLite database of another program".into(),
        ));
    }
    Ok(found)
}

/// Names of the migrations that are still to be applied.
pub(super) fn pending(conn: &Connection) -> Result<Vec<&'static str>> {
    let done = usize::try_from(version(conn)?).unwrap_or(0);
    Ok(MIGRATIONS
        .iter()
        .skip(done)
        .map(|(name, _)| *name)
        .collect())
}

/// Applies what is missing, each in a transaction of its own; returns the names applied.
pub(super) fn apply(conn: &mut Connection) -> Result<Vec<&'static str>> {
    let mut applied = Vec::new();
    while version(conn)? < known() {
        let transaction = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(error_from)?;
        let done = usize::try_from(version(&transaction)?).unwrap_or(0);
        if let Some((name, sql)) = MIGRATIONS.get(done) {
            transaction.execute_batch(sql).map_err(error_from)?;
            set_pragma(&transaction, "application_id", APPLICATION_ID)?;
            set_pragma(&transaction, "user_version", known().min(done as i64 + 1))?;
            transaction.commit().map_err(error_from)?;
            tracing::info!(migration = name, "applied migration {name}");
            applied.push(*name);
        }
    }
    Ok(applied)
}

fn pragma(conn: &Connection, name: &str) -> Result<i64> {
    conn.pragma_query_value(None, name, |row| row.get(0))
        .map_err(error_from)
}

fn set_pragma(conn: &Connection, name: &str, value: i64) -> Result<()> {
    conn.pragma_update(None, name, value).map_err(error_from)
}
