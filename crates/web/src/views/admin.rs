//! The console: people of the house.

use askama::Template;
use domain::{User, UserId, UserKind, UserState};

use super::frame::{AppFrame, Place};
use super::{Stamp, filters};

/// A person in the console's list.
#[derive(Clone, Debug)]
pub struct PersonRow {
    id: UserId,
    username: String,
    display_name: String,
    role: &'static str,
    state: UserState,
    created_at: Stamp,
    is_bot: bool,
    can_reset: bool,
    can_deactivate: bool,
}

impl PersonRow {
    /// The line for `user` with what the viewer may do, as `policy` decided.
    #[must_use]
    pub fn of(user: &User, can_reset: bool, can_deactivate: bool) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            role: user.role.as_str(),
            state: user.state,
            created_at: Stamp(user.created_at),
            is_bot: user.kind == UserKind::Bot,
            can_reset,
            can_deactivate,
        }
    }

    fn hue(&self) -> i64 {
        super::hue(self.id)
    }

    fn initials(&self) -> super::Initials<'_> {
        super::initials(&self.display_name)
    }

    fn is_active(&self) -> bool {
        self.state == UserState::Active
    }
}

/// A password-reset link just made, shown this once.
#[derive(Clone)]
pub struct ResetLink {
    /// For whom.
    pub username: String,
    /// The whole address.
    pub url: String,
    /// From then on it is worth nothing.
    pub expires_at: Stamp,
}

/// `GET /admin/`.
#[derive(Template)]
#[template(path = "admin/people.html", blocks = ["main"])]
pub struct PeoplePage {
    /// What it stands in.
    pub frame: AppFrame,
    /// What was searched for, else empty.
    pub query: String,
    /// The people of this page.
    pub people: Vec<PersonRow>,
    /// Address of the next page.
    pub next: Option<String>,
    /// What was just done.
    pub notice: Option<String>,
    /// Why something was not done.
    pub refusal: Option<String>,
    /// A link just made.
    pub reset_link: Option<ResetLink>,
}
