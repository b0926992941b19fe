//! The house itself: epoch, secrets, audit trail, notices.

use async_trait::async_trait;
use domain::{Epoch, Time, UserId};
use futures_util::future::try_join;

use std::sync::atomic::Ordering;

use super::PostgresStore;
use super::rows::limit;
use super::tx::{NONE, Row, Tx};
use crate::{Audit, AuditEntry, House, Notice, NoticeKind, Result, StoreError};

/// How long a notice is kept; servers read them within a second.
const NOTICE_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

#[async_trait]
impl House for PostgresStore {
    async fn epoch(&self) -> Result<Epoch> {
        self.read((), |tx, ()| {
            Box::pin(async {
                tx.one(EPOCH, NONE, |row| {
                    row.get::<i64>(0).map(|epoch| Epoch(epoch.cast_unsigned()))
                })
                .await
            })
        })
        .await
    }

    async fn renew_epoch(&self, epoch: Epoch) -> Result<()> {
        self.write_one(epoch, |tx, epoch| {
            Box::pin(async {
                tx.change(SET_EPOCH, [epoch.0.cast_signed()]).await?;
                Ok(())
            })
        })
        .await
    }

    async fn audit(&self, entry: &Audit) -> Result<()> {
        self.write_one(entry.clone(), |tx, entry| Box::pin(write_down(tx, entry)))
            .await
    }

    async fn audit_entries(&self, before: Option<i64>, most: usize) -> Result<Vec<AuditEntry>> {
        let before = before.unwrap_or(i64::MAX);
        self.read((before, limit(most, 1000)), |tx, page| {
            Box::pin(async {
                tx.all(AUDIT_ENTRIES, *page, |row| {
                    Ok(AuditEntry {
                        id: row.get(0)?,
                        actor: row.get(1)?,
                        action: row.get(2)?,
                        subject: row.get(3)?,
                        details: row.get(4)?,
                        address: row.get(5)?,
                        at: Time(row.get(6)?),
                    })
                })
                .await
            })
        })
        .await
    }

    async fn add_notice(&self, kind: NoticeKind, at: Time) -> Result<()> {
        self.write((kind, at), |tx, (kind, at)| {
            Box::pin(notify(tx, *kind, *at))
        })
        .await
    }

    async fn notices_after(&self, id: i64) -> Result<(Vec<Notice>, i64)> {
        self.read_snapshot(id, |tx, id| Box::pin(notices_after(tx, *id)))
            .await
    }

    async fn changed_outside(&self) -> Result<bool> {
        let newest = self.newest_notice().await?;
        Ok(self.seen_notice.swap(newest, Ordering::Relaxed) != newest)
    }

    async fn ready(&self) -> Result<()> {
        self.epoch().await.map(|_| ())
    }

    async fn close(&self) {
        self.gate.close().await;
        self.pool.close();
    }
}

impl PostgresStore {
    /// The secret of this name that all nodes share: the one that is stored, or else
    /// `fresh`, which is stored by this. SQLite's houses keep theirs in a file beside.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn secret(&self, name: &str, fresh: &[u8]) -> Result<Vec<u8>> {
        let args = (name.to_owned(), fresh.to_vec());
        self.write(args, |tx, (name, fresh)| {
            Box::pin(async move {
                tx.change(KEEP_SECRET, (name, fresh)).await?;
                tx.one(SECRET, [name], |row| row.get(0)).await
            })
        })
        .await
    }

    pub(super) async fn newest_notice(&self) -> Result<i64> {
        self.read((), |tx, ()| {
            Box::pin(async { tx.one(NEWEST_NOTICE, NONE, |row| row.get(0)).await })
        })
        .await
    }
}

/// Adds an act to the audit trail; for operations that are audited too.
pub(super) async fn write_down(tx: &Tx, entry: &Audit) -> Result<()> {
    let params = (
        entry.actor.map(|user| user.0),
        entry.action,
        &entry.subject,
        &entry.details,
        &entry.address,
        entry.at.0,
    );
    tx.change(INSERT_AUDIT, params).await.map(drop)
}

/// Leaves a notice; for operations that others must learn of too. They call it last: the
/// counter's row is held from here until the commit.
pub(super) async fn notify(tx: &Tx, kind: NoticeKind, at: Time) -> Result<()> {
    let (word, user) = match kind {
        NoticeKind::UserChanged(user) => ("user_changed", Some(user.0)),
        NoticeKind::HistoryChanged => ("history_changed", None),
    };
    // First what locks nobody out.
    tx.change(DROP_OLD_NOTICES, [at.plus_ms(-NOTICE_KEPT_MS).0])
        .await?;
    tx.change(INSERT_NOTICE, (word, user, at.0)).await.map(drop)
}

async fn notices_after(tx: &Tx, id: i64) -> Result<(Vec<Notice>, i64)> {
    // From the counter, not the rows: those may have been dropped since.
    let newest = tx.one(NEWEST_NOTICE, NONE, |row| row.get(0));
    try_join(tx.all(NOTICES_AFTER, [id], notice), newest).await
}

fn notice(row: &Row<'_>) -> Result<Notice> {
    let kind = match row.get::<&str>(1)? {
        "user_changed" => NoticeKind::UserChanged(UserId(row.get(2)?)),
        "history_changed" => NoticeKind::HistoryChanged,
        other => return Err(StoreError::Corrupt(format!("unknown notice {other:?}"))),
    };
    Ok(Notice {
        id: row.get(0)?,
        kind,
    })
}

// By primary key.
const EPOCH: &str = "
select value
  from house
 where key = 'epoch'";

const SET_EPOCH: &str = "
update house
   set value = $1
 where key = 'epoch'";

const INSERT_AUDIT: &str = "
insert into audit (actor_id, action, subject, details, address, at)
values ($1, $2, $3, $4, $5, $6)";

// By primary keys.
const AUDIT_ENTRIES: &str = "
select e.id, u.username, e.action, e.subject, e.details, e.address, e.at
  from audit e
  left join users u on u.id = e.actor_id
 where e.id < $1
 order by e.id desc
 limit $2";

// The lock on the counter makes the order of ids that of the commits.
const INSERT_NOTICE: &str = "
with counted as (
  update house
     set value = value + 1
   where key = 'last_notice'
  returning value
)
insert into notices (id, kind, user_id, at)
select value, $1, $2, $3
  from counted";

// By notices_by_at.
const DROP_OLD_NOTICES: &str = "
delete from notices
 where at < $1";

// By primary key.
const NOTICES_AFTER: &str = "
select id, kind, user_id
  from notices
 where id > $1
 order by id";

// By primary key.
const NEWEST_NOTICE: &str = "
select value
  from house
 where key = 'last_notice'";

const KEEP_SECRET: &str = "
insert into secrets (name, value)
values ($1, $2)
on conflict do nothing";

// By primary key.
const SECRET: &str = "
select value
  from secrets
 where name = $1";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("EPOCH", EPOCH),
    ("SET_EPOCH", SET_EPOCH),
    ("INSERT_AUDIT", INSERT_AUDIT),
    ("AUDIT_ENTRIES", AUDIT_ENTRIES),
    ("INSERT_NOTICE", INSERT_NOTICE),
    ("DROP_OLD_NOTICES", DROP_OLD_NOTICES),
    ("NOTICES_AFTER", NOTICES_AFTER),
    ("NEWEST_NOTICE", NEWEST_NOTICE),
    ("KEEP_SECRET", KEEP_SECRET),
    ("SECRET", SECRET),
];
