//! People and bots.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Someone who can act: a person or a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Identity for ever, also when names change.
    pub id: i64,
    /// Unique name, look-alikes included.
    pub username: String,
    /// What others read.
    pub display_name: String,
    /// Standing in the house.
    pub role: Role,
    /// Person or bot.
    pub kind: Kind,
    /// Whether they may act.
    pub state: UserState,
}

/// Someone as shown beside what they did: their names now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// Identity for ever.
    pub id: i64,
    /// Unique name.
    pub username: String,
    /// What others read.
    pub display_name: String,
}

/// Standing in the house, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Limited to the rooms that allow guests.
    Guest,
    /// Ordinary person.
    Member,
    /// May tidy up after others.
    Moderator,
    /// May manage people.
    Administrator,
    /// The one who set the house up.
    Owner,
}

/// Person or bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A human being.
    Person,
    /// A program.
    Bot,
}

/// Whether an account may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserState {
    /// Ordinary.
    Active,
    /// Shut out.
    Banned,
    /// Closed; its messages stay.
    Deactivated,
}

/// The state an administrator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NewState {
    /// May act (again).
    Active,
    /// Closed: sessions and tokens end, messages stay.
    Deactivated,
}

/// Closes or reopens an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetState {
    /// The new state.
    pub state: NewState,
}

/// A link to choose a new password, shown once to the administrator who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetLink {
    /// The address to open. Good once, until `expires_at`.
    pub url: String,
    /// When it stops working, RFC 3339.
    pub expires_at: String,
}
