//! Who may do what: one pure, total function.
//!
//! Every page, API call, socket op and command asks [`decide`]. Hiding a button is
//! courtesy; this is the rule. Tests are one table of action × role × room × state.

use crate::{Actor, MemberRole, RoomKind, UserId};

/// Everything an actor can try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See a room, its messages, events and members; subscribe to it.
    ReadRoom,
    /// Make a room.
    CreateRoom,
    /// Become a member by oneself.
    JoinRoom,
    /// Stop being a member.
    LeaveRoom,
    /// Change name or topic.
    ChangeRoom,
    /// Make a room read-only, or bring it back.
    ArchiveRoom,
    /// Say something.
    Post,
    /// Change what someone said (`Facts::author`).
    EditMessage,
    /// Delete what someone said (`Facts::author`).
    DeleteMessage,
    /// See the earlier versions of an edited message.
    ReadEdits,
    /// Move one's receipt or marker; tell that one is typing.
    MarkRead,
    /// See the people of the house.
    ReadPeople,
    /// Change one's own name or password, sessions and tokens.
    ManageSelf,
    /// Make a password-reset link for `Facts::subject_role`.
    ResetPassword,
    /// Close or reopen the account of `Facts::subject_role`.
    DeactivateUser,
    /// See the console.
    ReadConsole,
}

/// What a decision depends on besides the actor. Built by `chat::access` from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The room's kind, for actions in a room.
    pub room_kind: Option<RoomKind>,
    /// Whether it is the lobby.
    pub is_lobby: bool,
    /// Whether it is archived.
    pub is_archived: bool,
    /// The actor's role in the room; `None` when not a member.
    pub member_role: Option<MemberRole>,
    /// The author of the message, for actions on one.
    pub author: Option<UserId>,
    /// Whether the message is deleted.
    pub is_deleted: bool,
    /// The role of the user acted on.
    pub subject_role: Option<crate::Role>,
    /// Whether the user acted on is the actor.
    pub subject_is_self: bool,
}

/// What was decided and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// The actor must not learn that it exists: answered like something absent.
    Hide,
    /// The actor may know it exists; the reason is told.
    Deny(Reason),
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The account is banned.
    Banned,
    /// The account is closed.
    Deactivated,
    /// The token's scopes do not include it.
    Scope,
    /// Guests may not.
    Guest,
    /// Only members of the room may.
    NotMember,
    /// Only the author may.
    NotAuthor,
    /// Needs a higher role in the room or the house.
    Role,
    /// The room is archived.
    Archived,
    /// The lobby stays as it is.
    Lobby,
    /// The message is deleted.
    Deleted,
    /// Not with oneself, or the last owner.
    Oneself,
}

impl Reason {
    /// A sentence for the person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Banned => "This account is banned.",
            Self::Deactivated => "This account is closed.",
            Self::Scope => "This token does not have the scope for that.",
            Self::Guest => "Guests may not do that.",
            Self::NotMember => "Only members of this room may do that.",
            Self::NotAuthor => "Only the author of a message may do that.",
            Self::Role => "Your role does not allow that.",
            Self::Archived => "This room is archived: it can be read, not changed.",
            Self::Lobby => "The lobby belongs to everyone: it cannot be left, closed or deleted.",
            Self::Deleted => "This message has been deleted.",
            Self::Oneself => "You cannot do that to yourself.",
        }
    }
}

/// Decides whether `actor` may do `action` given `facts`. Pure and total.
#[must_use]
pub fn decide(actor: &Actor, action: Action, facts: &Facts) -> Decision {
    todo!()
}
