//! The event log of each room: the only place that hands out seqs.
//!
//! Not for what an event shows: it stores references, so a replay shows messages and names
//! as they are now. What a newcomer would get wrong: a seq is taken in the transaction that
//! writes its event, so numbers have no gap after a rollback and become visible in order.

use domain::{
    Author, Event, EventKind, JoinReason, LeaveReason, MemberRole, RoomChanges, RoomId, Seq, Time,
    UserId,
};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::rows::{
    AUTHOR_WIDTH, MESSAGE_WIDTH, Statements, author, author_columns, limit, maybe_author, message,
    message_columns, message_joins,
};
use super::writer::Tx;
use crate::{Result, StoreError};

/// What an event refers to.
#[derive(Default)]
pub(super) struct References {
    pub(super) message: Option<i64>,
    pub(super) user: Option<i64>,
    pub(super) by: Option<i64>,
    pub(super) data: Option<String>,
}

/// Writes the next event of `room`; `kind` is taken apart by the caller.
pub(super) fn append(
    tx: &Tx<'_>,
    room: RoomId,
    kind: &'static str,
    references: &References,
    at: Time,
) -> Result<Seq> {
    let seq: i64 = tx.one(TAKE_SEQ, [room.0], |row| row.get(0))?;
    insert(tx, room, Seq(seq), kind, references, at)?;
    Ok(Seq(seq))
}

/// Writes an event whose seq the caller has taken with a statement of its own.
pub(super) fn insert(
    tx: &Tx<'_>,
    room: RoomId,
    seq: Seq,
    kind: &'static str,
    references: &References,
    at: Time,
) -> Result<()> {
    let References {
        message,
        user,
        by,
        data,
    } = references;
    tx.change(
        INSERT_EVENT,
        (room.0, seq.0, kind, at.0, message, user, by, data),
    )?;
    Ok(())
}

/// Someone became a member.
pub(super) fn append_joined(tx: &Tx<'_>, room: RoomId, user: Author, at: Time) -> Result<Event> {
    let reason = JoinReason::Joined;
    let references = References {
        user: Some(user.id.0),
        data: Some(json!({ "reason": reason.as_str() }).to_string()),
        ..References::default()
    };
    let seq = append(tx, room, "member.joined", &references, at)?;
    Ok(Event {
        room,
        seq,
        at,
        kind: EventKind::MemberJoined {
            user,
            by: None,
            reason,
        },
    })
}

/// Someone stopped being a member.
pub(super) fn append_left(tx: &Tx<'_>, room: RoomId, user: Author, at: Time) -> Result<Event> {
    let reason = LeaveReason::Left;
    let references = References {
        user: Some(user.id.0),
        data: Some(json!({ "reason": reason.as_str() }).to_string()),
        ..References::default()
    };
    let seq = append(tx, room, "member.left", &references, at)?;
    Ok(Event {
        room,
        seq,
        at,
        kind: EventKind::MemberLeft {
            user,
            by: None,
            reason,
        },
    })
}

/// The room changed.
pub(super) fn append_changed(
    tx: &Tx<'_>,
    room: RoomId,
    changes: RoomChanges,
    at: Time,
) -> Result<Event> {
    let references = References {
        by: changes.by.as_ref().map(|author| author.id.0),
        data: Some(json_of(&changes).to_string()),
        ..References::default()
    };
    let seq = append(tx, room, "room.changed", &references, at)?;
    Ok(Event {
        room,
        seq,
        at,
        kind: EventKind::RoomChanged(changes),
    })
}

/// Events of `room` after `seq`, oldest first, in one statement and so from one snapshot.
pub(super) fn events_after(
    conn: &Connection,
    room: RoomId,
    seq: Seq,
    most: usize,
) -> Result<Vec<Event>> {
    let events = conn.all(EVENTS_AFTER, (room.0, seq.0, limit(most, 1000)), |row| {
        event(row, room)
    })?;
    if events.is_empty() {
        // `NotFound` when the room is gone, which no row above could say.
        conn.one(ROOM_EXISTS, [room.0], |_| Ok(()))?;
    }
    Ok(events)
}

/// The author of a user's events.
pub(super) fn author_of(conn: &Connection, user: UserId) -> Result<Author> {
    conn.one(AUTHOR_OF, [user.0], |row| author(row, 0))
}

