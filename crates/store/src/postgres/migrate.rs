//! Numbered, append-only migrations; the table `parlour_schema` says how far a database has
//! got.
//!
//! What a newcomer would get wrong: several nodes start on one empty database at once, so
//! each migration's transaction first takes an advisory lock, the only one in the house,
//! and reads the version again under it.

use deadpool_postgres::{ClientWrapper, Object};

use super::rows::error_from;
use crate::{Result, StoreError};

/// All migrations, oldest first; the version is the position, starting at 1.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_first_house",
    include_str!("migrations/0001_first_house.sql"),
)];

/// The schema this binary writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The database's schema version: 0 for an empty one.
///
/// `Newer` for a schema this binary does not know, `Corrupt` for tables of another program
/// or a database that cannot hold all text.
async fn version(client: &ClientWrapper) -> Result<i64> {
    let place = client.query_one(PLACE, &[]).await.map_err(error_from)?;
    let encoding: String = place.try_get(0).map_err(error_from)?;
    if encoding != "UTF8" {
        return Err(StoreError::Corrupt(format!(
            "its encoding is {encoding}; make one with `create database … encoding 'UTF8' \
             template template0`"
        )));
    }
    let has_version: bool = place.try_get(1).map_err(error_from)?;
    let tables: i64 = place.try_get(2).map_err(error_from)?;
    if !has_version {
        if tables > 0 {
            return Err(StoreError::Corrupt(
                "it holds tables of another program; give Parlour a database of its own".into(),
            ));
        }
        return Ok(0);
    }
    let row = client.query_one(VERSION, &[]).await.map_err(error_from)?;
    let found: i64 = row.try_get(0).map_err(error_from)?;
    if found > known() {
        return Err(StoreError::Newer {
            found,
            known: known(),
        });
    }
    Ok(found)
}

/// Names of the migrations that are still to be applied.
pub(super) async fn pending(client: &ClientWrapper) -> Result<Vec<&'static str>> {
    let done = usize::try_from(version(client).await?).unwrap_or(0);
    Ok(MIGRATIONS
        .iter()
        .skip(done)
        .map(|(name, _)| *name)
        .collect())
}

/// Applies what is missing, each in a transaction of its own; returns the names applied.
pub(super) async fn apply(client: &mut Object) -> Result<Vec<&'static str>> {
    let mut applied = Vec::new();
    while version(client).await? < known() {
        let outcome = apply_next(client).await;
        if outcome.is_err() {
            // Should this fail too, the connection is gone and with it the transaction.
            let _ = client.batch_execute("rollback").await;
        }
        if let Some(name) = outcome? {
            tracing::info!(migration = name, "applied migration {name}");
            applied.push(name);
        }
    }
    Ok(applied)
}

async fn apply_next(client: &ClientWrapper) -> Result<Option<&'static str>> {
    client.batch_execute(LOCK).await.map_err(error_from)?;
    let done = usize::try_from(version(client).await?).unwrap_or(0);
    let next = MIGRATIONS.get(done);
    if let Some((_, sql)) = next {
        if done == 0 {
            client
                .batch_execute(MAKE_VERSION)
                .await
                .map_err(error_from)?;
        }
        client.batch_execute(sql).await.map_err(error_from)?;
        client
            .batch_execute(COUNT_VERSION)
            .await
            .map_err(error_from)?;
    }
    client.batch_execute("commit").await.map_err(error_from)?;
    Ok(next.map(|(name, _)| *name))
}

// Several minutes, because a migration of a large house takes as long as it takes, and the
// other nodes wait for it.
const LOCK: &str = "
begin;
set local statement_timeout = '30min';
set local lock_timeout = '30min';
select pg_advisory_xact_lock(5786931293521)";

const PLACE: &str = "
select current_setting('server_encoding'),
       coalesce(bool_or(c.relname = 'parlour_schema'), false),
       count(c.oid)
  from pg_class c
 where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')";

const VERSION: &str = "
select version
  from parlour_schema";

const MAKE_VERSION: &str = "
create table parlour_schema (version bigint not null);
insert into parlour_schema (version) values (0)";

const COUNT_VERSION: &str = "
update parlour_schema
   set version = version + 1";

/// Every statement of this file that can be prepared, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("PLACE", PLACE),
    ("VERSION", VERSION),
    ("COUNT_VERSION", COUNT_VERSION),
];
