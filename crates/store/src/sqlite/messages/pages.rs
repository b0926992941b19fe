//! Reading messages: pages of history, one message with its facts, earlier versions.
//!
//! What a newcomer would get wrong: a page and the head come from one snapshot, because
//! live goes on from that head. Read apart, a message posted in between would be on no
//! screen.

use domain::{Epoch, Message, MessageId, RoomId, Seq, Time, UserId};
use rusqlite::Connection;

use super::{by_id, change};
use crate::sqlite::rows::{
    MESSAGE_WIDTH, ROOM_WIDTH, Statements, author_columns, error_from, limit, maybe_membership,
    membership_columns, message, message_columns, message_joins, room, room_columns,
};
use crate::{EditVersion, MessageFacts, PageAnchor, Result, RoomPage};

const MOST: usize = 200;

pub(super) fn facts(
    conn: &Connection,
    id: MessageId,
    user: Option<UserId>,
) -> Result<MessageFacts> {
    conn.one(MESSAGE_FACTS, (id.0, user.map(|user| user.0)), |row| {
        Ok(MessageFacts {
            message: message(row, 0)?,
            room: room(row, MESSAGE_WIDTH)?,
            membership: maybe_membership(row, MESSAGE_WIDTH + ROOM_WIDTH)?,
        })
    })
}

pub(super) fn edits(conn: &Connection, id: MessageId) -> Result<Vec<EditVersion>> {
    let edits = conn.all(EDITS, (id.0, change::MAX_EDITS_KEPT), |row| {
        Ok(EditVersion {
            source: row.get(0)?,
            replaced_at: Time(row.get(1)?),
        })
    })?;
    if edits.is_empty() {
        by_id(conn, id)?;
    }
    Ok(edits)
}

pub(super) fn page(
    conn: &Connection,
    room: RoomId,
    anchor: PageAnchor,
    most: usize,
) -> Result<RoomPage> {
    let most = most.clamp(1, MOST);
    let snapshot = conn.unchecked_transaction().map_err(error_from)?;
    let (head, epoch) = snapshot.one(HEAD, [room.0], |row| {
        Ok((
            Seq(row.get(0)?),
            Epoch(row.get::<_, i64>(1)?.cast_unsigned()),
        ))
    })?;
    let (older, newer) = match anchor {
        PageAnchor::Newest => (older(&snapshot, room, i64::MAX, most)?, Vec::new()),
        PageAnchor::Before(seq) => (older(&snapshot, room, seq.0, most)?, Vec::new()),
        PageAnchor::After(seq) => (
            Vec::new(),
            newer(&snapshot, room, seq.0.saturating_add(1), most)?,
        ),
        PageAnchor::Around(seq) => around(&snapshot, room, seq.0, most)?,
    };
    let messages: Vec<Message> = older.into_iter().rev().chain(newer).collect();
    let (first, last) = match (messages.first(), messages.last()) {
        (Some(first), Some(last)) => (first.seq.0, last.seq.0),
        // Nothing on that side: the other side begins at the anchor.
        _ => match anchor {
            PageAnchor::Newest => (0, head.0),
            PageAnchor::Before(seq) | PageAnchor::Around(seq) => (seq.0, seq.0.saturating_sub(1)),
            PageAnchor::After(seq) => (seq.0.saturating_add(1), seq.0),
        },
    };
    Ok(RoomPage {
        has_older: snapshot.one(HAS_OLDER, (room.0, first), |row| row.get(0))?,
        has_newer: snapshot.one(HAS_NEWER, (room.0, last), |row| row.get(0))?,
        messages,
        head,
        epoch,
    })
}

/// Newest first, before `seq`.
fn older(conn: &Connection, room: RoomId, seq: i64, most: usize) -> Result<Vec<Message>> {
    conn.all(OLDER, (room.0, seq, limit(most, MOST)), |row| {
        message(row, 0)
    })
}

/// Oldest first, from `seq` on.
fn newer(conn: &Connection, room: RoomId, seq: i64, most: usize) -> Result<Vec<Message>> {
    conn.all(NEWER, (room.0, seq, limit(most, MOST)), |row| {
        message(row, 0)
    })
}

/// Half before `seq`, the rest from it on; a short side leaves its place to the other.
fn around(
    conn: &Connection,
    room: RoomId,
    seq: i64,
    most: usize,
) -> Result<(Vec<Message>, Vec<Message>)> {
    let mut older = older(conn, room, seq, most)?;
    let mut newer = newer(conn, room, seq, most)?;
    let from_older = older
        .len()
        .min((most / 2).max(most.saturating_sub(newer.len())));
    older.truncate(from_older);
    newer.truncate(most - from_older);
    Ok((older, newer))
}

// By primary keys.
const MESSAGE_FACTS: &str = concat!(
    "select ",
    message_columns!(),
    ", ",
    room_columns!(),
    ", ",
    membership_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    "  join rooms r on r.id = msg.room_id
  left join memberships m on m.room_id = msg.room_id and m.user_id = ?2
 where msg.id = ?1"
);

// By primary key (message_id, version).
const EDITS: &str = "
select source, replaced_at
  from message_edits
 where message_id = ?1
 order by version
 limit ?2";

// By primary keys.
const HEAD: &str = "
select r.last_seq, h.value
  from rooms r
  join house h on h.key = 'epoch'
 where r.id = ?1";

// By messages_by_room, backwards.
const OLDER: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.room_id = ?1 and msg.seq < ?2
 order by msg.seq desc
 limit ?3"
);

// By messages_by_room.
const NEWER: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.room_id = ?1 and msg.seq >= ?2
 order by msg.seq
 limit ?3"
);

// By messages_by_room, covering.
const HAS_OLDER: &str = "
select exists (select 1 from messages where room_id = ?1 and seq < ?2)";

// By messages_by_room, covering.
const HAS_NEWER: &str = "
select exists (select 1 from messages where room_id = ?1 and seq > ?2)";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("MESSAGE_FACTS", MESSAGE_FACTS),
    ("EDITS", EDITS),
    ("HEAD", HEAD),
    ("OLDER", OLDER),
    ("NEWER", NEWER),
    ("HAS_OLDER", HAS_OLDER),
    ("HAS_NEWER", HAS_NEWER),
];
