//! History from elsewhere. The fast path for millions of rows: everything that repeats
//! within a batch (who is a member of what) is asked once.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use domain::{Body, MemberRole, MessageId, Origin, Role, RoomId, Seq, User, UserId};

use super::members::add;
use super::rows::{conflict, user, user_columns, vector};
use super::tx::Tx;
use super::users::{LOBBY, has_owner, insert_account};
use super::{PostgresStore, log};
use crate::messages::search_words;
use crate::{Answered, Conflict, Imported, ImportedMessage, NewUser, Result, StoreError, Transfer};

#[async_trait]
impl Transfer for PostgresStore {
    async fn import_users(&self, users: Vec<NewUser>) -> Result<Vec<User>> {
        self.write(users, |tx, users| {
            Box::pin(async move {
                log::lock_room(tx, LOBBY).await?;
                let mut made = Vec::with_capacity(users.len());
                for new in users {
                    made.push(import_user(tx, new).await?);
                }
                Ok(made)
            })
        })
        .await
    }

    async fn import_batch(&self, batch: Vec<ImportedMessage>) -> Result<Imported> {
        self.import(batch, |tx, batch| Box::pin(import(tx, batch)))
            .await
    }
}

async fn import_user(tx: &Tx, new: &NewUser) -> Result<User> {
    let known = tx
        .maybe(KNOWN_USER, [&new.skeleton], |row| user(row, 0))
        .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    if new.role == Role::Owner && has_owner(tx).await? {
        return conflict(Conflict::OwnerExists);
    }
    let (made, _) = insert_account(tx, new).await?;
    Ok(made)
}

async fn import(tx: &Tx, batch: &[ImportedMessage]) -> Result<Imported> {
    let rooms: BTreeSet<i64> = batch.iter().map(|message| message.room.0).collect();
    let rooms: Vec<i64> = rooms.into_iter().collect();
    tx.change(LOCK_ROOMS, [&rooms]).await?;
    let mut imported = Imported::default();
    let mut members: HashSet<(RoomId, UserId)> = HashSet::new();
    for message in batch {
        let known = tx
            .maybe(KNOWN_MESSAGE, (message.author.0, message.nonce.0), |row| {
                row.get(0)
            })
            .await?;
        let id = match known {
            Some(id) => MessageId(id),
            None => {
                if members.insert((message.room, message.author)) {
                    join_if_absent(tx, message).await?;
                }
                let answers = answered(tx, batch, &imported.messages, message).await?;
                imported.stored += 1;
                store(tx, message, answers).await?
            }
        };
        imported.messages.push(id);
    }
    Ok(imported)
}

async fn join_if_absent(tx: &Tx, message: &ImportedMessage) -> Result<()> {
    let (room, user) = (message.room, message.author);
    if tx
        .one(IS_MEMBER, (room.0, user.0), |row| row.get(0))
        .await?
    {
        return Ok(());
    }
    let author = log::author_of(tx, user).await?;
    add(tx, room, author, MemberRole::Member, message.at).await?;
    Ok(())
}

/// The stored message that `message` answers; it must be in the same room.
async fn answered(
    tx: &Tx,
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
            let is_there: bool = tx
                .one(IS_IN_ROOM, (id.0, message.room.0), |row| row.get(0))
                .await?;
            if is_there {
                Ok(Some(id.0))
            } else {
                Err(StoreError::NotFound)
            }
        }
    }
}

async fn store(tx: &Tx, new: &ImportedMessage, answers: Option<i64>) -> Result<MessageId> {
    let seq: i64 = tx
        .one(TAKE_SEQ_FOR_IMPORT, (new.room.0, new.at.0), |row| {
            row.get(0)
        })
        .await?;
    let (source, html, sealed) = match &new.body {
        Body::Markdown { source, html } => (Some(source), Some(html), None),
        Body::Sealed(bytes) => (None, None, Some(bytes)),
    };
    let edited_at = new.earlier.as_ref().map(|earlier| earlier.replaced_at.0);
    let params = (
        new.room.0,
        seq,
        new.author.0,
        new.nonce.0,
        // It stands for no draft: nobody will send this nonce again.
        [0_u8; 32].as_slice(),
        Origin::Person.as_str(),
        source,
        html,
        sealed,
        answers,
        domain::markup::MARKUP_VERSION,
        new.at.0,
        edited_at,
        if edited_at.is_some() { 2_i64 } else { 1 },
        vector(&search_words(Some(&new.body))),
    );
    let id = tx
        .one(IMPORT_MESSAGE, params, |row| row.get(0).map(MessageId))
        .await?;
    let references = log::References {
        message: Some(id.0),
        ..log::References::default()
    };
    log::insert(
        tx,
        new.room,
        Seq(seq),
        "message.posted",
        &references,
        new.at,
    )
    .await?;
    if let Some(earlier) = &new.earlier {
        let at = earlier.replaced_at;
        tx.change(KEEP_EARLIER, (id.0, &earlier.source, at.0))
            .await?;
        log::append(tx, new.room, "message.edited", &references, at).await?;
    }
    for user in new.mentions.iter().filter(|user| **user != new.author) {
        tx.change(IMPORT_MENTION, (new.room.0, seq, user.0)).await?;
    }
    Ok(id)
}

// By the unique index of skeleton.
const KNOWN_USER: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.skeleton = $1"
);

// By messages_by_nonce.
const KNOWN_MESSAGE: &str = "
select id
  from messages
 where author_id = $1 and nonce = $2";

// By primary key, in the order in which all lock rooms.
const LOCK_ROOMS: &str = "
select id
  from rooms
 where id = any($1)
 order by id
   for no key update";

// By primary key.
const IS_MEMBER: &str = "
select exists (select 1 from memberships where room_id = $1 and user_id = $2)";

// By primary key.
const IS_IN_ROOM: &str = "
select exists (
  select 1 from messages where id = $1 and room_id = $2 and deleted_at is null
)";

// By primary key. Old messages do not make a room look less recent than it is.
const TAKE_SEQ_FOR_IMPORT: &str = "
update rooms
   set last_seq = last_seq + 1, last_message_at = greatest(last_message_at, $2)
 where id = $1
returning last_seq";

const IMPORT_MESSAGE: &str = "
insert into messages (
  room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed, reply_to,
  markup_version, created_at, edited_at, version, words
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::tsvector)
returning id";

const KEEP_EARLIER: &str = "
insert into message_edits (message_id, version, source, replaced_at)
values ($1, 1, $2, $3)";

const IMPORT_MENTION: &str = "
insert into mentions (room_id, seq, user_id)
values ($1, $2, $3)
on conflict do nothing";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("KNOWN_USER", KNOWN_USER),
    ("KNOWN_MESSAGE", KNOWN_MESSAGE),
    ("LOCK_ROOMS", LOCK_ROOMS),
    ("IS_MEMBER", IS_MEMBER),
    ("IS_IN_ROOM", IS_IN_ROOM),
    ("TAKE_SEQ_FOR_IMPORT", TAKE_SEQ_FOR_IMPORT),
    ("IMPORT_MESSAGE", IMPORT_MESSAGE),
    ("KEEP_EARLIER", KEEP_EARLIER),
    ("IMPORT_MENTION", IMPORT_MENTION),
];
