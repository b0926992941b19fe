//! The first trip: take the locks and look at what must hold; then, in memory, decide.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::{Author, MessageId, Quote, RoomId, RoomKind, Seq, UserId, UserState};
use futures_util::future::{OptionFuture, join4};
use tokio_postgres::types::ToSql;

use super::Post;
use crate::postgres::rows::{AUTHOR_WIDTH, author, author_columns, word};
use crate::postgres::tx::{Row, Tx, read_all};
use crate::{Conflict, Result, StoreError};

/// What the first trip brought: everything that must hold, as it is under the locks.
pub(super) struct Seen {
    pub(super) rooms: HashMap<RoomId, SeenRoom>,
    authors: HashMap<UserId, (Author, UserState)>,
    /// By place in the batch.
    standings: HashMap<usize, Standing>,
    quotes: HashMap<usize, Quote>,
}

pub(super) struct SeenRoom {
    pub(super) head: i64,
    pub(super) kind: RoomKind,
    pub(super) is_archived: bool,
    pub(super) joined: i64,
    pub(super) last_message_at: Option<i64>,
}

struct Standing {
    is_member: bool,
    earlier: Option<(MessageId, Vec<u8>)>,
}

/// What is to become of a post.
pub(super) enum Decision {
    /// It is stored already.
    Repeated(MessageId),
    /// It will be stored so.
    Stored(Stored),
}

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) author: Author,
    pub(super) seq: Seq,
    pub(super) joined: Option<Seq>,
    pub(super) reply_to: Option<Quote>,
}

/// What the second trip writes.
#[derive(Default)]
pub(super) struct Plan {
    /// Place in the batch and seq.
    pub(super) posts: Vec<(usize, Seq)>,
    /// Room, who, seq, when.
    pub(super) joins: Vec<(RoomId, UserId, Seq, i64)>,
    pub(super) members: HashSet<(RoomId, UserId)>,
}

pub(super) async fn look(tx: &Tx, batch: &[Post]) -> Result<Seen> {
    let rooms: BTreeSet<i64> = batch.iter().map(|post| post.new.room.0).collect();
    let rooms: Vec<i64> = rooms.into_iter().collect();
    let authors: BTreeSet<i64> = batch.iter().map(|post| post.new.author.0).collect();
    let authors: Vec<i64> = authors.into_iter().collect();
    let post_rooms: Vec<i64> = batch.iter().map(|post| post.new.room.0).collect();
    let post_authors: Vec<i64> = batch.iter().map(|post| post.new.author.0).collect();
    let nonces: Vec<uuid::Uuid> = batch.iter().map(|post| post.new.nonce.0).collect();
    let replies: Vec<Option<i64>> = batch
        .iter()
        .map(|post| post.new.reply_to.map(|id| id.0))
        .collect();
    // All compiled before any is sent, so that they leave in this order: what is looked at
    // must be looked at under the locks.
    let lock_rooms = tx.prepared(LOCK_ROOMS).await?;
    let lock_authors = tx.prepared(LOCK_AUTHORS).await?;
    let standings = tx.prepared(STANDINGS).await?;
    let quotes = tx.prepared(QUOTES).await?;
    let has_replies = replies.iter().any(Option::is_some);
    let quote_params: [&(dyn ToSql + Sync); 2] = [&replies, &post_rooms];
    let (rooms, authors, standings, quotes) = join4(
        tx.rows(&lock_rooms, &[&rooms]),
        tx.rows(&lock_authors, &[&authors]),
        tx.rows(&standings, &[&post_rooms, &post_authors, &nonces]),
        OptionFuture::from(has_replies.then(|| tx.rows(&quotes, &quote_params))),
    )
    .await;
    Ok(Seen {
        rooms: read_all(&rooms?, seen_room)?.into_iter().collect(),
        authors: read_all(&authors?, seen_author)?.into_iter().collect(),
        standings: read_all(&standings?, standing)?.into_iter().collect(),
        quotes: read_all(&quotes.transpose()?.unwrap_or_default(), quote)?
            .into_iter()
            .collect(),
    })
}

fn seen_room(row: &Row<'_>) -> Result<(RoomId, SeenRoom)> {
    Ok((
        RoomId(row.get(0)?),
        SeenRoom {
            head: row.get(1)?,
            kind: word(row, 2, RoomKind::from_word)?,
            is_archived: row.get(3)?,
            joined: 0,
            last_message_at: None,
        },
    ))
}

