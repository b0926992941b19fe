//! Rooms: find, list, make, change.

use async_trait::async_trait;
use domain::{Event, Membership, Room, RoomChanges, RoomKind, RoomRef, Seq, Time, UserId};

use crate::Result;

/// A room and what a permission in it depends on for one user, from one read.
#[derive(Clone, Debug)]
pub struct RoomFacts {
    /// The room.
    pub room: Room,
    /// The user's membership, if any.
    pub membership: Option<Membership>,
}

/// A room in a list, as one user sees it.
#[derive(Clone, Debug)]
pub struct RoomListed {
    /// The room.
    pub room: Room,
    /// The user's membership, if any.
    pub membership: Option<Membership>,
    /// Others' undeleted messages after the receipt, stopping at 1,000; 0 when not a member.
    pub unread: i64,
    /// Mentions of the user after the receipt, stopping at 1,000.
    pub mentions: i64,
    /// When the last message came, to sort by.
    pub last_message_at: Option<Time>,
}

/// Which rooms to list. Direct rooms and closed rooms appear for their members alone.
#[derive(Clone, Debug, Default)]
pub struct RoomListFilter {
    /// Only rooms the user is a member of; hidden ones are left out of it.
    pub joined: bool,
    /// Only rooms whose name or topic contains this, case folded.
    pub query: Option<String>,
    /// Only rooms after this one: (folded name, id) of the last row of the page before.
    pub after: Option<(String, i64)>,
    /// At most so many, 1..=1000.
    pub limit: usize,
}

/// A room to make.
#[derive(Clone, Debug)]
pub struct CreateRoom {
    /// Its name.
    pub name: String,
    /// The wished address; taken ones get `-2`, `-3` …; `None` becomes `room-<id>`.
    pub slug: Option<String>,
    /// Open or closed.
    pub kind: RoomKind,
    /// May be empty.
    pub topic: String,
    /// Who makes it; becomes its owner and first member (event 1, `member.joined`).
    pub creator: UserId,
    /// Now.
    pub at: Time,
}

/// A change of a room.
#[derive(Clone, Debug)]
pub struct ChangeRoom {
    /// Which.
    pub room: domain::RoomId,
    /// What; `by` is filled by the store from `actor`.
    pub changes: RoomChanges,
    /// Who, if a user.
    pub actor: Option<UserId>,
    /// Now.
    pub at: Time,
}

/// Rooms.
#[async_trait]
pub trait Rooms: Send + Sync {
    /// The room with what a permission depends on for `user`, whatever its kind: `chat`
    /// decides whether it may be told. One indexed read.
    ///
    /// `NotFound` when there is no such room.
    async fn room_facts(&self, room: &RoomRef, user: Option<UserId>) -> Result<RoomFacts>;

    /// Rooms `user` may know of, by folded name, with unread counts.
    async fn rooms(&self, user: UserId, filter: &RoomListFilter) -> Result<Vec<RoomListed>>;

    /// Every room the user is a member of with role, involvement and receipt; for a socket
    /// that watches them all.
    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>>;

    /// Makes a room and its creator's membership. `TooMany` above 1,000 rooms made by one
    /// person who is no administrator.
    async fn create_room(&self, new: &CreateRoom) -> Result<(Room, Event)>;

    /// Changes a room; the event says what really changed, `None` when nothing did.
    ///
    /// `Conflict(NotActive)` when the actor may not act; `Conflict(LastOwner)` when a new
    /// role would leave the room without an owner; `NotFound` for the room or the member.
    async fn change_room(&self, change: &ChangeRoom) -> Result<(Room, Option<Event>)>;

    /// The heads of some rooms, in any order; absent rooms are left out. One query.
    async fn heads(&self, rooms: &[domain::RoomId]) -> Result<Vec<(domain::RoomId, Seq)>>;
}
