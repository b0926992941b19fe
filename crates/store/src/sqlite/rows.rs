//! Rows to domain types, and SQLite's errors to ours.
//!
//! Not for statements: those stand beside their callers, put together from the column
//! lists here. What a newcomer would get wrong: columns are read by position, so a list
//! and its reader change together.

use domain::{
    Author, Body, Involvement, MemberRole, Membership, Message, MessageId, Nonce, Origin, Quote,
    Role, Room, RoomId, RoomKind, Seq, Time, User, UserId, UserKind, UserState,
};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, ErrorCode, Params, Row, ffi};

use crate::{Conflict, Result, StoreError};

/// Ours for SQLite's. `NotFound` when a query that must find one row found none.
pub(super) fn error_from(error: rusqlite::Error) -> StoreError {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) {
        return StoreError::NotFound;
    }
    if matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    ) {
        return StoreError::Corrupt(error.to_string());
    }
    let Some(inner) = error.sqlite_error() else {
        return StoreError::Internal(Box::new(error));
    };
    match inner.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Unavailable("another process holds it".into())
        }
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Corrupt(error.to_string())
        }
        ErrorCode::SystemIoFailure if inner.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
            StoreError::Corrupt(error.to_string())
        }
        ErrorCode::CannotOpen
        | ErrorCode::SystemIoFailure
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Internal(Box::new(error)),
    }
}

/// Shorthand for a refusal.
pub(super) fn conflict<T>(conflict: Conflict) -> Result<T> {
    Err(StoreError::Conflict(conflict))
}

/// Statements by their text, compiled once per connection.
pub(super) trait Statements {
    /// The one row; `NotFound` when there is none.
    fn one<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T>;

    /// The one row, if there is one.
    fn maybe<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>>;

    /// All rows.
    fn all<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>>;

    /// Changes rows; how many.
    fn change<P: Params>(&self, sql: &str, params: P) -> Result<usize>;
}

impl Statements for Connection {
    fn one<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read))
            .map_err(error_from)
    }

    fn maybe<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        match self.one(sql, params, read) {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn all<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.prepare_cached(sql).map_err(error_from)?;
        let rows = statement.query_map(params, read).map_err(error_from)?;
        rows.collect::<rusqlite::Result<_>>().map_err(error_from)
    }

    fn change<P: Params>(&self, sql: &str, params: P) -> Result<usize> {
        self.prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(error_from)
    }
}

/// Lower case, for comparing and sorting what people typed.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// A limit as SQL wants it, inside what the trait promises.
pub(super) fn limit(wished: usize, most: usize) -> i64 {
    i64::try_from(wished.clamp(1, most)).unwrap_or(i64::MAX)
}

/// A JSON array of ids for `json_each`.
pub(super) fn id_list(ids: impl Iterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}

/// Reads a word of `domain` at `column`.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: usize,
    from_word: fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    from_word(text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            Type::Text,
            Box::new(FromSqlError::Other(format!("unknown word {text:?}").into())),
        )
    })
}

/// A time at `column`, if there is one.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time))
}

/// Columns of [`user`] of the table named.
macro_rules! user_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".username, ",
            $table,
            ".display_name, ",
            $table,
            ".kind, ",
            $table,
            ".role, ",
            $table,
            ".state, ",
            $table,
            ".created_at"
        )
    };
}
pub(super) use user_columns;

/// A user from [`user_columns`] beginning at `at`.
pub(super) fn user(row: &Row<'_>, at: usize) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get(at)?),
        username: text(row, at + 1)?,
        display_name: text(row, at + 2)?,
        kind: word(row, at + 3, UserKind::from_word)?,
        role: word(row, at + 4, Role::from_word)?,
        state: word(row, at + 5, UserState::from_word)?,
        created_at: Time(row.get(at + 6)?),
    })
}

/// How many columns [`user_columns`] names.
pub(super) const USER_WIDTH: usize = 7;

/// Columns of [`author`] of the table named.
macro_rules! author_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".username, ",
            $table,
            ".display_name, ",
            $table,
            ".kind"
        )
    };
}
pub(super) use author_columns;

/// An author from [`author_columns`] beginning at `at`.
pub(super) fn author(row: &Row<'_>, at: usize) -> rusqlite::Result<Author> {
    Ok(Author {
        id: UserId(row.get(at)?),
        username: text(row, at + 1)?,
        display_name: text(row, at + 2)?,
        kind: word(row, at + 3, UserKind::from_word)?,
    })
}

