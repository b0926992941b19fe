//! Rooms and their members.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::people::User;

/// A place for messages, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Room {
    /// Identity for ever.
    pub id: i64,
    /// Its address in pages; kept on rename.
    pub slug: String,
    /// What people read.
    pub name: String,
    /// Who may come in.
    pub kind: RoomKind,
    /// One line, may be empty.
    pub topic: String,
    /// The seq of its last event.
    pub head: i64,
    /// Members now.
    pub member_count: i64,
    /// Whether the caller is one of them.
    pub joined: bool,
    /// Others' undeleted messages the caller has not read, stopping at 1,000.
    pub unread: i64,
    /// Mentions of the caller among them, stopping at 1,000.
    pub mentions: i64,
    /// Read-only since, RFC 3339; null when it is not archived.
    #[schema(required)]
    pub archived_at: Option<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// Who may come into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    /// Everyone in the house reads it; posting joins.
    Open,
    /// Members only.
    Closed,
    /// Two fixed people.
    Direct,
}

/// A room to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRoom {
    /// 1 to 80 characters.
    pub name: String,
    /// `open` (the default) or `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RoomKind>,
    /// At most 250 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// A change of a room; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRoom {
    /// 1 to 80 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 250 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Who.
    pub user: User,
    /// Standing in this room.
    pub role: MemberRole,
    /// Since when, RFC 3339.
    pub joined_at: String,
}

/// Standing in one room, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Ordinary.
    Member,
    /// May tidy up.
    Moderator,
    /// May change the room.
    Owner,
}

/// A position in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The seq of an event of the room.
    pub seq: i64,
}
