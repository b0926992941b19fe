//! Who may do what: one pure, total function.
//!
//! Every page, API call, socket op and command asks [`decide`]. Hiding a button is
//! courtesy; this is the rule. Tests are one table of action × role × room × state.

use crate::actor::{Credential, Standing};
use crate::users::words;
use crate::{Actor, MemberRole, Role, RoomKind, Scope, Scopes, UserId, UserState};

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

words!(Action {
    ReadRoom => "read_room", CreateRoom => "create_room", JoinRoom => "join_room",
    LeaveRoom => "leave_room", ChangeRoom => "change_room", ArchiveRoom => "archive_room",
    Post => "post", EditMessage => "edit_message", DeleteMessage => "delete_message",
    ReadEdits => "read_edits", MarkRead => "mark_read", ReadPeople => "read_people",
    ManageSelf => "manage_self", ResetPassword => "reset_password",
    DeactivateUser => "deactivate_user", ReadConsole => "read_console",
});

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
    /// A direct room has the same two people for ever.
    Direct,
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
            Self::Direct => "A direct room always has the same two people and takes their names.",
        }
    }
}

/// Decides whether `actor` may do `action` given `facts`. Pure and total.
///
/// The order is part of the rule: first what concerns the actor alone (account, scopes),
/// then whether the room exists for them, and only then the reasons that speak of it.
#[must_use]
pub fn decide(actor: &Actor, action: Action, facts: &Facts) -> Decision {
    let Some(standing) = actor.standing() else {
        return decide_for_the_house(action, facts);
    };
    match standing.state {
        UserState::Active => {}
        UserState::Banned => return Decision::Deny(Reason::Banned),
        UserState::Deactivated => return Decision::Deny(Reason::Deactivated),
    }
    if !credential_covers(&standing.credential, action) {
        return Decision::Deny(Reason::Scope);
    }
    if action.is_in_a_room() && !can_see_room(standing, facts) {
        return Decision::Hide;
    }
    let refusal = if action.is_in_a_room() {
        refuse_in_room(standing, action, facts)
    } else {
        refuse_in_house(standing, action, facts)
    };
    refusal.map_or(Decision::Allow, Decision::Deny)
}

impl Action {
    /// Whether it happens in a room, so that the room must be visible first.
    fn is_in_a_room(self) -> bool {
        match self {
            Self::ReadRoom
            | Self::JoinRoom
            | Self::LeaveRoom
            | Self::ChangeRoom
            | Self::ArchiveRoom
            | Self::Post
            | Self::EditMessage
            | Self::DeleteMessage
            | Self::ReadEdits
            | Self::MarkRead => true,
            Self::CreateRoom
            | Self::ReadPeople
            | Self::ManageSelf
            | Self::ResetPassword
            | Self::DeactivateUser
            | Self::ReadConsole => false,
        }
    }
}

/// The operator and the house may do all but speak for somebody, and even they keep the
/// lobby open and archived rooms as they are.
fn decide_for_the_house(action: Action, facts: &Facts) -> Decision {
    let refusal = match action {
        Action::EditMessage => Some(Reason::NotAuthor),
        Action::LeaveRoom | Action::ArchiveRoom if facts.is_lobby => Some(Reason::Lobby),
        Action::Post if facts.is_archived => Some(Reason::Archived),
        _ => None,
    };
    refusal.map_or(Decision::Allow, Decision::Deny)
}

/// A session may do what its person may. A token only what its scopes say, and none but a
/// full one manages the account: otherwise it could mint a better one.
fn credential_covers(credential: &Credential, action: Action) -> bool {
    let Credential::Token(_, scopes) = credential else {
        return true;
    };
    match action {
        Action::ReadRoom | Action::ReadEdits | Action::ReadPeople => scopes.has(Scope::Read),
        Action::CreateRoom
        | Action::JoinRoom
        | Action::LeaveRoom
        | Action::ChangeRoom
        | Action::Post
        | Action::EditMessage
        | Action::DeleteMessage
        | Action::MarkRead => scopes.has(Scope::Write),
        Action::ArchiveRoom
        | Action::ResetPassword
        | Action::DeactivateUser
        | Action::ReadConsole => scopes.has(Scope::Admin),
        Action::ManageSelf => *scopes == Scopes::ALL,
    }
}

