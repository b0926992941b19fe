//! What people say.

use crate::users::words;
use crate::{Invalid, MessageId, Nonce, RoomId, Seq, Time, UserId, UserKind};

/// Bounds of the configurable limit of a message's length, in Unicode scalar values.
pub const MESSAGE_CHARS: std::ops::RangeInclusive<usize> = 1..=40_000;

/// What someone said, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identity for ever.
    pub id: MessageId,
    /// Where it was said.
    pub room: RoomId,
    /// The position at which it was posted; later changes have positions of their own.
    pub seq: Seq,
    /// The sender's own key for it.
    pub nonce: Nonce,
    /// Who said it.
    pub author: Author,
    /// What; `None` once deleted.
    pub body: Option<Body>,
    /// How it came.
    pub origin: Origin,
    /// What it answers, as that is now.
    pub reply_to: Option<Quote>,
    /// When it was stored.
    pub created_at: Time,
    /// When it was last edited.
    pub edited_at: Option<Time>,
    /// When it was deleted.
    pub deleted_at: Option<Time>,
    /// Grows with each change, starting at 1: the strong validator for conditional edits.
    pub version: i64,
}

/// The author as shown beside a message: their names now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub id: UserId,
    /// Their username.
    pub username: String,
    /// What others read.
    pub display_name: String,
    /// Person or bot.
    pub kind: UserKind,
}

/// The message that a reply answers: enough to show a line of it. `source` is empty once
/// the quoted message is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The quoted message.
    pub id: MessageId,
    /// Its position, to jump to.
    pub seq: Seq,
    /// Who said it.
    pub author: Author,
    /// Its Markdown source, cut to 200 characters; `None` once deleted or when sealed.
    pub source: Option<String>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Markdown as typed, and the safe HTML compiled from it.
    Markdown {
        /// As typed, line ends made `\n`, outer white space cut.
        source: String,
        /// Compiled by [`crate::markup::compile`].
        html: String,
    },
    /// End-to-end encrypted; the server cannot read it.
    Sealed(Vec<u8>),
}

/// How a message came; it breaks loops between bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A person's own act.
    Person,
    /// A bot with its token.
    BotToken,
    /// An incoming webhook.
    IncomingHook,
    /// A bot answering an event.
    BotReply,
    /// The house itself.
    System,
}

words!(Origin {
    Person => "person", BotToken => "bot_token", IncomingHook => "incoming_hook",
    BotReply => "bot_reply", System => "system",
});

/// A message's source as it is stored and counted: line ends made `\n`, outer white space
/// cut.
///
/// # Errors
/// For the field `body`: `empty` when nothing visible is left (white space and zero-width
/// characters only), `too_long` above `max_chars` Unicode scalar values (the message says
/// both numbers), `invalid` for NUL, which PostgreSQL cannot store.
pub fn normalize_source(text: &str, max_chars: usize) -> Result<String, Invalid> {
    todo!()
}
