//! Group commit: posts that arrive together are stored in one transaction.
//!
//! A few lanes, each with one batch under way; while it commits, the next one gathers. A
//! room always takes the same lane, so its posts never wait for each other's locks. A batch
//! takes two trips to the server however many posts it holds: lock and look; write and
//! commit. Everything is checked in between, so a refusal leaves nothing behind.
//!
//! What a newcomer would get wrong: seqs are handed out here, in memory, which is right only
//! because the rooms' rows are locked from the first trip to the commit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Pool;
use domain::{
    Author, Event, EventKind, JoinReason, Message, MessageId, Nonce, Quote, RoomId, RoomKind, Seq,
    UserId, UserState,
};
use futures_util::future::{OptionFuture, join, join4};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{INSERT_MENTIONS, Mentions, columns};
use crate::messages::search_words;
use crate::postgres::log;
use crate::postgres::pool::{PATIENCE, closed};
use crate::postgres::retry::{self, Again, Gate, Kind, MAX_RETRIES};
use crate::postgres::rows::{
    AUTHOR_WIDTH, Row, Tx, author, author_columns, message, message_columns, message_joins,
    read_all, vector, word,
};
use crate::{Appended, Conflict, NewMessage, Result, StoreError};

/// Posts in one commit. More would only make the first of them wait longer.
const MAX_BATCH: usize = 64;
/// Batches under way at once; a commit that waits for the disk leaves room for another.
const LANES: usize = 2;
/// Posts waiting in a lane; the gate lets no more in.
const MAX_QUEUED: usize = 4096;

/// A post on its way.
struct Post {
    new: NewMessage,
    /// Its words for the index, split on the caller's thread.
    words: Option<String>,
    since: Instant,
    caller: oneshot::Sender<Result<Appended>>,
    /// Held until it is answered, so that closing waits for it.
    place: OwnedSemaphorePermit,
}

impl Post {
    fn answer(self, outcome: Result<Appended>) {
        drop(self.place);
        // A caller that went away does not undo what was committed.
        let _ = self.caller.send(outcome);
    }

    fn key(&self) -> (UserId, Nonce) {
        (self.new.author, self.new.nonce)
    }
}

/// The callers' end.
pub(in crate::postgres) struct Lanes {
    queues: Vec<mpsc::Sender<Post>>,
}

impl Lanes {
    /// Starts the lanes' tasks; they end when this is dropped.
    pub(in crate::postgres) fn start(pool: &Pool) -> Self {
        let start = |_| {
            let (queue, posts) = mpsc::channel(MAX_QUEUED);
            tokio::spawn(serve(pool.clone(), posts));
            queue
        };
        Self {
            queues: (0..LANES).map(start).collect(),
        }
    }

    /// Queues a post and waits for its committed outcome. Once queued it goes on to its
    /// end, also when this future is dropped.
    pub(in crate::postgres) async fn append(
        &self,
        gate: &Arc<Gate>,
        new: NewMessage,
    ) -> Result<Appended> {
        let since = Instant::now();
        let place = gate.enter().await?;
        let (caller, answer) = oneshot::channel();
        let lane = usize::try_from(new.room.0.unsigned_abs()).unwrap_or(0) % LANES;
        let post = Post {
            words: vector(&search_words(Some(&new.body))),
            new,
            since,
            caller,
            place,
        };
        let queue = self.queues.get(lane).ok_or_else(closed)?;
        queue.send(post).await.map_err(|_| closed())?;
        // What waited in the queue and then for a stalled server has waited twice.
        match timeout_at(since + PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(StoreError::Unavailable(
                "the database does not answer".into(),
            )),
        }
    }
}

async fn serve(pool: Pool, mut posts: mpsc::Receiver<Post>) {
    let mut waiting: Vec<Post> = Vec::new();
    loop {
        if waiting.is_empty() {
            match posts.recv().await {
                Some(post) => waiting.push(post),
                None => return,
            }
        }
        while waiting.len() < MAX_BATCH {
            let Ok(post) = posts.try_recv() else { break };
            waiting.push(post);
        }
        let batch = take_batch(&mut waiting);
        store(&pool, batch).await;
    }
}

