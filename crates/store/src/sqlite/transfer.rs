//! History from elsewhere. The fast path for millions of rows: everything that repeats
//! within a batch (who is a member of what) is asked once.

use std::collections::HashSet;

use async_trait::async_trait;
use domain::{Body, MemberRole, MessageId, Origin, Role, RoomId, User, UserId};

use super::members::add;
use super::rows::{Statements, conflict, user, user_columns};
use super::users::{has_owner, insert_account};
use super::writer::Tx;
use super::{SqliteStore, log};
use crate::messages::search_words;
use crate::{Answered, Conflict, Imported, ImportedMessage, NewUser, Result, StoreError, Transfer};

#[async_trait]
impl Transfer for SqliteStore {
    async fn import_users(&self, users: Vec<NewUser>) -> Result<Vec<User>> {
        self.write(move |tx| users.iter().map(|new| import_user(tx, new)).collect())
            .await
    }

    async fn import_batch(&self, batch: Vec<ImportedMessage>) -> Result<Imported> {
        self.write(move |tx| import(tx, &batch)).await
    }
}

fn import_user(tx: &Tx<'_>, new: &NewUser) -> Result<User> {
    if let Some(known) = tx.maybe(KNOWN_USER, [&new.skeleton], |row| user(row, 0))? {
        return Ok(known);
    }
    if new.role == Role::Owner && has_owner(tx)? {
        return conflict(Conflict::OwnerExists);
    }
    let (made, _) = insert_account(tx, new)?;
    Ok(made)
}

fn import(tx: &mut Tx<'_>, batch: &[ImportedMessage]) -> Result<Imported> {
    let mut imported = Imported::default();
    let mut members: HashSet<(RoomId, UserId)> = HashSet::new();
    for message in batch {
        let nonce = message.nonce.0.as_bytes();
        let known = tx.maybe(KNOWN_MESSAGE, (message.author.0, nonce), |row| row.get(0))?;
        let id = match known {
            Some(id) => MessageId(id),
            None => {
                if members.insert((message.room, message.author)) {
                    join_if_absent(tx, message)?;
                }
                let answers = answered(tx, batch, &imported.messages, message)?;
                imported.stored += 1;
                store(tx, message, answers)?
            }
        };
        imported.messages.push(id);
    }
    Ok(imported)
}

fn join_if_absent(tx: &Tx<'_>, message: &ImportedMessage) -> Result<()> {
    let (room, user) = (message.room, message.author);
    if tx.one(IS_MEMBER, (room.0, user.0), |row| row.get(0))? {
        return Ok(());
    }
    let author = log::author_of(tx, user)?;
    add(tx, room, author, MemberRole::Member, message.at)?;
    Ok(())
}

/// The stored message that `message` answers; it must be in the same room.
fn answered(
    tx: &Tx<'_>,
    batch: &[ImportedMessage],
    stored: &[MessageId],
    message: &ImportedMessage,
) -> Result<Option<i64>> {
    match message.answers {
        None => Ok(None),
        Some(Answered::InBatch(place)) => match (stored.get(place), batch.get(place)) {
            (Some(id), Some(other)) if other.room == message.room => Ok(Some(id.0)),
            _ => Err(StoreError::NotFound),
        },
        Some(Answered::Stored(id)) => {
            let is_there: bool = tx.one(IS_IN_ROOM, (id.0, message.room.0), |row| row.get(0))?;
            if is_there {
                Ok(Some(id.0))
            } else {
                Err(StoreError::NotFound)
            }
        }
    }
}

fn store(tx: &mut Tx<'_>, new: &ImportedMessage, answers: Option<i64>) -> Result<MessageId> {
    let seq: i64 = tx.one(TAKE_SEQ_FOR_IMPORT, (new.room.0, new.at.0), |row| {
        row.get(0)
    })?;
    let (source, html, sealed) = match &new.body {
        Body::Markdown { source, html } => (Some(source), Some(html), None),
        Body::Sealed(bytes) => (None, None, Some(bytes)),
    };
    let edited_at = new.earlier.as_ref().map(|earlier| earlier.replaced_at.0);
    tx.change(
        IMPORT_MESSAGE,
        (
            new.room.0,
            seq,
            new.author.0,
            new.nonce.0.as_bytes(),
            // It stands for no draft: nobody will send this nonce again.
            [0_u8; 32],
            Origin::Person.as_str(),
            source,
            html,
            sealed,
            answers,
            domain::markup::MARKUP_VERSION,
            new.at.0,
            edited_at,
            if edited_at.is_some() { 2 } else { 1 },
        ),
    )?;
    let id = MessageId(tx.last_insert_rowid());
    let references = log::References {
        message: Some(id.0),
        ..log::References::default()
    };
    let seq = domain::Seq(seq);
    log::insert(tx, new.room, seq, "message.posted", &references, new.at)?;
    if let Some(earlier) = &new.earlier {
        tx.change(KEEP_EARLIER, (id.0, &earlier.source, earlier.replaced_at.0))?;
        log::append(
            tx,
            new.room,
            "message.edited",
            &references,
            earlier.replaced_at,
        )?;
    }
    for user in new.mentions.iter().filter(|user| **user != new.author) {
        tx.change(IMPORT_MENTION, (new.room.0, seq.0, user.0))?;
    }
    tx.add_search(id.0, &search_words(Some(&new.body)));
    Ok(id)
}

// By the unique index of skeleton.
const KNOWN_USER: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.skeleton = ?1"
);

// By messages_by_nonce.
const KNOWN_MESSAGE: &str = "
select id
  from messages
 where author_id = ?1 and nonce = ?2";

// By primary key.
const IS_MEMBER: &str = "
select exists (select 1 from memberships where room_id = ?1 and user_id = ?2)";

// By primary key.
const IS_IN_ROOM: &str = "
select exists (
  select 1 from messages where id = ?1 and room_id = ?2 and deleted_at is null
)";

// By primary key. Old messages do not make a room look less recent than it is.
const TAKE_SEQ_FOR_IMPORT: &str = "
update rooms
   set last_seq = last_seq + 1, last_message_at = max(coalesce(last_message_at, ?2), ?2)
 where id = ?1
returning last_seq";

const IMPORT_MESSAGE: &str = "
insert into messages (
  room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed, reply_to,
  markup_version, created_at, edited_at, version
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

const KEEP_EARLIER: &str = "
insert into message_edits (message_id, version, source, replaced_at)
values (?1, 1, ?2, ?3)";

const IMPORT_MENTION: &str = "
insert into mentions (room_id, seq, user_id)
values (?1, ?2, ?3)
on conflict do nothing";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("KNOWN_USER", KNOWN_USER),
    ("KNOWN_MESSAGE", KNOWN_MESSAGE),
    ("IS_MEMBER", IS_MEMBER),
    ("IS_IN_ROOM", IS_IN_ROOM),
    ("TAKE_SEQ_FOR_IMPORT", TAKE_SEQ_FOR_IMPORT),
    ("IMPORT_MESSAGE", IMPORT_MESSAGE),
    ("KEEP_EARLIER", KEEP_EARLIER),
    ("IMPORT_MENTION", IMPORT_MENTION),
];
