//! People and bots, and the rules for their names.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::{
    GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, skeleton,
};

use crate::text::{Line, is_invisible};
use crate::{Invalid, Time, UserId};

/// Shortest username a person may choose, in Unicode scalar values.
pub const MIN_USERNAME_CHARS: usize = 2;
/// Longest username a person may choose, in Unicode scalar values.
pub const MAX_USERNAME_CHARS: usize = 32;
/// Longest e-mail address, as RFC 5321 has it.
pub const MAX_EMAIL_BYTES: usize = 254;
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
            /// Every variant, in the order of its definition.
            pub const EACH: &'static [Self] = &[$(Self::$variant),+];

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
        // A megabyte is refused before it is normalised.
        if text.chars().take(4 * MAX_USERNAME_CHARS).count() == 4 * MAX_USERNAME_CHARS {
            return Err(refuse_username("too_long", TOO_LONG));
        }
        let name: String = text.nfkc().collect();
        if name.is_empty() {
            return Err(refuse_username("empty", TOO_SHORT));
        }
        let chars = name.chars().count();
        if chars > MAX_USERNAME_CHARS {
            return Err(refuse_username("too_long", TOO_LONG));
        }
        check_username_chars(&name)?;
        if chars < MIN_USERNAME_CHARS {
            return Err(refuse_username("too_short", TOO_SHORT));
        }
        if name.detect_restriction_level() > RestrictionLevel::SingleScript {
            return Err(refuse_username(
                "invalid",
                "A username keeps to the letters of one script, so that nobody can look like someone else.",
            ));
        }
        let skeleton = Self::skeleton_of(&name);
        let is_reserved = RESERVED_USERNAMES
            .iter()
            .any(|reserved| Self::skeleton_of(reserved) == skeleton);
        if is_reserved {
            return Err(refuse_username(
                "reserved",
                "This username is reserved for the house, or looks like one that is; choose another.",
            ));
        }
        Ok(Self {
            text: name,
            skeleton,
        })
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
        // UTS 39 maps some characters to capitals (`0` looks like `O`), and folding case can
        // make new look-alikes, so both are repeated once; after that nothing changes.
        // Longer than any name, imported ones included; the rest of a request is not folded.
        let mut folded: String = text.chars().take(256).collect();
        for _ in 0..2 {
            let mut last = '.';
            let lower: String = folded
                .nfkc()
                .flat_map(char::to_lowercase)
                .map(|c| fold_shape(std::mem::replace(&mut last, c), c))
                .collect();
            folded = skeleton(&lower).flat_map(char::to_lowercase).collect();
        }
        folded
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
        Line {
            field: "display_name",
            called: "A display name",
            max_chars: MAX_DISPLAY_NAME_CHARS,
        }
        .clean_visible(text)
        .map(Self)
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
    let email = text.trim();
    if email.is_empty() {
        return Ok(None);
    }
    if email.len() > MAX_EMAIL_BYTES {
        return Err(Invalid::new(
            "email",
            "too_long",
            format!("An e-mail address can have at most {MAX_EMAIL_BYTES} bytes."),
        ));
    }
    let is_address = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    if !is_address || email.chars().any(is_invisible) {
        return Err(Invalid::new(
            "email",
            "invalid",
            "An e-mail address has one @ with something on both sides and no spaces.",
        ));
    }
    Ok(Some(email.to_owned()))
}

const TOO_LONG: &str = "A username can have at most 32 characters.";
const TOO_SHORT: &str = "A username needs at least 2 characters.";

fn refuse_username(code: &'static str, message: &'static str) -> Invalid {
    Invalid::new("username", code, message)
}

/// What case folding hides. A capital `I` looks like a small `l`, but making `i` and `l`
/// equal everywhere would refuse Ella beside Elia; so they are equal where a capital stands
/// usually, and [`check_username_chars`] refuses it elsewhere.
fn fold_shape(last: char, c: char) -> char {
    match c {
        'i' if matches!(last, '.' | '_' | '-') => 'l',
        'ς' => 'σ',
        _ => c,
    }
}

/// The rules about single characters and their places.
fn check_username_chars(name: &str) -> Result<(), Invalid> {
    // Marks spell vowels in Indic scripts; more than two in a row only pile up.
    let mut marks = 0;
    let mut has_letter = false;
    for c in name.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        let is_mark = marks > 0 && marks <= 2 && has_letter;
        let is_letter = c.is_alphanumeric() && marks == 0;
        has_letter |= is_letter;
        if !(is_letter || is_mark || matches!(c, '_' | '.' | '-'))
            || !GeneralSecurityProfile::identifier_allowed(c)
        {
            return Err(refuse_username(
                "invalid",
                "A username has only letters, digits, and the characters _ . and -.",
            ));
        }
    }
    let looks_like_l = name
        .chars()
        .zip(name.chars().skip(1))
        .any(|(last, c)| c == 'I' && last.is_lowercase());
    if looks_like_l {
        return Err(refuse_username(
            "invalid",
            "A capital I after a small letter looks like an l; write it small.",
        ));
    }
    if !has_letter {
        return Err(refuse_username(
            "invalid",
            "A username needs at least one letter or digit.",
        ));
    }
    if name.starts_with(['.', '-']) {
        return Err(refuse_username(
            "invalid",
            "A username cannot start with a dot or a hyphen.",
        ));
    }
    if name.ends_with('.') {
        return Err(refuse_username(
            "invalid",
            "A username cannot end with a dot.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
