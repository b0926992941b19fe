//! The house itself: epoch, settings, notices from outside, audit trail.

use async_trait::async_trait;
use domain::{Epoch, Time, UserId};

use crate::Result;

/// One administrative act to write down: who, when, what, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Who; `None` for the operator or the house.
    pub actor: Option<UserId>,
    /// Stable word, e.g. `user.deactivated`.
    pub action: &'static str,
    /// On what, e.g. `user 5 (ada)`.
    pub subject: String,
    /// Further facts as JSON, never secrets or bodies.
    pub details: String,
    /// Address it came from; empty for the operator.
    pub address: String,
    /// When.
    pub at: Time,
}

/// One act read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Which.
    pub id: i64,
    /// Who, by username; `None` for the operator or the house.
    pub actor: Option<String>,
    /// What.
    pub action: String,
    /// On what.
    pub subject: String,
    /// Further facts as JSON.
    pub details: String,
    /// Address it came from.
    pub address: String,
    /// When.
    pub at: Time,
}

/// What another process did that a running server must act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which; they only grow.
    pub id: i64,
    /// What.
    pub kind: NoticeKind,
}

/// Kinds of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// The user's role, state or credentials changed: re-read, close what no longer holds.
    UserChanged(UserId),
    /// Heads or epoch may have changed (restore, import): check all.
    HistoryChanged,
}

/// The house.
#[async_trait]
pub trait House: Send + Sync {
    /// The present history's id.
    async fn epoch(&self) -> Result<Epoch>;

    /// Starts a new history; readers reload their rooms.
    async fn renew_epoch(&self, epoch: Epoch) -> Result<()>;

    /// Writes down an administrative act.
    async fn audit(&self, entry: &Audit) -> Result<()>;

    /// Acts, newest first, before `before`, at most `limit`.
    async fn audit_entries(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>>;

    /// Tells running servers of something done from outside.
    async fn add_notice(&self, kind: NoticeKind, at: Time) -> Result<()>;

    /// Notices after `id`, oldest first, and the newest id.
    async fn notices_after(&self, id: i64) -> Result<(Vec<Notice>, i64)>;

    /// Whether another process has changed the database since the last call (SQLite:
    /// `PRAGMA data_version`). Cheap; asked four times a second.
    async fn changed_outside(&self) -> Result<bool>;

    /// Answers a trivial read: the database is reachable and migrated.
    async fn ready(&self) -> Result<()>;

    /// Flushes and closes; later calls answer `Unavailable`.
    async fn close(&self);
}