/// Whether the room exists for the actor. A role in the house opens no closed or direct
/// room: reading what is said there takes a membership that everybody in it can see.
fn can_see_room(standing: &Standing, facts: &Facts) -> bool {
    let Some(kind) = facts.room_kind else {
        return false;
    };
    facts.member_role.is_some() || (kind == RoomKind::Open && standing.role > Role::Guest)
}

fn refuse_in_room(standing: &Standing, action: Action, facts: &Facts) -> Option<Reason> {
    let is_author = facts.author == Some(standing.user);
    let is_direct = facts.room_kind == Some(RoomKind::Direct);
    let tidies_room = facts.member_role >= Some(MemberRole::Moderator);
    let manages_house = standing.role >= Role::Administrator;
    let tidies = tidies_room || standing.role >= Role::Moderator;
    match action {
        Action::ReadRoom => None,
        Action::JoinRoom | Action::Post => refuse_if(facts.is_archived, Reason::Archived),
        Action::LeaveRoom if facts.is_lobby => Some(Reason::Lobby),
        // The two of a direct room stay in it; they hide it instead.
        Action::LeaveRoom if is_direct => Some(Reason::Direct),
        Action::LeaveRoom | Action::MarkRead => {
            refuse_if(facts.member_role.is_none(), Reason::NotMember)
        }
        Action::ChangeRoom | Action::ArchiveRoom if is_direct => Some(Reason::Direct),
        Action::ChangeRoom if !(manages_house || (tidies_room && !facts.is_lobby)) => {
            Some(Reason::Role)
        }
        Action::ChangeRoom => refuse_if(facts.is_archived, Reason::Archived),
        Action::ArchiveRoom if facts.is_lobby => Some(Reason::Lobby),
        Action::ArchiveRoom => {
            let owns = facts.member_role == Some(MemberRole::Owner);
            refuse_if(!(owns || manages_house), Reason::Role)
        }
        Action::EditMessage if !is_author => Some(Reason::NotAuthor),
        Action::EditMessage if facts.is_deleted => Some(Reason::Deleted),
        Action::EditMessage => refuse_if(facts.is_archived, Reason::Archived),
        // Deleting twice is no error, and what must go may go from an archived room too.
        Action::DeleteMessage => refuse_if(!(is_author || tidies), Reason::NotAuthor),
        Action::ReadEdits if !(is_author || tidies) => Some(Reason::NotAuthor),
        Action::ReadEdits => refuse_if(facts.is_deleted, Reason::Deleted),
        // The rest is no business of a room; `decide` does not ask, and asking opens nothing.
        Action::CreateRoom
        | Action::ReadPeople
        | Action::ManageSelf
        | Action::ResetPassword
        | Action::DeactivateUser
        | Action::ReadConsole => Some(Reason::Role),
    }
}

fn refuse_in_house(standing: &Standing, action: Action, facts: &Facts) -> Option<Reason> {
    match action {
        Action::ManageSelf => None,
        Action::CreateRoom | Action::ReadPeople => {
            refuse_if(standing.role == Role::Guest, Reason::Guest)
        }
        Action::ReadConsole => refuse_if(standing.role < Role::Administrator, Reason::Role),
        Action::ResetPassword | Action::DeactivateUser => {
            if standing.role < Role::Administrator {
                return Some(Reason::Role);
            }
            if facts.subject_is_self {
                return Some(Reason::Oneself);
            }
            let is_above = facts
                .subject_role
                .is_some_and(|subject| standing.role == Role::Owner || subject < standing.role);
            refuse_if(!is_above, Reason::Role)
        }
        Action::ReadRoom
        | Action::JoinRoom
        | Action::LeaveRoom
        | Action::ChangeRoom
        | Action::ArchiveRoom
        | Action::Post
        | Action::EditMessage
        | Action::DeleteMessage
        | Action::ReadEdits
        | Action::MarkRead => Some(Reason::Role),
    }
}

fn refuse_if(refused: bool, reason: Reason) -> Option<Reason> {
    refused.then_some(reason)
}

#[cfg(test)]
mod tests;
