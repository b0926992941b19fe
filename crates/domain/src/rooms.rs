//! Rooms: their kinds, names and addresses.

use crate::users::words;
use crate::{Invalid, RoomId, Seq, Time};

/// Longest room name, in Unicode scalar values.
pub const MAX_ROOM_NAME_CHARS: usize = 80;
/// Longest topic, in Unicode scalar values.
pub const MAX_TOPIC_CHARS: usize = 250;
/// Address of the room everyone is in.
pub const LOBBY_SLUG: &str = "lobby";

/// A place for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Identity for ever.
    pub id: RoomId,
    /// Address in pages; kept on rename.
    pub slug: String,
    /// What people read.
    pub name: String,
    /// Who may come in.
    pub kind: RoomKind,
    /// One line, may be empty.
    pub topic: String,
    /// The last event's position.
    pub head: Seq,
    /// Members now.
    pub member_count: i64,
    /// Read-only since, if archived.
    pub archived_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
}

impl Room {
    /// The lobby cannot be left, closed, renamed away or deleted.
    #[must_use]
    pub fn is_lobby(&self) -> bool {
        self.slug == LOBBY_SLUG
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// Everyone in the house reads it; posting joins.
    Open,
    /// Members only.
    Closed,
    /// Two fixed people.
    Direct,
}

words!(RoomKind { Open => "open", Closed => "closed", Direct => "direct" });

/// How a request names a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomRef {
    /// By id, as the API does.
    Id(RoomId),
    /// By slug, as page addresses do.
    Slug(String),
}

/// A room's name: 1–80 characters, outer white space cut, inner runs of it made one space,
/// no control or bidirectional override characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(String);

impl RoomName {
    /// # Errors
    /// `Invalid` for the field `name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        todo!()
    }

    /// The name as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's topic: at most 250 characters on one line, may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Topic(String);

impl Topic {
    /// # Errors
    /// `Invalid` for the field `topic`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        todo!()
    }

    /// The topic as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's address: letters and digits of its name after NFKC in lower case, joined by
/// `-`, never all digits, at most 60 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// The address a name suggests; `None` when no letter is left (the store then uses
    /// `room-<id>`). A taken slug gets `-2`, `-3` … from the store.
    #[must_use]
    pub fn of_name(name: &RoomName) -> Option<Self> {
        todo!()
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
