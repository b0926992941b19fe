//! What stands around a page: the viewer, the sidebar, what was refused in a form.

use askama::Template;
use domain::{Epoch, Invalid, RoomId, RoomKind, Seq, UserId};

use super::filters;

/// The signed-in person a page is for. Never part of a fragment that goes to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub id: UserId,
    /// Their username.
    pub username: String,
    /// What others read.
    pub display_name: String,
    /// Whether to show the way to the console; the console asks `policy` itself.
    pub is_admin: bool,
}

impl Viewer {
    pub(crate) fn hue(&self) -> i64 {
        super::hue(self.id)
    }

    pub(crate) fn initials(&self) -> String {
        super::initials(&self.display_name).to_string()
    }
}

/// What a page of the signed-in house stands in.
#[derive(Clone, Debug)]
pub struct AppFrame {
    /// The present history.
    pub epoch: Epoch,
    /// Longest message, in Unicode scalar values.
    pub max_chars: usize,
    /// The sidebar.
    pub sidebar: Sidebar,
}

/// Where in the house a page is, to mark it in the sidebar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a room.
    Room(RoomId),
    /// Browsing rooms.
    Browse,
    /// One's own settings.
    Settings,
    /// The console.
    Admin,
    /// Somewhere the sidebar does not name.
    Elsewhere,
}

/// Rooms, people, oneself.
#[derive(Clone, Debug)]
pub struct Sidebar {
    /// Who looks.
    pub viewer: Viewer,
    /// Where they are.
    pub place: Place,
    /// Their rooms in the order shown.
    pub rooms: Vec<SidebarRoom>,
}

impl Sidebar {
    pub(crate) fn is_current(&self, room: &RoomId) -> bool {
        self.place == Place::Room(*room)
    }
}

/// A line of the sidebar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidebarRoom {
    /// Which.
    pub id: RoomId,
    /// Its address.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RoomKind,
    /// The room's head, to notice what came since.
    pub head: Seq,
    /// Others' messages after the receipt, at most 1,000.
    pub unread: i64,
    /// Mentions of the viewer among them.
    pub mentions: i64,
}

impl SidebarRoom {
    pub(crate) fn icon(&self) -> &'static str {
        room_icon(self.kind, self.slug == domain::rooms::LOBBY_SLUG)
    }

    /// What the line counts: mentions when there are any, else what is unread. Counting
    /// stops at 1,000, so that is written as more than 999.
    pub(crate) fn count(&self) -> String {
        match if self.mentions > 0 {
            self.mentions
        } else {
            self.unread
        } {
            ..=0 => String::new(),
            count @ 1..=999 => count.to_string(),
            _ => "999+".into(),
        }
    }
}

/// The icon that stands for a room.
pub(crate) fn room_icon(kind: RoomKind, is_lobby: bool) -> &'static str {
    match kind {
        _ if is_lobby => "sofa",
        RoomKind::Open => "hash",
        RoomKind::Closed => "lock",
        RoomKind::Direct => "user-round",
    }
}

/// `GET /sidebar`.
#[derive(Template)]
#[template(path = "frame/sidebar_fragment.html")]
pub struct SidebarFragment {
    /// The sidebar.
    pub sidebar: Sidebar,
}

/// What was refused in a form: beside its field, or above all of them.
#[derive(Clone, Debug, Default)]
pub struct Errors(Vec<Invalid>);

impl Errors {
    /// Nothing refused.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What `chat` or `domain` refused. A field called `form`, or one the form lacks, is
    /// for the whole form.
    #[must_use]
    pub fn of_fields(fields: Vec<Invalid>) -> Self {
        Self(fields)
    }

    /// One sentence about the form as a whole.
    #[must_use]
    pub fn of_form(sentence: impl Into<String>) -> Self {
        Self(vec![Invalid::new("form", "invalid", sentence)])
    }

    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|invalid| invalid.field == field)
            .map(|invalid| invalid.message.as_str())
    }

    pub(crate) fn general(&self) -> Option<&str> {
        self.of("form")
    }
}
