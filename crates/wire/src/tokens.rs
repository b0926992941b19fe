//! API tokens and browser sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token may be used for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read rooms, messages and people.
    Read,
    /// Post, edit and delete own messages, join and leave, mark as read.
    Write,
    /// What the person's role allows beyond that.
    Admin,
}

/// A token to make: name and password prove who asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Whose.
    pub username: String,
    /// Their password.
    pub password: String,
    /// What its owner calls it, 1 to 64 characters.
    pub name: String,
    /// What it may be used for; `read` and `write` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

/// A token just made. The only time `token` is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Which.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// The secret, for `Authorization: Bearer`.
    pub token: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// A token as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Which.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last used, to the minute, RFC 3339; null when never.
    #[schema(required)]
    pub used_at: Option<String>,
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Which.
    pub id: i64,
    /// The browser, as it says itself.
    pub agent: String,
    /// Where it last came from.
    pub address: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it was opened, RFC 3339.
    pub created_at: String,
    /// When it was last used, to the minute, RFC 3339.
    pub seen_at: String,
}
