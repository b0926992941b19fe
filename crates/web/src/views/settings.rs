//! One's own settings: name, appearance, password, sessions, tokens.

use askama::Template;
use domain::{Scopes, SessionId, TokenId};

use super::frame::{AppFrame, Errors, Place};
use super::{Stamp, filters};

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Which.
    pub id: SessionId,
    /// The browser, in its own words or shortened.
    pub agent: String,
    /// Where from, last.
    pub address: String,
    /// Opened.
    pub created_at: Stamp,
    /// Last used.
    pub seen_at: Stamp,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// An API token.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Which.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<&'static str>,
    /// Made.
    pub created_at: Stamp,
    /// Last used.
    pub used_at: Option<Stamp>,
}

impl TokenRow {
    /// The words for a set of scopes.
    #[must_use]
    pub fn scope_words(scopes: Scopes) -> Vec<&'static str> {
        [
            (scopes.read, "read"),
            (scopes.write, "write"),
            (scopes.admin, "admin"),
        ]
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word))
        .collect()
    }
}

/// A token just made, shown this once.
#[derive(Clone)]
pub struct NewTokenView {
    /// What its owner calls it.
    pub name: String,
    /// The secret.
    pub secret: String,
}

/// `GET /settings/`.
#[derive(Template)]
#[template(path = "settings/settings.html", blocks = ["main"])]
pub struct SettingsPage {
    /// What it stands in.
    pub frame: AppFrame,
    /// The name in the form.
    pub display_name: String,
    /// What was just done, e.g. "Name saved."
    pub notice: Option<String>,
    /// What was refused, by field: `display_name`, `current_password`, `password`,
    /// `password_confirm`, `name` (of a token), or `form`.
    pub errors: Errors,
    /// Browsers that are signed in, this one first.
    pub sessions: Vec<SessionRow>,
    /// Tokens, newest first.
    pub tokens: Vec<TokenRow>,
    /// A token just made.
    pub new_token: Option<NewTokenView>,
    /// The token's name typed and refused, else empty.
    pub token_name: String,
}