fn event(row: &Row<'_>, room: RoomId) -> rusqlite::Result<Event> {
    const USER: usize = 4 + MESSAGE_WIDTH;
    const BY: usize = USER + AUTHOR_WIDTH;
    let word = row.get_ref(1)?.as_str()?;
    let data = || -> rusqlite::Result<Value> {
        let text = row.get::<_, Option<String>>(3)?.unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| unreadable(3, error.into()))
    };
    let kind = match word {
        "message.posted" => EventKind::MessagePosted(message(row, 4)?),
        "message.edited" => EventKind::MessageEdited(message(row, 4)?),
        "message.deleted" => EventKind::MessageDeleted(message(row, 4)?),
        "member.joined" => EventKind::MemberJoined {
            user: author(row, USER)?,
            by: maybe_author(row, BY)?,
            reason: reason(&data()?, JoinReason::from_word)?,
        },
        "member.left" => EventKind::MemberLeft {
            user: author(row, USER)?,
            by: maybe_author(row, BY)?,
            reason: reason(&data()?, LeaveReason::from_word)?,
        },
        "room.changed" => EventKind::RoomChanged(RoomChanges {
            by: maybe_author(row, BY)?,
            ..changes_of(&data()?)
        }),
        other => return Err(unreadable(1, format!("unknown event {other:?}").into())),
    };
    Ok(Event {
        room,
        seq: Seq(row.get(0)?),
        at: Time(row.get(2)?),
        kind,
    })
}

fn reason<T>(data: &Value, from_word: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    data.get("reason")
        .and_then(Value::as_str)
        .and_then(from_word)
        .ok_or_else(|| unreadable(3, "an event without a known reason".into()))
}

fn unreadable(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Text,
        Box::new(FromSqlError::Other(error)),
    )
}

fn json_of(changes: &RoomChanges) -> Value {
    let mut object = serde_json::Map::new();
    if let Some(name) = &changes.name {
        object.insert("name".into(), json!(name));
    }
    if let Some(topic) = &changes.topic {
        object.insert("topic".into(), json!(topic));
    }
    if let Some(archived) = changes.archived {
        object.insert("archived".into(), json!(archived));
    }
    if let Some((user, role)) = changes.role {
        object.insert("role".into(), json!([user.0, role.as_str()]));
    }
    Value::Object(object)
}

fn changes_of(data: &Value) -> RoomChanges {
    let text = |key| data.get(key).and_then(Value::as_str).map(str::to_owned);
    let role = data.get("role").and_then(|role| {
        let user = role.get(0)?.as_i64()?;
        let word = role.get(1)?.as_str()?;
        Some((UserId(user), MemberRole::from_word(word)?))
    });
    RoomChanges {
        name: text("name"),
        topic: text("topic"),
        archived: data.get("archived").and_then(Value::as_bool),
        by: None,
        role,
    }
}

/// For a room that must exist, where the statement itself could not say.
pub(super) fn room_must_exist(conn: &Connection, room: RoomId) -> Result<()> {
    match conn.maybe(ROOM_EXISTS, [room.0], |_| Ok(()))? {
        Some(()) => Ok(()),
        None => Err(StoreError::NotFound),
    }
}

// By primary key.
const TAKE_SEQ: &str = "
update rooms
   set last_seq = last_seq + 1
 where id = ?1
returning last_seq";

const INSERT_EVENT: &str = "
insert into events (room_id, seq, kind, at, message_id, user_id, by_id, data)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

// By primary key (room_id, seq), and each join by primary key.
const EVENTS_AFTER: &str = concat!(
    "select e.seq, e.kind, e.at, e.data, ",
    message_columns!(),
    ", ",
    author_columns!("u"),
    ", ",
    author_columns!("b"),
    "\n  from events e\n  left join messages msg on msg.id = e.message_id\n",
    message_joins!(),
    "  left join users u on u.id = e.user_id
  left join users b on b.id = e.by_id
 where e.room_id = ?1 and e.seq > ?2
 order by e.seq
 limit ?3"
);

// By primary key.
const ROOM_EXISTS: &str = "
select 1
  from rooms
 where id = ?1";

// By primary key.
const AUTHOR_OF: &str = concat!(
    "select ",
    author_columns!("u"),
    "\n  from users u\n where u.id = ?1"
);

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("TAKE_SEQ", TAKE_SEQ),
    ("INSERT_EVENT", INSERT_EVENT),
    ("EVENTS_AFTER", EVENTS_AFTER),
    ("ROOM_EXISTS", ROOM_EXISTS),
    ("AUTHOR_OF", AUTHOR_OF),
];
