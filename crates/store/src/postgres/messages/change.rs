//! Editing and deleting messages.
//!
//! What a newcomer would get wrong: a deleted message keeps its row, its seq and its nonce,
//! because the log refers to it and a retry must find it; everything that was said goes.

use domain::{Body, Event, EventKind, Message, MessageId, RoomId, Time, UserId, UserState};

use super::{by_id, columns, store_mentions};
use crate::messages::search_words;
use crate::postgres::log::{self, References};
use crate::postgres::members::require_active;
use crate::postgres::rows::{conflict, vector, word};
use crate::postgres::tx::Tx;
use crate::{Conflict, EditMessage, Result};

/// Earlier versions kept of one message; the oldest go.
pub(super) const MAX_EDITS_KEPT: i64 = 100;

/// What must hold for an edit, read at once.
struct Standing {
    state: UserState,
    is_archived: bool,
    is_member: bool,
    is_deleted: bool,
    version: i64,
}

pub(super) async fn edit(tx: &Tx, edit: &EditMessage) -> Result<(Message, Option<Event>)> {
    lock_room_of(tx, edit.message).await?;
    check_standing(tx, edit).await?;
    let before = by_id(tx, edit.message).await?;
    if is_same(before.body.as_ref(), &edit.body) {
        return Ok((before, None));
    }
    keep_earlier(tx, &before, edit.at).await?;
    let (source, html, sealed) = columns(&edit.body);
    let params = (
        edit.message.0,
        source,
        html,
        sealed,
        domain::markup::MARKUP_VERSION,
        edit.at.0,
        vector(&search_words(Some(&edit.body))),
    );
    tx.change(REPLACE_BODY, params).await?;
    tx.change(DELETE_MENTIONS, (before.room.0, before.seq.0))
        .await?;
    store_mentions(tx, &before, &edit.mentions).await?;
    let (message, event) =
        changed(tx, edit.message, "message.edited", edit.editor, edit.at).await?;
    let event = event(EventKind::MessageEdited(message.clone()));
    Ok((message, Some(event)))
}

async fn lock_room_of(tx: &Tx, message: MessageId) -> Result<()> {
    tx.one(LOCK_ROOM_OF, [message.0], |_| Ok(())).await
}

async fn check_standing(tx: &Tx, edit: &EditMessage) -> Result<()> {
    // Of the editor first, whose lock must come before the look.
    require_active(tx, edit.editor).await?;
    let standing = tx
        .one(EDIT_STANDING, (edit.message.0, edit.editor.0), |row| {
            Ok(Standing {
                state: word(row, 0, UserState::from_word)?,
                is_archived: row.get(1)?,
                is_member: row.get(2)?,
                is_deleted: row.get(3)?,
                version: row.get(4)?,
            })
        })
        .await?;
    if standing.state != UserState::Active {
        return conflict(Conflict::NotActive);
    }
    if standing.is_deleted {
        return conflict(Conflict::Deleted);
    }
    if !standing.is_member {
        return conflict(Conflict::NotMember);
    }
    if standing.is_archived {
        return conflict(Conflict::Archived);
    }
    if edit
        .if_version
        .is_some_and(|version| version != standing.version)
    {
        return conflict(Conflict::Stale);
    }
    Ok(())
}

/// The HTML does not count: the same words compile to the same HTML, or to a better one.
fn is_same(before: Option<&Body>, after: &Body) -> bool {
    match (before, after) {
        (Some(Body::Markdown { source: old, .. }), Body::Markdown { source: new, .. }) => {
            old == new
        }
        (Some(Body::Sealed(old)), Body::Sealed(new)) => old == new,
        _ => false,
    }
}

async fn keep_earlier(tx: &Tx, before: &Message, at: Time) -> Result<()> {
    if let Some(Body::Markdown { source, .. }) = &before.body {
        tx.change(KEEP_EDIT, (before.id.0, before.version, source, at.0))
            .await?;
        tx.change(
            DROP_OLD_EDITS,
            (before.id.0, before.version - MAX_EDITS_KEPT),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn delete(
    tx: &Tx,
    id: MessageId,
    by: UserId,
    at: Time,
) -> Result<(Message, Option<Event>)> {
    lock_room_of(tx, id).await?;
    let before = by_id(tx, id).await?;
    require_active(tx, by).await?;
    if before.deleted_at.is_some() {
        return Ok((before, None));
    }
    tx.change(ERASE_BODY, (id.0, at.0)).await?;
    tx.change(DELETE_EDITS, [id.0]).await?;
    tx.change(DELETE_MENTIONS, (before.room.0, before.seq.0))
        .await?;
    let (message, event) = changed(tx, id, "message.deleted", by, at).await?;
    let event = event(EventKind::MessageDeleted(message.clone()));
    Ok((message, Some(event)))
}

/// Gives the change a seq; the message as it is now, and what makes its event of a kind.
async fn changed(
    tx: &Tx,
    id: MessageId,
    kind: &'static str,
    by: UserId,
    at: Time,
) -> Result<(Message, impl FnOnce(EventKind) -> Event + use<>)> {
    let message = by_id(tx, id).await?;
    let room: RoomId = message.room;
    let references = References {
        message: Some(id.0),
        by: Some(by.0),
        ..References::default()
    };
    let seq = log::append(tx, room, kind, &references, at).await?;
    let event = move |kind| Event {
        room,
        seq,
        at,
        kind,
    };
    Ok((message, event))
}

// By primary keys: the room of a message never changes.
const LOCK_ROOM_OF: &str = "
select r.id
  from messages msg
  join rooms r on r.id = msg.room_id
 where msg.id = $1
   for no key update of r";

// By primary keys.
const EDIT_STANDING: &str = "
select u.state, r.archived_at is not null, m.user_id is not null,
       msg.deleted_at is not null, msg.version
  from messages msg
 cross join users u
  join rooms r on r.id = msg.room_id
  left join memberships m on m.room_id = r.id and m.user_id = u.id
 where msg.id = $1 and u.id = $2";

// By primary key.
const REPLACE_BODY: &str = "
update messages
   set source = $2, html = $3, sealed = $4, markup_version = $5, edited_at = $6,
       words = $7::text::tsvector,
       version = version + 1
 where id = $1";

const KEEP_EDIT: &str = "
insert into message_edits (message_id, version, source, replaced_at)
values ($1, $2, $3, $4)";

// By primary key (message_id, version).
const DROP_OLD_EDITS: &str = "
delete from message_edits
 where message_id = $1 and version <= $2";

// By primary key.
const ERASE_BODY: &str = "
update messages
   set source = null, html = null, sealed = null, words = null, deleted_at = $2, version = version + 1
 where id = $1";

// By primary key (message_id, version).
const DELETE_EDITS: &str = "
delete from message_edits
 where message_id = $1";

// By primary key (room_id, seq, user_id).
const DELETE_MENTIONS: &str = "
delete from mentions
 where room_id = $1 and seq = $2";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("LOCK_ROOM_OF", LOCK_ROOM_OF),
    ("EDIT_STANDING", EDIT_STANDING),
    ("REPLACE_BODY", REPLACE_BODY),
    ("KEEP_EDIT", KEEP_EDIT),
    ("DROP_OLD_EDITS", DROP_OLD_EDITS),
    ("ERASE_BODY", ERASE_BODY),
    ("DELETE_EDITS", DELETE_EDITS),
    ("DELETE_MENTIONS", DELETE_MENTIONS),
];
