//! Messages. Storing them together, changing and reading them is in the files beside.

pub(super) mod batch;
mod change;
mod pages;

use async_trait::async_trait;
use domain::{Body, Event, Message, MessageId, Nonce, RoomId, Seq, Time, UserId};

use super::rows::{author_columns, fold, message, message_columns, message_joins};
use super::tx::Tx;
use super::{PostgresStore, log};
use crate::{
    Appended, EditMessage, EditVersion, MessageFacts, Messages, NewMessage, PageAnchor, Result,
    RoomPage,
};

#[async_trait]
impl Messages for PostgresStore {
    async fn append_message(&self, new: NewMessage) -> Result<Appended> {
        self.writes
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.lanes.append(&self.gate, new).await
    }

    async fn edit_message(&self, edit: EditMessage) -> Result<(Message, Option<Event>)> {
        self.write(edit, |tx, edit| Box::pin(change::edit(tx, edit)))
            .await
    }

    async fn delete_message(
        &self,
        message: MessageId,
        by: UserId,
        at: Time,
    ) -> Result<(Message, Option<Event>)> {
        self.write((message, by, at), |tx, (message, by, at)| {
            Box::pin(change::delete(tx, *message, *by, *at))
        })
        .await
    }

    async fn message_facts(
        &self,
        message: MessageId,
        user: Option<UserId>,
    ) -> Result<MessageFacts> {
        self.read((message, user), |tx, (message, user)| {
            Box::pin(pages::facts(tx, *message, *user))
        })
        .await
    }

    async fn message_by_nonce(&self, author: UserId, nonce: Nonce) -> Result<Option<Message>> {
        self.read((author.0, nonce.0), |tx, args| {
            Box::pin(async {
                tx.maybe(MESSAGE_BY_NONCE, *args, |row| message(row, 0))
                    .await
            })
        })
        .await
    }

    async fn edits(&self, message: MessageId) -> Result<Vec<EditVersion>> {
        self.read(message, |tx, message| Box::pin(pages::edits(tx, *message)))
            .await
    }

    async fn room_page(&self, room: RoomId, anchor: PageAnchor, limit: usize) -> Result<RoomPage> {
        self.read_snapshot((room, anchor, limit), |tx, (room, anchor, limit)| {
            Box::pin(pages::page(tx, *room, *anchor, *limit))
        })
        .await
    }

    async fn events_after(&self, room: RoomId, seq: Seq, limit: usize) -> Result<Vec<Event>> {
        self.read((room, seq, limit), |tx, (room, seq, limit)| {
            Box::pin(log::events_after(tx, *room, *seq, *limit))
        })
        .await
    }
}

/// A body as its three columns: source, HTML, sealed bytes.
fn columns(body: &Body) -> (Option<&str>, Option<&str>, Option<&[u8]>) {
    match body {
        Body::Markdown { source, html } => (Some(source), Some(html), None),
        Body::Sealed(bytes) => (None, None, Some(bytes)),
    }
}

/// Mentions to store, one entry of each list per username.
#[derive(Default)]
struct Mentions {
    rooms: Vec<i64>,
    seqs: Vec<i64>,
    usernames: Vec<String>,
    authors: Vec<i64>,
}

impl Mentions {
    fn add(&mut self, room: RoomId, seq: Seq, author: UserId, usernames: &[String]) {
        for username in usernames {
            self.rooms.push(room.0);
            self.seqs.push(seq.0);
            self.usernames.push(fold(username));
            self.authors.push(author.0);
        }
    }
}

/// Keeps a mention of each of `usernames` who may read the room; the author mentioning
/// themselves is news to nobody.
async fn store_mentions(tx: &Tx, message: &Message, usernames: &[String]) -> Result<()> {
    let mut said = Mentions::default();
    said.add(message.room, message.seq, message.author.id, usernames);
    let params = (&said.rooms, &said.seqs, &said.usernames, &said.authors);
    tx.change(INSERT_MENTIONS, params).await?;
    Ok(())
}

async fn by_id(tx: &Tx, id: MessageId) -> Result<Message> {
    tx.one(MESSAGE_BY_ID, [id.0], |row| message(row, 0)).await
}

// By users_by_folded_username and primary keys. Each of the lists has one entry per mention.
const INSERT_MENTIONS: &str = "
insert into mentions (room_id, seq, user_id)
select r.id, said.seq, u.id
  from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])
       said (room_id, seq, username, author_id)
  join rooms r on r.id = said.room_id
  join users u on u.folded_username = said.username collate \"C\"
 where u.state = 'active' and u.id <> said.author_id
   and (
     (r.kind = 'open' and u.role <> 'guest')
     or exists (select 1 from memberships where room_id = r.id and user_id = u.id)
   )
on conflict do nothing";

// By primary keys.
const MESSAGE_BY_ID: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.id = $1"
);

// By messages_by_nonce and primary keys.
const MESSAGE_BY_NONCE: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.author_id = $1 and msg.nonce = $2"
);

/// Every statement of this file and those beside, for the test that prepares them all.
#[cfg(test)]
pub(super) fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("INSERT_MENTIONS", INSERT_MENTIONS),
        ("MESSAGE_BY_ID", MESSAGE_BY_ID),
        ("MESSAGE_BY_NONCE", MESSAGE_BY_NONCE),
    ];
    all.extend(batch::statements());
    all.extend(change::STATEMENTS);
    all.extend(pages::STATEMENTS);
    all
}
