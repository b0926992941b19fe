//! Who acts now, and by what right.

use crate::{Role, SessionId, TokenId, UserId, UserKind, UserState};

/// Who acts now and by what right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person, in a browser or with a token.
    Person(Standing),
    /// A bot with its token.
    Bot(Standing),
    /// Someone at the command line of the machine.
    Operator,
    /// The house itself.
    System,
}

/// A user who acts, and through which credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub user: UserId,
    /// Their username now.
    pub username: String,
    /// What others read.
    pub display_name: String,
    /// Standing in the house.
    pub role: Role,
    /// Whether they may act.
    pub state: UserState,
    /// Person or bot.
    pub kind: UserKind,
    /// What proved it.
    pub credential: Credential,
}

/// What proved who someone is; ending it ends what hangs on it, sockets included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A browser's cookie.
    Session(SessionId),
    /// An API token with its scopes.
    Token(TokenId, Scopes),
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read rooms, messages and people.
    Read,
    /// Post, edit and delete own messages, join and leave, mark as read.
    Write,
    /// What the person's role allows beyond that.
    Admin,
}

crate::users::words!(Scope { Read => "read", Write => "write", Admin => "admin" });

/// A set of [`Scope`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scopes {
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
    /// May administer.
    pub admin: bool,
}

impl Scopes {
    /// Everything the person may do.
    pub const ALL: Scopes = Scopes {
        read: true,
        write: true,
        admin: true,
    };

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => self.read,
            Scope::Write => self.write,
            Scope::Admin => self.admin,
        }
    }
}

impl Actor {
    /// The user who acts; `None` for the operator and the house.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.standing().map(|standing| standing.user)
    }

    /// The user's standing; `None` for the operator and the house.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        match self {
            Self::Person(standing) | Self::Bot(standing) => Some(standing),
            Self::Operator | Self::System => None,
        }
    }
}
