//! The second trip: write what was decided and commit.

use std::collections::{BTreeMap, HashMap};

use domain::{JoinReason, MessageId, RoomId, Seq, UserId};
use futures_util::future::{OptionFuture, join, join4};
use tokio_postgres::types::ToSql;

use super::Post;
use super::look::{Plan, Seen, SeenRoom};
use crate::Result;
use crate::postgres::log;
use crate::postgres::messages::{INSERT_MENTIONS, Mentions, columns};
use crate::postgres::tx::{Tx, read_all};

/// Writes the plan and commits, in one trip; the new messages' ids.
pub(super) async fn write(
    tx: &Tx,
    batch: &[Post],
    seen: &Seen,
    plan: &Plan,
) -> Result<HashMap<(RoomId, Seq), MessageId>> {
    let rows = MessageRows::of(batch, plan);
    let joins = JoinRows::of(plan);
    let advances = RoomRows::of(seen);
    let store_messages = tx.prepared(STORE_MESSAGES).await?;
    let advance_rooms = tx.prepared(ADVANCE_ROOMS).await?;
    let store_joins = tx.prepared(STORE_JOINS).await?;
    let store_mentions = tx.prepared(INSERT_MENTIONS).await?;
    let join_params = joins.params();
    let message_params = rows.params();
    let mention_params = rows.mention_params();
    let advance_params = advances.params();
    let has_joins = !plan.joins.is_empty();
    let has_mentions = !rows.mentions.rooms.is_empty();
    let written = join4(
        OptionFuture::from(has_joins.then(|| tx.rows(&store_joins, &join_params))),
        tx.rows(&store_messages, &message_params),
        OptionFuture::from(has_mentions.then(|| tx.rows(&store_mentions, &mention_params))),
        tx.rows(&advance_rooms, &advance_params),
    );
    let ((joined, stored, mentioned, advanced), committed) =
        join(written, tx.commit_unseen()).await;
    joined.transpose()?;
    let stored = stored?;
    mentioned.transpose()?;
    advanced?;
    // Last: it succeeds also when something before it has failed and all is undone.
    committed?;
    let ids = read_all(&stored, |row| {
        let key = (RoomId(row.get(1)?), Seq(row.get(2)?));
        Ok((key, MessageId(row.get(0)?)))
    })?;
    Ok(ids.into_iter().collect())
}

type Value<'v> = &'v (dyn ToSql + Sync);

/// The columns of [`STORE_MESSAGES`].
#[derive(Default)]
struct MessageRows<'b> {
    rooms: Vec<i64>,
    seqs: Vec<i64>,
    authors: Vec<i64>,
    nonces: Vec<uuid::Uuid>,
    fingerprints: Vec<&'b [u8]>,
    origins: Vec<&'b str>,
    sources: Vec<Option<&'b str>>,
    htmls: Vec<Option<&'b str>>,
    sealed: Vec<Option<&'b [u8]>>,
    replies: Vec<Option<i64>>,
    times: Vec<i64>,
    words: Vec<Option<&'b str>>,
    markup: i64,
    mentions: Mentions,
}

impl<'b> MessageRows<'b> {
    fn of(batch: &'b [Post], plan: &Plan) -> Self {
        let mut rows = Self {
            markup: domain::markup::MARKUP_VERSION,
            ..Self::default()
        };
        for (place, seq) in &plan.posts {
            let Some(post) = batch.get(*place) else {
                continue;
            };
            let new = &post.new;
            let (source, html, sealed) = columns(&new.body);
            rows.rooms.push(new.room.0);
            rows.seqs.push(seq.0);
            rows.authors.push(new.author.0);
            rows.nonces.push(new.nonce.0);
            rows.fingerprints.push(&new.fingerprint);
            rows.origins.push(new.origin.as_str());
            rows.sources.push(source);
            rows.htmls.push(html);
            rows.sealed.push(sealed);
            rows.replies.push(new.reply_to.map(|id| id.0));
            rows.times.push(new.at.0);
            rows.words.push(post.words.as_deref());
            rows.mentions.add(new.room, *seq, new.author, &new.mentions);
        }
        rows
    }

