//! Durable work written with the event that causes it; taken by one worker at a time.

use async_trait::async_trait;
use domain::Time;

use crate::Result;

/// Work to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub id: i64,
    /// What kind.
    pub kind: JobKind,
    /// What about, as JSON.
    pub payload: String,
    /// How often it was tried before.
    pub attempts: i64,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Recompile messages whose markup version is old; payload: `{"after": message id}`.
    Recompile,
}

/// Jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Adds a job, due at `due_at`.
    async fn add_job(&self, kind: JobKind, payload: &str, due_at: Time) -> Result<i64>;

    /// Takes a due job for `lease_ms`; nobody else gets it until the lease ends. `None`
    /// when nothing is due.
    async fn take_job(&self, at: Time, lease_ms: i64) -> Result<Option<Job>>;

    /// The job is done.
    async fn finish_job(&self, id: i64) -> Result<()>;

    /// The job failed; it is due again at `due_at`.
    async fn retry_job(&self, id: i64, due_at: Time) -> Result<()>;
}
