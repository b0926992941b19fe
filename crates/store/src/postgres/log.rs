//! The event log of each room: the only place that hands out seqs.
//!
//! Not for what an event shows: it stores references, so a replay shows messages and names
//! as they are now. What a newcomer would get wrong: a seq is taken in the transaction that
//! writes its event, so numbers have no gap after a rollback and become visible in order.

use domain::{
    Author, Event, EventKind, JoinReason, LeaveReason, MemberRole, RoomChanges, RoomId, Seq, Time,
    UserId,
};
use serde_json::{Value, json};

use super::rows::{
    AUTHOR_WIDTH, MESSAGE_WIDTH, author, author_columns, limit, maybe_author, message,
    message_columns, message_joins,
};
use super::tx::{Row, Tx};
use crate::{Result, StoreError};

/// What an event refers to.
#[derive(Default)]
pub(super) struct References {
    pub(super) message: Option<i64>,
    pub(super) user: Option<i64>,
    pub(super) by: Option<i64>,
    pub(super) data: Option<String>,
}

/// Writes the next event of `room`; `kind` is taken apart by the caller. `NotFound` when
/// there is no such room.
pub(super) async fn append(
    tx: &Tx,
    room: RoomId,
    kind: &'static str,
    references: &References,
    at: Time,
) -> Result<Seq> {
    let References {
        message,
        user,
        by,
        data,
    } = references;
    let params = (room.0, kind, at.0, message, user, by, data);
    tx.one(APPEND_EVENT, params, |row| row.get(0).map(Seq))
        .await
}

/// Writes an event whose seq the caller has taken with a statement of its own.
pub(super) async fn insert(
    tx: &Tx,
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
    let params = (room.0, seq.0, kind, at.0, message, user, by, data);
    tx.change(INSERT_EVENT, params).await?;
    Ok(())
}

/// Takes the lock that puts everything in `room` in order; `NotFound` when it is gone.
pub(super) async fn lock_room(tx: &Tx, room: RoomId) -> Result<()> {
    tx.one(LOCK_ROOM, [room.0], |_| Ok(())).await
}

/// What an event says of someone who came or went.
pub(super) fn moved(user: UserId, reason: &str) -> References {
    References {
        user: Some(user.0),
        data: Some(json!({ "reason": reason }).to_string()),
        ..References::default()
    }
}

/// Someone became a member.
pub(super) async fn append_joined(tx: &Tx, room: RoomId, user: Author, at: Time) -> Result<Event> {
    let references = moved(user.id, JoinReason::Joined.as_str());
    let seq = append(tx, room, "member.joined", &references, at).await?;
    Ok(joined(room, seq, user, at))
}

/// The event of someone becoming a member.
pub(super) fn joined(room: RoomId, seq: Seq, user: Author, at: Time) -> Event {
    Event {
        room,
        seq,
        at,
        kind: EventKind::MemberJoined {
            user,
            by: None,
            reason: JoinReason::Joined,
        },
    }
}

/// Someone stopped being a member.
pub(super) async fn append_left(tx: &Tx, room: RoomId, user: Author, at: Time) -> Result<Event> {
    let reason = LeaveReason::Left;
    let references = moved(user.id, reason.as_str());
    let seq = append(tx, room, "member.left", &references, at).await?;
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
pub(super) async fn append_changed(
    tx: &Tx,
    room: RoomId,
    changes: RoomChanges,
    at: Time,
) -> Result<Event> {
    let references = References {
        by: changes.by.as_ref().map(|author| author.id.0),
        data: Some(json_of(&changes).to_string()),
        ..References::default()
    };
    let seq = append(tx, room, "room.changed", &references, at).await?;
    Ok(Event {
        room,
        seq,
        at,
        kind: EventKind::RoomChanged(changes),
    })
}

/// Events of `room` after `seq`, oldest first, in one statement and so from one snapshot.
pub(super) async fn events_after(
    tx: &Tx,
    room: RoomId,
    seq: Seq,
    most: usize,
) -> Result<Vec<Event>> {
    let events = tx
        .all(EVENTS_AFTER, (room.0, seq.0, limit(most, 1000)), |row| {
            event(row, room)
        })
        .await?;
    if events.is_empty() {
        // `NotFound` when the room is gone, which no row above could say.
        room_must_exist(tx, room).await?;
    }
    Ok(events)
}

/// For a room that must exist, where the statement itself could not say.
pub(super) async fn room_must_exist(tx: &Tx, room: RoomId) -> Result<()> {
    tx.one(ROOM_EXISTS, [room.0], |_| Ok(())).await
}

/// The author of a user's events.
pub(super) async fn author_of(tx: &Tx, user: UserId) -> Result<Author> {
    tx.one(AUTHOR_OF, [user.0], |row| author(row, 0)).await
}

fn event(row: &Row<'_>, room: RoomId) -> Result<Event> {
    const USER: usize = 4 + MESSAGE_WIDTH;
    const BY: usize = USER + AUTHOR_WIDTH;
    let word: &str = row.get(1)?;
    let data = || -> Result<Value> {
        let text = row.get::<Option<String>>(3)?.unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(error.to_string()))
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
        other => return Err(StoreError::Corrupt(format!("unknown event {other:?}"))),
    };
    Ok(Event {
        room,
        seq: Seq(row.get(0)?),
        at: Time(row.get(2)?),
        kind,
    })
}

fn reason<T>(data: &Value, from_word: fn(&str) -> Option<T>) -> Result<T> {
    data.get("reason")
        .and_then(Value::as_str)
        .and_then(from_word)
        .ok_or_else(|| StoreError::Corrupt("an event without a known reason".into()))
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

// By primary key. The lock on the room's row is held until the commit, so seqs become
// visible in their order and without a gap.
const APPEND_EVENT: &str = "
with taken as (
  update rooms
     set last_seq = last_seq + 1
   where id = $1
  returning last_seq
)
insert into events (room_id, seq, kind, at, message_id, user_id, by_id, data)
select $1, last_seq, $2, $3, $4, $5, $6, $7
  from taken
returning seq";

const INSERT_EVENT: &str = "
insert into events (room_id, seq, kind, at, message_id, user_id, by_id, data)
values ($1, $2, $3, $4, $5, $6, $7, $8)";

// By primary key.
const LOCK_ROOM: &str = "
select id
  from rooms
 where id = $1
   for no key update";

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
 where e.room_id = $1 and e.seq > $2
 order by e.seq
 limit $3"
);

// By primary key.
const ROOM_EXISTS: &str = "
select 1
  from rooms
 where id = $1";

// By primary key.
const AUTHOR_OF: &str = concat!(
    "select ",
    author_columns!("u"),
    "\n  from users u\n where u.id = $1"
);

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("APPEND_EVENT", APPEND_EVENT),
    ("INSERT_EVENT", INSERT_EVENT),
    ("LOCK_ROOM", LOCK_ROOM),
    ("EVENTS_AFTER", EVENTS_AFTER),
    ("ROOM_EXISTS", ROOM_EXISTS),
    ("AUTHOR_OF", AUTHOR_OF),
];
