//! A User in a Room.

use crate::users::words;
use crate::{RoomId, Seq, Time, UserId};

/// A User in a Room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The room.
    pub room: RoomId,
    /// The member.
    pub user: UserId,
    /// Standing in this room.
    pub role: MemberRole,
    /// What they want to hear of it.
    pub involvement: Involvement,
    /// Last event they have seen: their Receipt.
    pub read_seq: Seq,
    /// "Unread from here" set by hand, if any.
    pub unread_from: Option<Seq>,
    /// Since when.
    pub joined_at: Time,
}

/// Standing in one room, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemberRole {
    /// Ordinary.
    Member,
    /// May tidy up.
    Moderator,
    /// May change and delete the room.
    Owner,
}

/// What a member wants to hear of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Involvement {
    /// Everything.
    All,
    /// Mentions only.
    Mentions,
    /// Nothing.
    None,
    /// Nothing, and not in the sidebar.
    Hidden,
}

words!(MemberRole { Member => "member", Moderator => "moderator", Owner => "owner" });
words!(Involvement { All => "all", Mentions => "mentions", None => "none", Hidden => "hidden" });
