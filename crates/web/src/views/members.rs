//! Who is in a room: as a page, and as the panel beside the timeline.

use askama::Template;
use domain::{MemberRole, User, UserId};

use super::filters;
use super::frame::{AppFrame, Place};
use super::rooms::RoomView;

/// A member in the list.
#[derive(Clone, Debug)]
pub struct PersonView {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) display_name: String,
    /// Standing worth a word; ordinary members have none.
    pub(crate) role: Option<&'static str>,
}

impl PersonView {
    /// The line for `user` with a standing in the room.
    #[must_use]
    pub fn of(user: &User, role: MemberRole) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            role: (role != MemberRole::Member).then(|| role.as_str()),
        }
    }

    pub(crate) fn hue(&self) -> i64 {
        super::hue(self.id)
    }

    pub(crate) fn initials(&self) -> super::Initials<'_> {
        super::initials(&self.display_name)
    }
}

/// `GET /rooms/{slug}/members`.
#[derive(Template)]
#[template(path = "members/members.html", blocks = ["main"])]
pub struct MembersPage {
    /// What it stands in.
    pub frame: AppFrame,
    /// The room.
    pub room: RoomView,
    /// Members by name.
    pub people: Vec<PersonView>,
    /// Address of the next page.
    pub next: Option<String>,
}

/// `GET /rooms/{slug}/members` with `HX-Request`: the panel.
#[derive(Template)]
#[template(path = "members/panel.html")]
pub struct MembersPanel {
    /// The room.
    pub room: RoomView,
    /// Members by name.
    pub people: Vec<PersonView>,
    /// Address of the next page.
    pub next: Option<String>,
}