    fn params(&self) -> [Value<'_>; 13] {
        [
            &self.rooms,
            &self.seqs,
            &self.authors,
            &self.nonces,
            &self.fingerprints,
            &self.origins,
            &self.sources,
            &self.htmls,
            &self.sealed,
            &self.replies,
            &self.times,
            &self.words,
            &self.markup,
        ]
    }

    fn mention_params(&self) -> [Value<'_>; 4] {
        let said = &self.mentions;
        [&said.rooms, &said.seqs, &said.usernames, &said.authors]
    }
}

/// The columns of [`STORE_JOINS`].
struct JoinRows {
    rooms: Vec<i64>,
    users: Vec<i64>,
    seqs: Vec<i64>,
    times: Vec<i64>,
    data: Option<String>,
}

impl JoinRows {
    fn of(plan: &Plan) -> Self {
        let joins = &plan.joins;
        Self {
            rooms: joins.iter().map(|(room, ..)| room.0).collect(),
            users: joins.iter().map(|(_, user, ..)| user.0).collect(),
            seqs: joins.iter().map(|(_, _, seq, _)| seq.0).collect(),
            times: joins.iter().map(|(.., at)| *at).collect(),
            data: log::moved(UserId(0), JoinReason::Joined.as_str()).data,
        }
    }

    fn params(&self) -> [Value<'_>; 5] {
        [
            &self.rooms,
            &self.users,
            &self.seqs,
            &self.times,
            &self.data,
        ]
    }
}

/// The columns of [`ADVANCE_ROOMS`].
#[derive(Default)]
struct RoomRows {
    rooms: Vec<i64>,
    heads: Vec<i64>,
    joined: Vec<i64>,
    times: Vec<i64>,
}

impl RoomRows {
    fn of(seen: &Seen) -> Self {
        let mut rows = Self::default();
        // In order, as everywhere; the locks are held already.
        let sorted: BTreeMap<i64, &SeenRoom> =
            seen.rooms.iter().map(|(id, room)| (id.0, room)).collect();
        for (id, room) in sorted {
            if let Some(at) = room.last_message_at {
                rows.rooms.push(id);
                rows.heads.push(room.head);
                rows.joined.push(room.joined);
                rows.times.push(at);
            }
        }
        rows
    }

    fn params(&self) -> [Value<'_>; 4] {
        [&self.rooms, &self.heads, &self.joined, &self.times]
    }
}

const STORE_MESSAGES: &str = "
with stored as (
  insert into messages (
    room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed, reply_to,
    markup_version, created_at, words
  )
  select room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed, reply_to,
         $13::bigint, created_at, words::tsvector
    from unnest(
           $1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bytea[], $6::text[],
           $7::text[], $8::text[], $9::bytea[], $10::bigint[], $11::bigint[], $12::text[]
         ) new (
           room_id, seq, author_id, nonce, fingerprint, origin, source, html, sealed,
           reply_to, created_at, words
         )
  returning id, room_id, seq, created_at
),
logged as (
  insert into events (room_id, seq, kind, at, message_id)
  select room_id, seq, 'message.posted', created_at, id
    from stored
)
select id, room_id, seq
  from stored";

const STORE_JOINS: &str = "
with joined as (
  insert into memberships (room_id, user_id, role, involvement, read_seq, joined_at)
  select room_id, user_id, 'member', 'all', seq, at
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
         new (room_id, user_id, seq, at)
  returning room_id, user_id, read_seq, joined_at
)
insert into events (room_id, seq, kind, at, user_id, data)
select room_id, read_seq, 'member.joined', joined_at, user_id, $5::text
  from joined";

// By primary key. The same statement keeps the time to sort rooms by.
const ADVANCE_ROOMS: &str = "
update rooms r
   set last_seq = new.head, member_count = r.member_count + new.joined,
       last_message_at = new.at
  from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
       new (room_id, head, joined, at)
 where r.id = new.room_id";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("STORE_MESSAGES", STORE_MESSAGES),
    ("STORE_JOINS", STORE_JOINS),
    ("ADVANCE_ROOMS", ADVANCE_ROOMS),
];
