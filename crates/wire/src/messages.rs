//! Messages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::people::Person;

/// What someone said, as it is now. A deleted one is a tombstone: `body` and `html` are
/// null and `deleted_at` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Identity for ever.
    pub id: i64,
    /// Where it was said.
    pub room_id: i64,
    /// The seq of its posting; each later change has an event with a seq of its own.
    pub seq: i64,
    /// The sender's key for it (the `Idempotency-Key`), a UUID.
    pub nonce: String,
    /// Who said it.
    pub author: Person,
    /// Markdown as typed; null once deleted.
    #[schema(required)]
    pub body: Option<String>,
    /// Safe HTML made from it; null once deleted.
    #[schema(required)]
    pub html: Option<String>,
    /// When it was stored, RFC 3339.
    pub created_at: String,
    /// When it was last edited, RFC 3339.
    #[schema(required)]
    pub edited_at: Option<String>,
    /// When it was deleted, RFC 3339.
    #[schema(required)]
    pub deleted_at: Option<String>,
    /// The id of the message it answers.
    #[schema(required)]
    pub reply_to: Option<i64>,
    /// A line of the message it answers, as that is now; absent when it answers none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// Reactions by kind.
    pub reactions: Vec<Reaction>,
    /// Who has read it, the author aside. Absent in events, and in rooms of over 100 members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<Vec<ReadBy>>,
}

/// Enough of an answered message to show a line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// The answered message.
    pub id: i64,
    /// Its seq, to jump to.
    pub seq: i64,
    /// Who said it.
    pub author: Person,
    /// Its beginning, at most 200 characters; null once deleted.
    #[schema(required)]
    pub body: Option<String>,
}

/// One kind of reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// How many people.
    pub count: i64,
    /// Whether the caller is one of them; absent in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<bool>,
}

/// A member who has read a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadBy {
    /// Who.
    pub username: String,
    /// When they had read up to it, RFC 3339.
    pub read_at: String,
}

/// A message to post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMessage {
    /// Markdown; 1 to the configured number of characters (1,000 by default).
    pub body: String,
    /// The id of a message of the same room that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
}

/// A new body for a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMessage {
    /// Markdown, with the limits of posting.
    pub body: String,
}
