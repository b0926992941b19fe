//! Messages and the event log of each room.

use async_trait::async_trait;
use domain::{
    Body, Epoch, Event, Membership, Message, MessageId, Nonce, Origin, Room, RoomId, Seq, Time,
    UserId,
};

use crate::Result;

/// A message to store. Permission has been decided; membership is checked again inside
/// the transaction.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Where.
    pub room: RoomId,
    /// Who says it.
    pub author: UserId,
    /// The sender's key, unique per author.
    pub nonce: Nonce,
    /// SHA-256 of room, original body and reply: what the key stands for.
    pub fingerprint: [u8; 32],
    /// What.
    pub body: Body,
    /// People mentioned by username; those who may not read the room are dropped by the
    /// store.
    pub mentions: Vec<String>,
    /// How it came.
    pub origin: Origin,
    /// What it answers; must be an undeleted message of the same room, else `NotFound`.
    pub reply_to: Option<MessageId>,
    /// In open rooms a non-member's post makes them a member in the same transaction.
    pub join_if_open: bool,
    /// Now.
    pub at: Time,
}

/// A new body for a message.
#[derive(Clone, Debug)]
pub struct EditMessage {
    /// Which.
    pub message: MessageId,
    /// Who edits; checked again inside the transaction.
    pub editor: UserId,
    /// The new body.
    pub body: Body,
    /// People mentioned by username.
    pub mentions: Vec<String>,
    /// Refuse when the message has another version by now.
    pub if_version: Option<i64>,
    /// Now.
    pub at: Time,
}

/// The outcome of posting.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The message as it is now.
    pub message: Message,
    /// True when the nonce repeated and nothing was stored.
    pub repeated: bool,
    /// What to publish, in order: `member.joined` first if the author joined, then
    /// `message.posted`. Empty when repeated.
    pub events: Vec<Event>,
}

/// A message and what a permission on it depends on for one user, from one read.
#[derive(Clone, Debug)]
pub struct MessageFacts {
    /// The message.
    pub message: Message,
    /// Its room.
    pub room: Room,
    /// The user's membership in it, if any.
    pub membership: Option<Membership>,
}

/// Where a page of history lies. Seqs are exclusive but for `Around`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAnchor {
    /// The newest messages.
    Newest,
    /// Those before a seq.
    Before(Seq),
    /// Those after a seq.
    After(Seq),
    /// Those around a seq: half before, it, half after.
    Around(Seq),
}

/// A page of history and the room's head from one snapshot.
#[derive(Clone, Debug)]
pub struct RoomPage {
    /// Oldest first; tombstones included.
    pub messages: Vec<Message>,
    /// Whether older messages exist before the first.
    pub has_older: bool,
    /// Whether newer messages exist after the last.
    pub has_newer: bool,
    /// The room's head: live continues from here.
    pub head: Seq,
    /// The history the numbers belong to.
    pub epoch: Epoch,
}

/// One earlier version of an edited message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditVersion {
    /// As typed.
    pub source: String,
    /// When it was replaced.
    pub replaced_at: Time,
}

/// Messages and events.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Stores a message in one transaction: re-checks the author (active account; member,
    /// or `join_if_open` in an open room) and the room (not archived), returns the earlier
    /// result if the nonce repeats, takes the next seq, inserts message, event, search
    /// tokens and mentions. Resolves only after the flushed commit.
    ///
    /// `Conflict(NonceReused | NotMember | NotActive | Archived)`, `NotFound`.
    async fn append_message(&self, new: NewMessage) -> Result<Appended>;

    /// Replaces the body, keeps the earlier source, and gives the change a seq. With
    /// `if_version`, `Conflict(Stale)` when the message has another version.
    /// `Conflict(Deleted)` on a tombstone; `Conflict(NotActive | NotMember | Archived)` as
    /// for posting. `None` for the event when the body is the same.
    async fn edit_message(&self, edit: EditMessage) -> Result<(Message, Option<Event>)>;

    /// Makes a tombstone: body, HTML, tokens, earlier versions and mentions are erased.
    /// `None` for the event when it already was one. `Conflict(NotActive)`, `NotFound`.
    async fn delete_message(
        &self,
        message: MessageId,
        by: UserId,
        at: Time,
    ) -> Result<(Message, Option<Event>)>;

    /// The message and what a permission on it depends on for `user`. `NotFound`.
    async fn message_facts(&self, message: MessageId, user: Option<UserId>)
    -> Result<MessageFacts>;

    /// The message that an author's nonce stands for.
    async fn message_by_nonce(&self, author: UserId, nonce: Nonce) -> Result<Option<Message>>;

    /// Earlier versions, oldest first: the newest 100, more are not kept. `NotFound`.
    async fn edits(&self, message: MessageId) -> Result<Vec<EditVersion>>;

    /// A page of history of at most `limit` (1..=200) messages, with the head, from one
    /// snapshot.
    async fn room_page(&self, room: RoomId, anchor: PageAnchor, limit: usize) -> Result<RoomPage>;

    /// Events of `room` after `seq`, oldest first, at most `limit` (1..=1000), with the
    /// messages as they are now. Empty when `seq` is the head. `NotFound`.
    async fn events_after(&self, room: RoomId, seq: Seq, limit: usize) -> Result<Vec<Event>>;
}

/// What a body can be found by: the tokens of its source, ready for the index. Sealed
/// bodies cannot be read and so not be found.
///
/// Deleting from an index names the words that go, so both databases make them here, from
/// the body alone: whoever changes `domain::search` rebuilds the index in a migration.
pub(crate) fn search_words(body: Option<&Body>) -> String {
    match body {
        Some(Body::Markdown { source, .. }) => domain::search::tokens(source).join(" "),
        Some(Body::Sealed(_)) | None => String::new(),
    }
}
