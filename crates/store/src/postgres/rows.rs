//! Rows to domain types, and PostgreSQL's errors to ours.
//!
//! Not for the statements' text: that stands beside its callers, put together from the
//! column lists here. What a newcomer would get wrong: columns are read by position, so a
//! list and its reader change together.

use std::error::Error as _;

use domain::{
    Author, Body, Involvement, MemberRole, Membership, Message, MessageId, Nonce, Origin, Quote,
    Role, Room, RoomId, RoomKind, Seq, Time, User, UserId, UserKind, UserState,
};
use tokio_postgres::error::DbError;

use super::tx::Row;
use crate::{Conflict, Result, StoreError};

/// Constraints whose violation a caller can act on: two nodes may have looked at once.
const CONFLICTS: &[(&str, Conflict)] = &[
    ("users_skeleton_key", Conflict::UsernameTaken),
    ("users_folded_email_key", Conflict::EmailTaken),
];
/// Constraints whose violation the next attempt avoids, because it sees what was in the
/// way: another room took the address, another node stored the nonce.
pub(super) const SEEN_NEXT_TIME: &[&str] = &["rooms_slug_key", "messages_by_nonce"];

/// Ours for PostgreSQL's.
pub(super) fn error_from(error: tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let is_io = error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>());
        return if error.is_closed() || is_io {
            StoreError::Unavailable("the connection to the database broke".into())
        } else {
            StoreError::Internal(Box::new(error))
        };
    };
    if let Some((_, conflict)) = CONFLICTS
        .iter()
        .find(|(name, _)| db.constraint() == Some(name))
    {
        return StoreError::Conflict(*conflict);
    }
    let code = db.code().code();
    match code {
        "53100" => StoreError::Full,
        "XX001" | "XX002" => StoreError::Corrupt(db.message().to_owned()),
        // What a row refers to is gone.
        "23503" => StoreError::NotFound,
        // Undone for another's sake, cancelled, locked for too long, read-only (a standby
        // that was not promoted yet), input or output failed.
        "40001" | "40P01" | "57014" | "55P03" | "25006" | "25P03" | "58030" => unavailable(db),
        _ if SEEN_NEXT_TIME
            .iter()
            .any(|name| db.constraint() == Some(name)) =>
        {
            unavailable(db)
        }
        // Connection, resources, the operator's intervention, who may log in where.
        _ if ["08", "53", "57", "28", "3D"].contains(&code.get(..2).unwrap_or_default()) => {
            unavailable(db)
        }
        _ => StoreError::Internal(Box::new(error)),
    }
}

fn unavailable(db: &DbError) -> StoreError {
    StoreError::Unavailable(db.message().to_owned())
}

/// Shorthand for a refusal.
pub(super) fn conflict<T>(conflict: Conflict) -> Result<T> {
    Err(StoreError::Conflict(conflict))
}

/// Lower case, for comparing and sorting what people typed.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// A limit as SQL wants it, inside what the trait promises.
pub(super) fn limit(wished: usize, most: usize) -> i64 {
    i64::try_from(wished.clamp(1, most)).unwrap_or(i64::MAX)
}

/// Words for a `tsvector`: each quoted, with its position, so that PostgreSQL parses no
/// language into them. `None` when there are none.
pub(super) fn vector(words: &str) -> Option<String> {
    /// PostgreSQL's longest word in bytes, and its most for all of them with room to spare.
    const MAX_WORD: usize = 2_046;
    const MAX_ALL: usize = 512 * 1024;
    /// Its last position; whatever follows stands there too.
    const MAX_POSITION: usize = 16_383;
    let mut literal = String::with_capacity(words.len() * 2);
    for (position, word) in words.split_whitespace().enumerate() {
        if literal.len() + word.len() > MAX_ALL {
            break;
        }
        if word.len() > MAX_WORD {
            continue;
        }
        if !literal.is_empty() {
            literal.push(' ');
        }
        literal.push('\'');
        for char in word.chars() {
            if matches!(char, '\'' | '\\') {
                literal.push(char);
            }
            literal.push(char);
        }
        literal.push_str("':");
        literal.push_str(&(position + 1).min(MAX_POSITION).to_string());
    }
    (!literal.is_empty()).then_some(literal)
}

/// Reads a word of `domain` at `column`.
pub(super) fn word<T>(row: &Row<'_>, column: usize, from_word: fn(&str) -> Option<T>) -> Result<T> {
    let text: &str = row.get(column)?;
    from_word(text).ok_or_else(|| StoreError::Corrupt(format!("unknown word {text:?}")))
}

/// A time at `column`, if there is one.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Option<Time>> {
    Ok(row.get::<Option<i64>>(column)?.map(Time))
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
pub(super) fn user(row: &Row<'_>, at: usize) -> Result<User> {
    Ok(User {
        id: UserId(row.get(at)?),
        username: row.get(at + 1)?,
        display_name: row.get(at + 2)?,
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
pub(super) fn author(row: &Row<'_>, at: usize) -> Result<Author> {
    Ok(Author {
        id: UserId(row.get(at)?),
        username: row.get(at + 1)?,
        display_name: row.get(at + 2)?,
        kind: word(row, at + 3, UserKind::from_word)?,
    })
}

/// The same behind an outer join.
pub(super) fn maybe_author(row: &Row<'_>, at: usize) -> Result<Option<Author>> {
    match row.get::<Option<i64>>(at)? {
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
pub(super) fn room(row: &Row<'_>, at: usize) -> Result<Room> {
    Ok(Room {
        id: RoomId(row.get(at)?),
        slug: row.get(at + 1)?,
        name: row.get(at + 2)?,
        kind: word(row, at + 3, RoomKind::from_word)?,
        topic: row.get(at + 4)?,
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
pub(super) fn membership(row: &Row<'_>, at: usize) -> Result<Membership> {
    Ok(Membership {
        room: RoomId(row.get(at)?),
        user: UserId(row.get(at + 1)?),
        role: word(row, at + 2, MemberRole::from_word)?,
        involvement: word(row, at + 3, Involvement::from_word)?,
        read_seq: Seq(row.get(at + 4)?),
        unread_from: row.get::<Option<i64>>(at + 5)?.map(Seq),
        joined_at: Time(row.get(at + 6)?),
    })
}

/// The same behind an outer join.
pub(super) fn maybe_membership(row: &Row<'_>, at: usize) -> Result<Option<Membership>> {
    match row.get::<Option<i64>>(at)? {
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
pub(super) fn message(row: &Row<'_>, at: usize) -> Result<Message> {
    const QUOTE: usize = 12 + AUTHOR_WIDTH;
    let reply_to = match row.get::<Option<i64>>(at + QUOTE)? {
        Some(id) => Some(Quote {
            id: MessageId(id),
            seq: Seq(row.get(at + QUOTE + 1)?),
            source: row.get(at + QUOTE + 2)?,
            author: author(row, at + QUOTE + 3)?,
        }),
        None => None,
    };
    Ok(Message {
        id: MessageId(row.get(at)?),
        room: RoomId(row.get(at + 1)?),
        seq: Seq(row.get(at + 2)?),
        nonce: Nonce(row.get(at + 3)?),
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

fn body(row: &Row<'_>, at: usize) -> Result<Option<Body>> {
    if let Some(source) = row.get::<Option<String>>(at)? {
        let html = row.get::<Option<String>>(at + 1)?.unwrap_or_default();
        return Ok(Some(Body::Markdown { source, html }));
    }
    Ok(row.get::<Option<Vec<u8>>>(at + 2)?.map(Body::Sealed))
}
