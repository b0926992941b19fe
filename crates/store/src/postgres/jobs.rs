//! Durable work. Taking a job moves its due time to the lease's end, so one that its worker
//! did not live to finish comes back by itself.

use async_trait::async_trait;
use domain::Time;

use super::PostgresStore;
use super::rows::word;
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
impl Jobs for PostgresStore {
    async fn add_job(&self, kind: JobKind, payload: &str, due_at: Time) -> Result<i64> {
        let args = (word_of(kind), payload.to_owned(), due_at.0);
        self.write_one(args, |tx, (word, payload, due_at)| {
            Box::pin(async move {
                tx.one(INSERT_JOB, (word, payload, due_at), |row| row.get(0))
                    .await
            })
        })
        .await
    }

    async fn take_job(&self, at: Time, lease_ms: i64) -> Result<Option<Job>> {
        let args = (at.0, at.plus_ms(lease_ms).0);
        self.write_one(args, |tx, times| {
            Box::pin(async {
                tx.maybe(TAKE_JOB, *times, |row| {
                    Ok(Job {
                        id: row.get(0)?,
                        kind: word(row, 1, kind_of)?,
                        payload: row.get(2)?,
                        attempts: row.get(3)?,
                    })
                })
                .await
            })
        })
        .await
    }

    async fn finish_job(&self, id: i64) -> Result<()> {
        self.write_one(id, |tx, id| {
            Box::pin(async { tx.change(DELETE_JOB, [*id]).await.map(|_| ()) })
        })
        .await
    }

    async fn retry_job(&self, id: i64, due_at: Time) -> Result<()> {
        self.write_one((id, due_at.0), |tx, args| {
            Box::pin(async { tx.change(RETRY_JOB, *args).await.map(|_| ()) })
        })
        .await
    }
}

const INSERT_JOB: &str = "
insert into jobs (kind, payload, due_at)
values ($1, $2, $3)
returning id";

// By jobs_by_due. What another worker is taking at this moment is passed over.
const TAKE_JOB: &str = "
update jobs
   set due_at = $2, attempts = attempts + 1
 where id = (
   select id
     from jobs
    where due_at <= $1
    order by due_at, id
    limit 1
      for update skip locked
 )
returning id, kind, payload, attempts - 1";

// By primary key.
const DELETE_JOB: &str = "
delete from jobs
 where id = $1";

// By primary key.
const RETRY_JOB: &str = "
update jobs
   set due_at = $2
 where id = $1";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("INSERT_JOB", INSERT_JOB),
    ("TAKE_JOB", TAKE_JOB),
    ("DELETE_JOB", DELETE_JOB),
    ("RETRY_JOB", RETRY_JOB),
];
