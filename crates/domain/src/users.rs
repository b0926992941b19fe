//! People and bots, and the rules for their names.

use std::fmt;

use crate::{Invalid, Time, UserId};

/// Longest username a person may choose, in Unicode scalar values.
pub const MAX_USERNAME_CHARS: usize = 32;
/// Longest display name, in Unicode scalar values.
pub const MAX_DISPLAY_NAME_CHARS: usize = 64;

/// Names nobody may take: each would be confused with the house itself, a mention of many,
/// or a page's address.
pub const RESERVED_USERNAMES: &[&str] = &[
    "admin",
    "system",
    "here",
    "room",
    "all",
    "everyone",
    "me",
    "new_groupchat",
    "edit",
    "delete",
    "leave",
    "fileupload",
];

/// Someone who can act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Identity for ever, also when names change.
    pub id: UserId,
    /// Unique, look-alikes included.
    pub username: String,
    /// What others read; any text.
    pub display_name: String,
    /// Person or bot.
    pub kind: UserKind,
    /// Standing in the house.
    pub role: Role,
    /// Whether they may act at all.
    pub state: UserState,
    /// When the account was made.
    pub created_at: Time,
}

/// Person or bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// A human being with a password.
    Person,
    /// A program with a token.
    Bot,
}

/// Standing in the whole house, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Limited to the rooms that allow guests.
    Guest,
    /// Ordinary person.
    Member,
    /// May tidy up after others.
    Moderator,
    /// May manage people.
    Administrator,
    /// The one who set the house up; may do all.
    Owner,
}

/// Whether an account may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserState {
    /// Ordinary.
    Active,
    /// Shut out by a moderator.
    Banned,
    /// Closed; its messages stay.
    Deactivated,
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word used in the database, the API and the pages.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The variant of a word, `None` for any other text.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(UserKind { Person => "person", Bot => "bot" });
words!(Role {
    Guest => "guest", Member => "member", Moderator => "moderator",
    Administrator => "administrator", Owner => "owner",
});
words!(UserState { Active => "active", Banned => "banned", Deactivated => "deactivated" });

/// A username as a person typed it and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    text: String,
    skeleton: String,
}

impl Username {
    /// Checks a name that someone wants to take: 2–32 of letters, digits, `_ . -` after
    /// NFKC, not reserved, one script (mixed scripts are how look-alikes are made), no
    /// trailing dot.
    ///
    /// # Errors
    /// `Invalid` for the field `username` with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        todo!()
    }

    /// The name as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is compared: confusable characters folded (UTS 39 skeleton), case folded. Two
    /// names with the same skeleton cannot both exist.
    #[must_use]
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }

    /// The skeleton under which an existing name is looked up; never fails, since a name
    /// that cannot exist is simply not found.
    #[must_use]
    pub fn skeleton_of(text: &str) -> String {
        todo!()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A display name: 1–64 characters of any script, outer white space cut, no control or
/// bidirectional override characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// # Errors
    /// `Invalid` for the field `display_name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        todo!()
    }

    /// The name as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks an optional e-mail address: one `@`, no white space, at most 254 bytes. Empty is
/// `None`.
///
/// # Errors
/// `Invalid` for the field `email`.
pub fn parse_email(text: &str) -> Result<Option<String>, Invalid> {
    todo!()
}