fn seen_author(row: &Row<'_>) -> Result<(UserId, (Author, UserState))> {
    let state = word(row, AUTHOR_WIDTH, UserState::from_word)?;
    let author = author(row, 0)?;
    Ok((author.id, (author, state)))
}

fn place(row: &Row<'_>) -> Result<usize> {
    // `ordinality` counts from 1.
    let place: i64 = row.get(0)?;
    usize::try_from(place - 1).map_err(|error| StoreError::Internal(Box::new(error)))
}

fn standing(row: &Row<'_>) -> Result<(usize, Standing)> {
    let earlier = match row.get::<Option<i64>>(2)? {
        Some(id) => Some((MessageId(id), row.get(3)?)),
        None => None,
    };
    let is_member = row.get(1)?;
    Ok((place(row)?, Standing { is_member, earlier }))
}

fn quote(row: &Row<'_>) -> Result<(usize, Quote)> {
    Ok((
        place(row)?,
        Quote {
            id: MessageId(row.get(1)?),
            seq: Seq(row.get(2)?),
            source: row.get(3)?,
            author: author(row, 4)?,
        },
    ))
}

/// Checks one post and gives it its seq. In the order of the batch.
pub(super) fn decide(
    seen: &mut Seen,
    plan: &mut Plan,
    place: usize,
    post: &Post,
) -> Result<Decision> {
    let new = &post.new;
    let refuse = |conflict| Err(StoreError::Conflict(conflict));
    let (author, state) = seen.authors.get(&new.author).ok_or(StoreError::NotFound)?;
    let room = seen.rooms.get_mut(&new.room).ok_or(StoreError::NotFound)?;
    let standing = seen.standings.get(&place).ok_or(StoreError::NotFound)?;
    if *state != UserState::Active {
        return refuse(Conflict::NotActive);
    }
    // Before the room's state: a retry must get its first answer also in a room that was
    // archived in between.
    if let Some((id, fingerprint)) = &standing.earlier {
        if *fingerprint != new.fingerprint {
            return refuse(Conflict::NonceReused);
        }
        return Ok(Decision::Repeated(*id));
    }
    if room.is_archived {
        return refuse(Conflict::Archived);
    }
    let reply_to = match new.reply_to {
        Some(_) => Some(seen.quotes.remove(&place).ok_or(StoreError::NotFound)?),
        None => None,
    };
    let mut joined = None;
    if !standing.is_member && !plan.members.contains(&(new.room, new.author)) {
        if !new.join_if_open || room.kind != RoomKind::Open {
            return refuse(Conflict::NotMember);
        }
        room.head += 1;
        room.joined += 1;
        joined = Some(Seq(room.head));
        plan.members.insert((new.room, new.author));
        plan.joins
            .push((new.room, new.author, Seq(room.head), new.at.0));
    }
    room.head += 1;
    room.last_message_at = Some(new.at.0);
    let seq = Seq(room.head);
    plan.posts.push((place, seq));
    Ok(Decision::Stored(Stored {
        author: author.clone(),
        seq,
        joined,
        reply_to,
    }))
}

// By primary key, by ascending id: two batches never wait for each other in a circle.
const LOCK_ROOMS: &str = "
select id, last_seq, kind, archived_at is not null
  from rooms
 where id = any($1)
 order by id
   for no key update";

// By primary key. A ban waits until what the account has under way is stored.
const LOCK_AUTHORS: &str = concat!(
    "select ",
    author_columns!("u"),
    ", u.state
  from users u
 where u.id = any($1)
 order by u.id
   for share"
);

// By primary key of memberships; the nonce by messages_by_nonce.
const STANDINGS: &str = "
select post.place, m.user_id is not null, earlier.id, earlier.fingerprint
  from unnest($1::bigint[], $2::bigint[], $3::uuid[]) with ordinality
       post (room_id, author_id, nonce, place)
  left join memberships m on m.room_id = post.room_id and m.user_id = post.author_id
  left join messages earlier
    on earlier.author_id = post.author_id and earlier.nonce = post.nonce";

// By primary keys.
const QUOTES: &str = concat!(
    "select post.place, q.id, q.seq, substr(q.source, 1, 200), ",
    author_columns!("a"),
    "
  from unnest($1::bigint[], $2::bigint[]) with ordinality post (reply_to, room_id, place)
  join messages q on q.id = post.reply_to
  join users a on a.id = q.author_id
 where q.room_id = post.room_id and q.deleted_at is null"
);

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("LOCK_ROOMS", LOCK_ROOMS),
    ("LOCK_AUTHORS", LOCK_AUTHORS),
    ("STANDINGS", STANDINGS),
    ("QUOTES", QUOTES),
];
