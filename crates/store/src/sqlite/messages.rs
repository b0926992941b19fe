//! Messages: storing them. Changing and reading them is in the files beside.
//!
//! What a newcomer would get wrong: [`append`] is the hottest path of the house. It takes
//! one select for everything that must hold, one update for the seq, and the inserts; each
//! statement more costs every post. The answer is put together from what it wrote.

mod change;
mod pages;

use async_trait::async_trait;
use domain::{
    Author, Body, Event, EventKind, MemberRole, Message, MessageId, Nonce, Quote, RoomId, RoomKind,
    Seq, UserId, UserState,
};
use rusqlite::{Connection, Row};

use super::members::add;
use super::rows::{
    AUTHOR_WIDTH, Statements, author, author_columns, conflict, fold, message, message_columns,
    message_joins, word,
};
use super::writer::Tx;
use super::{SqliteStore, log};
use crate::messages::search_words;
use crate::{
    Appended, Conflict, EditMessage, EditVersion, MessageFacts, Messages, NewMessage, PageAnchor,
    Result, RoomPage, StoreError,
};
use domain::Time;

#[async_trait]
impl Messages for SqliteStore {
    async fn append_message(&self, new: NewMessage) -> Result<Appended> {
        // Split here, on the caller's thread: the writer has better things to do.
        let words = search_words(Some(&new.body));
        self.write(move |tx| append(tx, &new, &words)).await
    }

    async fn edit_message(&self, edit: EditMessage) -> Result<(Message, Option<Event>)> {
        let words = search_words(Some(&edit.body));
        self.write(move |tx| change::edit(tx, &edit, &words)).await
    }

    async fn delete_message(
        &self,
        message: MessageId,
        by: UserId,
        at: Time,
    ) -> Result<(Message, Option<Event>)> {
        self.write(move |tx| change::delete(tx, message, by, at))
            .await
    }

    async fn message_facts(
        &self,
        message: MessageId,
        user: Option<UserId>,
    ) -> Result<MessageFacts> {
        self.read(move |conn| pages::facts(conn, message, user))
            .await
    }

    async fn message_by_nonce(&self, author: UserId, nonce: Nonce) -> Result<Option<Message>> {
        self.read(move |conn| {
            conn.maybe(MESSAGE_BY_NONCE, (author.0, nonce.0.as_bytes()), |row| {
                message(row, 0)
            })
        })
        .await
    }

    async fn edits(&self, message: MessageId) -> Result<Vec<EditVersion>> {
        self.read(move |conn| pages::edits(conn, message)).await
    }

    async fn room_page(&self, room: RoomId, anchor: PageAnchor, limit: usize) -> Result<RoomPage> {
        self.read(move |conn| pages::page(conn, room, anchor, limit))
            .await
    }

    async fn events_after(&self, room: RoomId, seq: Seq, limit: usize) -> Result<Vec<Event>> {
        self.read(move |conn| log::events_after(conn, room, seq, limit))
            .await
    }
}

/// What must hold for a post, read at once.
struct Standing {
    author: Author,
    state: UserState,
    room_kind: RoomKind,
    is_archived: bool,
    is_member: bool,
    earlier: Option<(MessageId, [u8; 32])>,
}

impl Standing {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        const REST: usize = AUTHOR_WIDTH;
        let earlier = match row.get::<_, Option<i64>>(REST + 4)? {
            Some(id) => Some((MessageId(id), row.get(REST + 5)?)),
            None => None,
        };
        Ok(Self {
            author: author(row, 0)?,
            state: word(row, REST, UserState::from_word)?,
            room_kind: word(row, REST + 1, RoomKind::from_word)?,
            is_archived: row.get(REST + 2)?,
            is_member: row.get(REST + 3)?,
            earlier,
        })
    }
}

fn append(tx: &mut Tx<'_>, new: &NewMessage, words: &str) -> Result<Appended> {
    let nonce = new.nonce.0.as_bytes();
    let standing = tx.one(STANDING, (new.author.0, new.room.0, nonce), Standing::read)?;
    if standing.state != UserState::Active {
        return conflict(Conflict::NotActive);
    }
    // Before the room's state: a retry must get its first answer also in a room that was
    // archived in between.
    if let Some((id, fingerprint)) = standing.earlier {
        if fingerprint != new.fingerprint {
            return conflict(Conflict::NonceReused);
        }
        return Ok(Appended {
            message: by_id(tx, id)?,
            repeated: true,
            events: Vec::new(),
        });
    }
    if standing.is_archived {
        return conflict(Conflict::Archived);
    }
    let reply_to = new.reply_to.map(|id| quote(tx, new.room, id)).transpose()?;
    let mut events = Vec::with_capacity(2);
    if !standing.is_member {
        if !new.join_if_open || standing.room_kind != RoomKind::Open {
            return conflict(Conflict::NotMember);
        }
        let joining = standing.author.clone();
        let (_, joined) = add(tx, new.room, joining, MemberRole::Member, new.at)?;
        events.push(joined);
    }
    let message = store(tx, new, standing.author, reply_to)?;
    store_mentions(tx, &message, &new.mentions)?;
    tx.add_search(message.id.0, words);
    events.push(Event {
        room: new.room,
        seq: message.seq,
        at: new.at,
        kind: EventKind::MessagePosted(message.clone()),
    });
    Ok(Appended {
        message,
        repeated: false,
        events,
    })
}

