//! Memberships and receipts.

use async_trait::async_trait;
use domain::{Event, Membership, RoomId, Seq, Time, User, UserId};

use crate::Result;

/// The outcome of joining.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The membership, new or old.
    pub membership: Membership,
    /// The event; `None` when already a member.
    pub event: Option<Event>,
}

/// The outcome of leaving.
#[derive(Clone, Debug)]
pub struct Left {
    /// The event; `None` when not a member.
    pub event: Option<Event>,
}

/// A member in a list.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: User,
    /// Their membership.
    pub membership: Membership,
}

/// How far a member has read, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub user: UserId,
    /// Their username.
    pub username: String,
    /// When they read up to the message asked about.
    pub read_at: Time,
}

/// What is new for one member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadCount {
    /// Who.
    pub user: UserId,
    /// Others' undeleted messages after the receipt, stopping at 1,000.
    pub unread: i64,
    /// Mentions among them, stopping at 1,000.
    pub mentions: i64,
}

/// Memberships.
#[async_trait]
pub trait Members: Send + Sync {
    /// Makes `user` a member of the open room `room`.
    ///
    /// `Conflict(NotActive)` when the account may not act, `Conflict(Archived)`, `NotFound`
    /// when the room is gone or not open.
    async fn join_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Joined>;

    /// Ends the membership. `Conflict(LastOwner)` when others remain and no other owner does.
    async fn leave_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Left>;

    /// Members by folded display name; `after` is (folded display name, user id) of the
    /// last row before. At most `limit`.
    async fn members(
        &self,
        room: RoomId,
        after: Option<(String, i64)>,
        limit: usize,
    ) -> Result<Vec<Member>>;

    /// Moves the receipt forward, never back, never past the head, and clears the unread
    /// marker; in rooms of up to 100 members also writes when. Returns the receipt's seq
    /// if it moved. `NotFound` when not a member.
    async fn mark_read(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        at: Time,
    ) -> Result<Option<Seq>>;

    /// Sets the separate "unread from here" marker. `NotFound` when not a member.
    async fn mark_unread(&self, room: RoomId, user: UserId, seq: Seq) -> Result<()>;

    /// Who has read each of these messages, and when first, by time; `messages` are seqs,
    /// ascending, with the author who is left out. One answer per message, in their order;
    /// all empty in rooms of over 100 members.
    async fn receipts(&self, room: RoomId, messages: &[(Seq, UserId)])
    -> Result<Vec<Vec<Receipt>>>;

    /// What is new for each of these members; people who are no members are left out.
    async fn unread_counts(&self, room: RoomId, users: &[UserId]) -> Result<Vec<UnreadCount>>;
}