/// The posts that can be stored together: of two with one nonce the later must see the
/// earlier one stored, so it waits for the next batch.
fn take_batch(waiting: &mut Vec<Post>) -> Vec<Post> {
    let mut keys = HashSet::new();
    let (batch, later): (Vec<_>, Vec<_>) = std::mem::take(waiting)
        .into_iter()
        .partition(|post| keys.insert(post.key()));
    *waiting = later;
    batch
}

/// Stores a batch and answers everyone in it.
async fn store(pool: &Pool, batch: Vec<Post>) {
    let (late, batch): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|post| post.since.elapsed() >= PATIENCE);
    for post in late {
        post.answer(Err(StoreError::Unavailable(
            "the database did not answer in time".into(),
        )));
    }
    if batch.is_empty() {
        return;
    }
    match commit(pool, &batch).await {
        Ok(outcomes) => {
            for (post, outcome) in batch.into_iter().zip(outcomes) {
                post.answer(outcome);
            }
        }
        // Nobody would fare better alone.
        Err(StoreError::Unavailable(text)) => {
            for post in batch {
                post.answer(Err(StoreError::Unavailable(text.clone())));
            }
        }
        Err(StoreError::Full) => {
            for post in batch {
                post.answer(Err(StoreError::Full));
            }
        }
        Err(error) if batch.len() > 1 => {
            tracing::warn!(
                error = %error,
                operations = batch.len(),
                "a batch was undone; its posts are stored one by one"
            );
            for post in batch {
                let alone = [post];
                let outcome = commit(pool, &alone).await;
                let [post] = alone;
                post.answer(outcome.and_then(only));
            }
        }
        Err(error) => {
            if let Some(post) = batch.into_iter().next() {
                post.answer(Err(error));
            }
        }
    }
}

fn only(outcomes: Vec<Result<Appended>>) -> Result<Appended> {
    outcomes.into_iter().next().unwrap_or_else(|| Err(closed()))
}

/// Stores `batch` in one transaction; the outcome of each, or why none is stored.
async fn commit(pool: &Pool, batch: &[Post]) -> Result<Vec<Result<Appended>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut retries = 0;
    loop {
        let tx = retry::begin(pool, Kind::Write, deadline).await?;
        let outcome = timeout_at(deadline, transaction(&tx, batch)).await.ok();
        let (outcome, again) = retry::settle(tx, outcome);
        if again != Again::Undone || retries >= MAX_RETRIES || Instant::now() >= deadline {
            return outcome;
        }
        retries += 1;
        retry::pause(retries).await;
    }
}