fn store(
    tx: &Tx<'_>,
    new: &NewMessage,
    author: Author,
    reply_to: Option<Quote>,
) -> Result<Message> {
    let seq = Seq(tx.one(TAKE_SEQ_FOR_POST, (new.room.0, new.at.0), |row| row.get(0))?);
    let (source, html, sealed) = columns(&new.body);
    tx.change(
        INSERT_MESSAGE,
        (
            new.room.0,
            seq.0,
            new.author.0,
            new.nonce.0.as_bytes(),
            &new.fingerprint,
            new.origin.as_str(),
            source,
            html,
            sealed,
            new.reply_to.map(|id| id.0),
            domain::markup::MARKUP_VERSION,
            new.at.0,
        ),
    )?;
    let id = tx.last_insert_rowid();
    let references = log::References {
        message: Some(id),
        ..log::References::default()
    };
    log::insert(tx, new.room, seq, "message.posted", &references, new.at)?;
    Ok(Message {
        id: MessageId(id),
        room: new.room,
        seq,
        nonce: new.nonce,
        author,
        body: Some(new.body.clone()),
        origin: new.origin,
        reply_to,
        created_at: new.at,
        edited_at: None,
        deleted_at: None,
        version: 1,
    })
}

/// A body as its three columns: source, HTML, sealed bytes.
fn columns(body: &Body) -> (Option<&str>, Option<&str>, Option<&[u8]>) {
    match body {
        Body::Markdown { source, html } => (Some(source), Some(html), None),
        Body::Sealed(bytes) => (None, None, Some(bytes)),
    }
}

fn quote(tx: &Tx<'_>, room: RoomId, message: MessageId) -> Result<Quote> {
    tx.one(QUOTE, (message.0, room.0), |row| {
        Ok(Quote {
            id: message,
            seq: Seq(row.get(0)?),
            source: row.get(1)?,
            author: author(row, 2)?,
        })
    })
}

/// Keeps a mention of each of `usernames` who may read the room; the author mentioning
/// themselves is news to nobody.
fn store_mentions(tx: &Tx<'_>, message: &Message, usernames: &[String]) -> Result<()> {
    for username in usernames {
        tx.change(
            INSERT_MENTION,
            (
                message.room.0,
                message.seq.0,
                fold(username),
                message.author.id.0,
            ),
        )?;
    }
    Ok(())
}

fn by_id(conn: &Connection, id: MessageId) -> Result<Message> {
    match conn.maybe(MESSAGE_BY_ID, [id.0], |row| message(row, 0))? {
        Some(message) => Ok(message),
        None => Err(StoreError::NotFound),
    }
}

// By primary keys; the nonce by messages_by_nonce.
const STANDING: &str = concat!(
    "select ",
    author_columns!("u"),
    ", u.state, r.kind, r.archived_at is not null, m.user_id is not null, earlier.id,
       earlier.fingerprint
  from users u
 cross join rooms r
  left join memberships m on m.room_id = r.id and m.user_id = u.id
  left join messages earlier on earlier.author_id = u.id and earlier.nonce = ?3
 where u.id = ?1 and r.id = ?2"
);

// By primary key. The same statement keeps the time to sort rooms by.
const TAKE_SEQ_FOR_POST: &str = "
update rooms
   set last_seq = last_seq + 1, last_message_at = ?2
 where id = ?1
returning last_seq";

const INSERT_MESSAGE: &str = "
insert into messages (
  room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed, reply_to,
  markup_version, created_at
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

// By primary keys.
const QUOTE: &str = concat!(
    "select q.seq, substr(q.source, 1, 200), ",
    author_columns!("a"),
    "
  from messages q
  join users a on a.id = q.author_id
 where q.id = ?1 and q.room_id = ?2 and q.deleted_at is null"
);

// By users_by_folded_username and primary keys.
const INSERT_MENTION: &str = "
insert into mentions (room_id, seq, user_id)
select r.id, ?2, u.id
  from users u
 cross join rooms r
 where u.folded_username = ?3 and u.state = 'active' and u.id <> ?4 and r.id = ?1
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
    " where msg.id = ?1"
);

// By messages_by_nonce and primary keys.
const MESSAGE_BY_NONCE: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.author_id = ?1 and msg.nonce = ?2"
);

/// Every statement of this file and those beside, for the test that prepares them all.
#[cfg(test)]
pub(super) fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("STANDING", STANDING),
        ("TAKE_SEQ_FOR_POST", TAKE_SEQ_FOR_POST),
        ("INSERT_MESSAGE", INSERT_MESSAGE),
        ("QUOTE", QUOTE),
        ("INSERT_MENTION", INSERT_MENTION),
        ("MESSAGE_BY_ID", MESSAGE_BY_ID),
        ("MESSAGE_BY_NONCE", MESSAGE_BY_NONCE),
    ];
    all.extend(change::STATEMENTS);
    all.extend(pages::STATEMENTS);
    all
}
