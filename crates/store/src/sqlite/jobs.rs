//! Durable work. Taking a job moves its due time to the lease's end, so one that its worker
//! did not live to finish comes back by itself.

use async_trait::async_trait;
use domain::Time;

use super::SqliteStore;
use super::rows::{Statements, word};
use crate::{Job, JobKind, Jobs, Result};

fn word_of(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Recompile => "recompile",
    }
}

fn kind_of(word: &str) -> Option<JobKind> {
    match word {
        "recompile" => Some(JobKind::Recompile),
        _ => None,
    }
}

#[async_trait]
impl Jobs for SqliteStore {
    async fn add_job(&self, kind: JobKind, payload: &str, due_at: Time) -> Result<i64> {
        let payload = payload.to_owned();
        self.write(move |tx| {
            tx.change(INSERT_JOB, (word_of(kind), &payload, due_at.0))?;
            Ok(tx.last_insert_rowid())
        })
        .await
    }

    async fn take_job(&self, at: Time, lease_ms: i64) -> Result<Option<Job>> {
        // Asked often and mostly in vain: a look costs no place in the writer's queue.
        let is_due = self
            .read(move |conn| conn.maybe(DUE_JOB, [at.0], |_| Ok(())))
            .await?;
        if is_due.is_none() {
            return Ok(None);
        }
        self.write(move |tx| {
            tx.maybe(TAKE_JOB, (at.0, at.plus_ms(lease_ms).0), |row| {
                Ok(Job {
                    id: row.get(0)?,
                    kind: word(row, 1, kind_of)?,
                    payload: row.get(2)?,
                    attempts: row.get(3)?,
                })
            })
        })
        .await
    }

    async fn finish_job(&self, id: i64) -> Result<()> {
        self.write(move |tx| tx.change(DELETE_JOB, [id]).map(|_| ()))
            .await
    }

    async fn retry_job(&self, id: i64, due_at: Time) -> Result<()> {
        self.write(move |tx| tx.change(RETRY_JOB, (id, due_at.0)).map(|_| ()))
            .await
    }
}

const INSERT_JOB: &str = "
insert into jobs (kind, payload, due_at)
values (?1, ?2, ?3)";

// By jobs_by_due.
const DUE_JOB: &str = "
select id
  from jobs
 where due_at <= ?1
 order by due_at, id
 limit 1";

// By jobs_by_due.
const TAKE_JOB: &str = "
update jobs
   set due_at = ?2, attempts = attempts + 1
 where id = (select id from jobs where due_at <= ?1 order by due_at, id limit 1)
returning id, kind, payload, attempts - 1";

// By primary key.
const DELETE_JOB: &str = "
delete from jobs
 where id = ?1";

// By primary key.
const RETRY_JOB: &str = "
update jobs
   set due_at = ?2
 where id = ?1";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("INSERT_JOB", INSERT_JOB),
    ("DUE_JOB", DUE_JOB),
    ("TAKE_JOB", TAKE_JOB),
    ("DELETE_JOB", DELETE_JOB),
    ("RETRY_JOB", RETRY_JOB),
];