async fn transaction(tx: &Tx, batch: &[Post]) -> Result<Vec<Result<Appended>>> {
    let outcome = match look(tx, batch).await {
        Ok(mut seen) => {
            let mut plan = Plan::default();
            let decided: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(place, post)| decide(&mut seen, &mut plan, place, post))
                .collect();
            let repeated = repeated(tx, &decided).await;
            match repeated {
                Ok(repeated) if plan.posts.is_empty() => Ok((decided, repeated, HashMap::new())),
                Ok(repeated) => write(tx, batch, &seen, &plan)
                    .await
                    .map(|ids| (decided, repeated, ids)),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    // After `write` there is nothing left to end.
    let (decided, mut repeated, ids) = tx.end(outcome).await?;
    Ok(batch
        .iter()
        .zip(decided)
        .map(|(post, decision)| match decision? {
            Decision::Repeated(id) => repeated
                .remove(&id)
                .map(|message| Appended {
                    message,
                    repeated: true,
                    events: Vec::new(),
                })
                .ok_or(StoreError::NotFound),
            Decision::Stored(stored) => appended(post, stored, &ids),
        })
        .collect())
}

/// What the first trip brought: everything that must hold, as it is under the locks.
struct Seen {
    rooms: HashMap<RoomId, SeenRoom>,
    authors: HashMap<UserId, (Author, UserState)>,
    /// By place in the batch.
    standings: HashMap<usize, Standing>,
    quotes: HashMap<usize, Quote>,
}

struct SeenRoom {
    head: i64,
    kind: RoomKind,
    is_archived: bool,
    joined: i64,
    last_message_at: Option<i64>,
}

struct Standing {
    is_member: bool,
    earlier: Option<(MessageId, Vec<u8>)>,
}

/// What is to become of a post.
enum Decision {
    /// It is stored already.
    Repeated(MessageId),
    /// It will be stored so.
    Stored(Stored),
}

#[derive(Clone)]
struct Stored {
    author: Author,
    seq: Seq,
    joined: Option<Seq>,
    reply_to: Option<Quote>,
}

/// What the second trip writes.
#[derive(Default)]
struct Plan {
    /// Place in the batch and seq.
    posts: Vec<(usize, Seq)>,
    /// Room, who, seq, when.
    joins: Vec<(RoomId, UserId, Seq, i64)>,
    members: HashSet<(RoomId, UserId)>,
}

async fn look(tx: &Tx, batch: &[Post]) -> Result<Seen> {
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
    let quote_params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&replies, &post_rooms];
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
fn decide(seen: &mut Seen, plan: &mut Plan, place: usize, post: &Post) -> Result<Decision> {
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

/// The messages that repeated nonces stand for, as they are now.
async fn repeated(tx: &Tx, decided: &[Result<Decision>]) -> Result<HashMap<MessageId, Message>> {
    let ids: Vec<i64> = decided
        .iter()
        .filter_map(|decision| match decision {
            Ok(Decision::Repeated(id)) => Some(id.0),
            _ => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let messages = tx
        .all(MESSAGES_BY_IDS, [&ids], |row| message(row, 0))
        .await?;
    Ok(messages
        .into_iter()
        .map(|message| (message.id, message))
        .collect())
}

/// Writes the plan and commits, in one trip; the new messages' ids.
async fn write(
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

fn appended(
    post: &Post,
    stored: Stored,
    ids: &HashMap<(RoomId, Seq), MessageId>,
) -> Result<Appended> {
    let new = &post.new;
    let id = ids
        .get(&(new.room, stored.seq))
        .ok_or_else(|| StoreError::Corrupt("a stored message came back without its id".into()))?;
    let mut events = Vec::with_capacity(2);
    if let Some(seq) = stored.joined {
        events.push(log::joined(new.room, seq, stored.author.clone(), new.at));
    }
    let message = Message {
        id: *id,
        room: new.room,
        seq: stored.seq,
        nonce: new.nonce,
        author: stored.author,
        body: Some(new.body.clone()),
        origin: new.origin,
        reply_to: stored.reply_to,
        created_at: new.at,
        edited_at: None,
        deleted_at: None,
        version: 1,
    };
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

type Value<'v> = &'v (dyn tokio_postgres::types::ToSql + Sync);

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
            markup: i64::from(domain::markup::MARKUP_VERSION),
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

// By primary keys.
const MESSAGES_BY_IDS: &str = concat!(
    "select ",
    message_columns!(),
    "\n  from messages msg\n",
    message_joins!(),
    " where msg.id = any($1)"
);

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
    ("LOCK_ROOMS", LOCK_ROOMS),
    ("LOCK_AUTHORS", LOCK_AUTHORS),
    ("STANDINGS", STANDINGS),
    ("QUOTES", QUOTES),
    ("MESSAGES_BY_IDS", MESSAGES_BY_IDS),
    ("STORE_MESSAGES", STORE_MESSAGES),
    ("STORE_JOINS", STORE_JOINS),
    ("ADVANCE_ROOMS", ADVANCE_ROOMS),
];
