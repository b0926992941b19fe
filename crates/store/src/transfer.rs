//! History from elsewhere: many rows at once, with their old times.
//!
//! Not for anything that happens now: nothing is published, nobody is notified, no limit
//! holds. Repeating an import stores nothing twice, so one that broke off is simply run
//! again.

use async_trait::async_trait;
use domain::{Body, MessageId, Nonce, RoomId, Time, User, UserId};

use crate::{EditVersion, NewUser, Result};

/// A message from elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedMessage {
    /// Where.
    pub room: RoomId,
    /// Who said it; becomes a member of the room if they are none.
    pub author: UserId,
    /// Unique per author: a message whose nonce is known is left as it is.
    pub nonce: Nonce,
    /// What, as it was at last.
    pub body: Body,
    /// People mentioned.
    pub mentions: Vec<UserId>,
    /// What it answers.
    pub answers: Option<Answered>,
    /// When it was said.
    pub at: Time,
    /// What it said before it was edited, and when that was replaced.
    pub earlier: Option<EditVersion>,
}

/// What an imported message answers, in the same room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A stored message.
    Stored(MessageId),
    /// The message at this place of the same batch, before the answer.
    InBatch(usize),
}

/// The outcome of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The messages in the order of the batch, new or known.
    pub messages: Vec<MessageId>,
    /// How many were new.
    pub stored: usize,
}

/// Transfer.
#[async_trait]
pub trait Transfer: Send + Sync {
    /// Makes the accounts that do not exist, each a member of the lobby, and returns all in
    /// order; an existing one of the same skeleton is left as it is. Works in a house
    /// without an owner: an import may come before the set-up.
    ///
    /// `Conflict(OwnerExists)` for a second owner, `Conflict(EmailTaken)`.
    async fn import_users(&self, users: Vec<NewUser>) -> Result<Vec<User>>;

    /// Stores messages in the order given, in one transaction, each with an event (and one
    /// for its edit), after the room's head. At most some thousands, so that a running
    /// server's own posts do not wait.
    ///
    /// `NotFound` when a room, an author or an answered message does not exist there.
    async fn import_batch(&self, batch: Vec<ImportedMessage>) -> Result<Imported>;
}
