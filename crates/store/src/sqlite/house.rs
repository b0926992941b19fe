//! The house itself: epoch, audit trail, notices.

use async_trait::async_trait;
use domain::{Epoch, Time, UserId};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::rows::{Statements, error_from, limit};
use super::writer::Tx;
use crate::{Audit, AuditEntry, House, Notice, NoticeKind, Result};

/// How long a notice is kept; servers read them within a second.
const NOTICE_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

#[async_trait]
impl House for SqliteStore {
    async fn epoch(&self) -> Result<Epoch> {
        self.read(|conn| {
            conn.one(EPOCH, [], |row| {
                row.get::<_, i64>(0)
                    .map(|epoch| Epoch(epoch.cast_unsigned()))
            })
        })
        .await
    }

    async fn renew_epoch(&self, epoch: Epoch) -> Result<()> {
        self.write(move |tx| tx.change(SET_EPOCH, [epoch.0.cast_signed()]).map(|_| ()))
            .await
    }

    async fn audit(&self, entry: &Audit) -> Result<()> {
        let entry = entry.clone();
        self.write(move |tx| write_down(tx, &entry)).await
    }

    async fn audit_entries(&self, before: Option<i64>, most: usize) -> Result<Vec<AuditEntry>> {
        self.read(move |conn| {
            let before = before.unwrap_or(i64::MAX);
            conn.all(AUDIT_ENTRIES, (before, limit(most, 1000)), |row| {
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
        })
        .await
    }

    async fn add_notice(&self, kind: NoticeKind, at: Time) -> Result<()> {
        self.write(move |tx| notify(tx, kind, at)).await
    }

    async fn notices_after(&self, id: i64) -> Result<(Vec<Notice>, i64)> {
        self.read(move |conn| notices_after(conn, id)).await
    }

    async fn changed_outside(&self) -> Result<bool> {
        self.writer.changed_outside().await
    }

    async fn ready(&self) -> Result<()> {
        self.read(|conn| conn.one(EPOCH, [], |_| Ok(()))).await
    }

    async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

/// Adds an act to the audit trail; for operations that are audited too.
pub(super) fn write_down(tx: &Tx<'_>, entry: &Audit) -> Result<()> {
    tx.change(
        INSERT_AUDIT,
        (
            entry.actor.map(|user| user.0),
            entry.action,
            &entry.subject,
            &entry.details,
            &entry.address,
            entry.at.0,
        ),
    )
    .map(drop)
}

/// Leaves a notice; for operations that others must learn of too.
pub(super) fn notify(tx: &Tx<'_>, kind: NoticeKind, at: Time) -> Result<()> {
    let (word, user) = match kind {
        NoticeKind::UserChanged(user) => ("user_changed", Some(user.0)),
        NoticeKind::HistoryChanged => ("history_changed", None),
    };
    tx.change(INSERT_NOTICE, (word, user, at.0))?;
    tx.change(DROP_OLD_NOTICES, [at.plus_ms(-NOTICE_KEPT_MS).0])
        .map(drop)
}

fn notices_after(conn: &Connection, id: i64) -> Result<(Vec<Notice>, i64)> {
    let snapshot = conn.unchecked_transaction().map_err(error_from)?;
    let notices = snapshot.all(NOTICES_AFTER, [id], notice)?;
    // From the counter, not the rows: those may have been dropped since.
    let newest = snapshot
        .maybe(NEWEST_NOTICE, [], |row| row.get(0))?
        .unwrap_or(0);
    Ok((notices, newest))
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let kind = match row.get_ref(1)?.as_str()? {
        "user_changed" => NoticeKind::UserChanged(UserId(row.get(2)?)),
        "history_changed" => NoticeKind::HistoryChanged,
        other => {
            return Err(rusqlite::Error::FromSqlConversionFailure(
                1,
                Type::Text,
                Box::new(FromSqlError::Other(
                    format!("unknown notice {other:?}").into(),
                )),
            ));
        }
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
   set value = ?1
 where key = 'epoch'";

const INSERT_AUDIT: &str = "
insert into audit (actor_id, action, subject, details, address, at)
values (?1, ?2, ?3, ?4, ?5, ?6)";

// By primary keys.
const AUDIT_ENTRIES: &str = "
select e.id, u.username, e.action, e.subject, e.details, e.address, e.at
  from audit e
  left join users u on u.id = e.actor_id
 where e.id < ?1
 order by e.id desc
 limit ?2";

const INSERT_NOTICE: &str = "
insert into notices (kind, user_id, at)
values (?1, ?2, ?3)";

// By notices_by_at.
const DROP_OLD_NOTICES: &str = "
delete from notices
 where at < ?1";

// By primary key.
const NOTICES_AFTER: &str = "
select id, kind, user_id
  from notices
 where id > ?1
 order by id";

// A table of one row per counted table.
const NEWEST_NOTICE: &str = "
select seq
  from sqlite_sequence
 where name = 'notices'";

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
];