/// The same behind an outer join.
pub(super) fn maybe_author(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Author>> {
    match row.get::<_, Option<i64>>(at)? {
        Some(_) => author(row, at).map(Some),
        None => Ok(None),
    }
}

/// How many columns [`author_columns`] names.
pub(super) const AUTHOR_WIDTH: usize = 4;

/// Columns of [`room`] of the table `r`.
macro_rules! room_columns {
    () => {
        "r.id, r.slug, r.name, r.kind, r.topic, r.last_seq, r.member_count, r.archived_at, \
         r.created_at"
    };
}
pub(super) use room_columns;

/// A room from [`room_columns`] beginning at `at`.
pub(super) fn room(row: &Row<'_>, at: usize) -> rusqlite::Result<Room> {
    Ok(Room {
        id: RoomId(row.get(at)?),
        slug: row.get(at + 1)?,
        name: text(row, at + 2)?,
        kind: word(row, at + 3, RoomKind::from_word)?,
        topic: text(row, at + 4)?,
        head: Seq(row.get(at + 5)?),
        member_count: row.get(at + 6)?,
        archived_at: time(row, at + 7)?,
        created_at: Time(row.get(at + 8)?),
    })
}

/// How many columns [`room_columns`] names.
pub(super) const ROOM_WIDTH: usize = 9;

/// Columns of [`membership`] of the table `m`.
macro_rules! membership_columns {
    () => {
        "m.room_id, m.user_id, m.role, m.involvement, m.read_seq, m.unread_from, m.joined_at"
    };
}
pub(super) use membership_columns;

/// A membership from [`membership_columns`] beginning at `at`.
pub(super) fn membership(row: &Row<'_>, at: usize) -> rusqlite::Result<Membership> {
    Ok(Membership {
        room: RoomId(row.get(at)?),
        user: UserId(row.get(at + 1)?),
        role: word(row, at + 2, MemberRole::from_word)?,
        involvement: word(row, at + 3, Involvement::from_word)?,
        read_seq: Seq(row.get(at + 4)?),
        unread_from: row.get::<_, Option<i64>>(at + 5)?.map(Seq),
        joined_at: Time(row.get(at + 6)?),
    })
}

/// The same behind an outer join.
pub(super) fn maybe_membership(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Membership>> {
    match row.get::<_, Option<i64>>(at)? {
        Some(_) => membership(row, at).map(Some),
        None => Ok(None),
    }
}

/// How many columns [`membership_columns`] names.
pub(super) const MEMBERSHIP_WIDTH: usize = 7;

/// Columns of [`message`]: of `msg`, its author `a`, the quoted message `q` and its author
/// `qa`.
macro_rules! message_columns {
    () => {
        concat!(
            "msg.id, msg.room_id, msg.seq, msg.nonce, msg.source, msg.html, msg.sealed, \
             msg.origin, msg.created_at, msg.edited_at, msg.deleted_at, msg.version, ",
            author_columns!("a"),
            ", q.id, q.seq, substr(q.source, 1, 200), ",
            author_columns!("qa")
        )
    };
}
pub(super) use message_columns;

/// The joins [`message_columns`] needs after `msg`. All by primary key.
macro_rules! message_joins {
    () => {
        "  left join users a on a.id = msg.author_id
  left join messages q on q.id = msg.reply_to
  left join users qa on qa.id = q.author_id
"
    };
}
pub(super) use message_joins;

/// A message from [`message_columns`] beginning at `at`.
pub(super) fn message(row: &Row<'_>, at: usize) -> rusqlite::Result<Message> {
    const QUOTE: usize = 12 + AUTHOR_WIDTH;
    let reply_to = match row.get::<_, Option<i64>>(at + QUOTE)? {
        Some(id) => Some(Quote {
            id: MessageId(id),
            seq: Seq(row.get(at + QUOTE + 1)?),
            source: maybe_text(row, at + QUOTE + 2)?,
            author: author(row, at + QUOTE + 3)?,
        }),
        None => None,
    };
    Ok(Message {
        id: MessageId(row.get(at)?),
        room: RoomId(row.get(at + 1)?),
        seq: Seq(row.get(at + 2)?),
        nonce: Nonce(uuid::Uuid::from_bytes(row.get(at + 3)?)),
        body: body(row, at + 4)?,
        origin: word(row, at + 7, Origin::from_word)?,
        created_at: Time(row.get(at + 8)?),
        edited_at: time(row, at + 9)?,
        deleted_at: time(row, at + 10)?,
        version: row.get(at + 11)?,
        author: author(row, at + 12)?,
        reply_to,
    })
}

/// How many columns [`message_columns`] names.
pub(super) const MESSAGE_WIDTH: usize = 12 + AUTHOR_WIDTH + 3 + AUTHOR_WIDTH;

fn body(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Body>> {
    if let Some(source) = maybe_text(row, at)? {
        let html = maybe_text(row, at + 1)?.unwrap_or_default();
        return Ok(Some(Body::Markdown { source, html }));
    }
    Ok(row.get::<_, Option<Vec<u8>>>(at + 2)?.map(Body::Sealed))
}

/// What people typed, whatever bytes stand there: SQLite does not check that text is UTF-8,
/// and one damaged row must not keep a whole room from loading. The bytes that are none
/// become U+FFFD.
fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    maybe_text(row, at)?.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            at,
            Type::Null,
            Box::new(FromSqlError::InvalidType),
        )
    })
}

fn maybe_text(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(at)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}
