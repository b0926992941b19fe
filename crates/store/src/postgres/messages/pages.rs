//! Reading messages: pages of history, one message with its facts, earlier versions.
//!
//! What a newcomer would get wrong: a page and the head come from one snapshot, because
//! live goes on from that head. Read apart, a message posted in between would be on no
//! screen.

use domain::{Epoch, Message, MessageId, RoomId, Seq, Time, UserId};

use futures_util::future::try_join;

use super::{by_id, change};
use crate::postgres::rows::{
    MESSAGE_WIDTH, ROOM_WIDTH, author_columns, limit, maybe_membership, membership_columns,
    message, message_columns, message_joins, room, room_columns,
};
use crate::postgres::tx::Tx;
use crate::{EditVersion, MessageFacts, PageAnchor, Result, RoomPage};

const MOST: usize = 200;

pub(super) async fn facts(tx: &Tx, id: MessageId, user: Option<UserId>) -> Result<MessageFacts> {
    tx.one(MESSAGE_FACTS, (id.0, user.map(|user| user.0)), |row| {
        Ok(MessageFacts {
            message: message(row, 0)?,
            room: room(row, MESSAGE_WIDTH)?,
            membership: maybe_membership(row, MESSAGE_WIDTH + ROOM_WIDTH)?,
        })
    })
    .await
}

pub(super) async fn edits(tx: &Tx, id: MessageId) -> Result<Vec<EditVersion>> {
    let edits = tx
        .all(EDITS, (id.0, change::MAX_EDITS_KEPT), |row| {
            Ok(EditVersion {
                source: row.get(0)?,
                replaced_at: Time(row.get(1)?),
            })
        })
        .await?;
    if edits.is_empty() {
        by_id(tx, id).await?;
    }
    Ok(edits)
}

pub(super) async fn page(
    tx: &Tx,
    room: RoomId,
    anchor: PageAnchor,
    most: usize,
) -> Result<RoomPage> {
    let most = most.clamp(1, MOST);
    // Both leave at once; the snapshot begins with whichever is first.
    let head = tx.one(HEAD, [room.0], |row| {
        Ok((Seq(row.get(0)?), Epoch(row.get::<i64>(1)?.cast_unsigned())))
    });
    let ((head, epoch), (older, newer)) = try_join(head, sides(tx, room, anchor, most)).await?;
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
    let (has_older, has_newer) = tx
        .one(HAS_MORE, (room.0, first, last), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .await?;
    Ok(RoomPage {
        has_older,
        has_newer,
        messages,
        head,
        epoch,
    })
}

/// The messages before the anchor, newest first, and those from it on, oldest first.
async fn sides(
    tx: &Tx,
    room: RoomId,
    anchor: PageAnchor,
    most: usize,
) -> Result<(Vec<Message>, Vec<Message>)> {
    match anchor {
        PageAnchor::Newest => Ok((older(tx, room, i64::MAX, most).await?, Vec::new())),
        PageAnchor::Before(seq) => Ok((older(tx, room, seq.0, most).await?, Vec::new())),
        PageAnchor::After(seq) => {
            let from = seq.0.saturating_add(1);
            Ok((Vec::new(), newer(tx, room, from, most).await?))
        }
        PageAnchor::Around(seq) => around(tx, room, seq.0, most).await,
    }
}

/// Newest first, before `seq`.
async fn older(tx: &Tx, room: RoomId, seq: i64, most: usize) -> Result<Vec<Message>> {
    tx.all(OLDER, (room.0, seq, limit(most, MOST)), |row| {
        message(row, 0)
    })
    .await
}

/// Oldest first, from `seq` on.
async fn newer(tx: &Tx, room: RoomId, seq: i64, most: usize) -> Result<Vec<Message>> {
    tx.all(NEWER, (room.0, seq, limit(most, MOST)), |row| {
        message(row, 0)
    })
    .await
}

/// Half before `seq`, the rest from it on; a short side leaves its place to the other.
async fn around(
    tx: &Tx,
    room: RoomId,
    seq: i64,
    most: usize,
) -> Result<(Vec<Message>, Vec<Message>)> {
    let (mut older, mut newer) =
        try_join(older(tx, room, seq, most), newer(tx, room, seq, most)).await?;
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
  left join memberships m on m.room_id = msg.room_id and m.user_id = $2
 where msg.id = $1"
);

// By primary key (message_id, version).
const EDITS: &str = "
select source, replaced_at
  from message_edits
 where message_id = $1
 order by version
 limit $2";

// By primary keys.
const HEAD: &str = "
select r.last_seq, h.value
  from rooms r
  join house h on h.key = 'epoch'
 where r.id = $1";

// By messages_by_room, backwards.
const OLDER: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.room_id = $1 and msg.seq < $2
 order by msg.seq desc
 limit $3"
);

// By messages_by_room.
const NEWER: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.room_id = $1 and msg.seq >= $2
 order by msg.seq
 limit $3"
);

// By messages_by_room, covering.
const HAS_MORE: &str = "
select exists (select 1 from messages where room_id = $1 and seq < $2),
       exists (select 1 from messages where room_id = $1 and seq > $3)";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("MESSAGE_FACTS", MESSAGE_FACTS),
    ("EDITS", EDITS),
    ("HEAD", HEAD),
    ("OLDER", OLDER),
    ("NEWER", NEWER),
    ("HAS_MORE", HAS_MORE),
];
