//! The room, the list of rooms, a room's settings.

use std::fmt::{self, Write as _};

use askama::Template;
use domain::{Epoch, MessageId, Nonce, Room, RoomId, RoomKind, Seq};

use super::filters;
use super::frame::{AppFrame, Errors, Place, room_icon};
use super::messages::{Refusal, TimelineView};

/// A room's head.
#[derive(Clone, Debug)]
pub struct RoomView {
    pub(crate) id: RoomId,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) kind: RoomKind,
    pub(crate) members: i64,
    pub(crate) is_lobby: bool,
    pub(crate) is_archived: bool,
}

impl RoomView {
    /// The view of `room`.
    #[must_use]
    pub fn of(room: &Room) -> Self {
        Self {
            id: room.id,
            slug: room.slug.clone(),
            name: room.name.clone(),
            topic: room.topic.clone(),
            kind: room.kind,
            members: room.member_count,
            is_lobby: room.is_lobby(),
            is_archived: room.archived_at.is_some(),
        }
    }

    pub(crate) fn icon(&self) -> &'static str {
        room_icon(self.kind, self.is_lobby)
    }
}

/// The message that a permalink names, with what the viewer may do to it; for browsers
/// without scripting, which have no toolbar.
#[derive(Clone, Copy, Debug)]
pub struct TargetView {
    /// Which.
    pub id: MessageId,
    /// Its position.
    pub seq: Seq,
    /// Whether to offer a reply.
    pub can_reply: bool,
    /// Whether to offer an edit.
    pub can_edit: bool,
    /// Whether to offer deletion.
    pub can_delete: bool,
}

/// The form to post with.
#[derive(Clone, Debug)]
pub struct Composer {
    /// A fresh key for the next message: posting the same page twice stores one message.
    pub nonce: Nonce,
    /// What was typed and refused, else empty.
    pub body: String,
    /// What is being answered.
    pub reply: Option<ReplyView>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

/// The message being answered.
#[derive(Clone, Debug)]
pub struct ReplyView {
    /// Which.
    pub id: MessageId,
    /// Who said it.
    pub author: String,
    /// One line of it.
    pub text: String,
}

/// What a room's page says of its messages; they themselves are the same for everybody and
/// are put in by the handler, see [`Hole`].
#[derive(Clone, Copy, Debug)]
pub struct TimelineHead {
    /// The room's head: live goes on after it.
    pub head: Seq,
    /// The history the numbers belong to.
    pub epoch: Epoch,
    /// Whether there is no message at all.
    pub is_empty: bool,
    /// The first message's position, when older ones exist.
    pub older: Option<Seq>,
    /// The last message's position, when newer ones exist.
    pub newer: Option<Seq>,
}

impl TimelineHead {
    /// The head of a page of history.
    #[must_use]
    pub fn of(timeline: &TimelineView<'_>) -> Self {
        let first = timeline.messages.first().map(|message| message.seq);
        let last = timeline.messages.last().map(|message| message.seq);
        Self {
            head: timeline.head,
            epoch: timeline.epoch,
            is_empty: timeline.messages.is_empty(),
            older: first.filter(|_| timeline.has_older),
            newer: last.filter(|_| timeline.has_newer),
        }
    }
}

/// The place in a page where the messages go: one character that nobody can have typed.
///
/// A page is what differs per viewer around what does not. The handler splits it here, so
/// that the messages are rendered and compressed once, not once per viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hole;

impl Hole {
    /// NUL: refused in every input, since PostgreSQL cannot store it.
    pub const MARK: char = '\0';
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(Self::MARK)
    }
}

/// `GET /rooms/{slug}/`; [`RoomPage::as_main`] for a switch of room.
#[derive(Template)]
#[template(path = "rooms/room.html", blocks = ["main"])]
pub struct RoomPage {
    /// What it stands in.
    pub frame: AppFrame,
    /// The room.
    pub room: RoomView,
    /// What the page says of its messages.
    pub timeline: TimelineHead,
    /// Where the messages go.
    pub list: Hole,
    /// The viewer's receipt; 0 when not a member.
    pub read: Seq,
    /// Whether the viewer is a member.
    pub joined: bool,
    /// Whether the viewer may post (in open rooms posting joins).
    pub can_post: bool,
    /// Whether to show the way to the room's settings.
    pub can_change: bool,
    /// Whether the viewer may delete what others wrote here.
    pub may_tidy: bool,
    /// The position a permalink asks for.
    pub around: Option<Seq>,
    /// What to offer for the message at that position.
    pub target: Option<TargetView>,
    /// The form to post with.
    pub composer: Composer,
}

impl RoomPage {
    fn shows_composer(&self) -> bool {
        !self.room.is_archived && self.can_post
    }
}

/// A room in the list of rooms.
#[derive(Clone, Debug)]
pub struct BrowseRoom {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) kind: RoomKind,
    pub(crate) members: i64,
    pub(crate) is_joined: bool,
    pub(crate) is_lobby: bool,
    pub(crate) is_archived: bool,
}

impl BrowseRoom {
    /// The line for `room`.
    #[must_use]
    pub fn of(room: &Room, is_joined: bool) -> Self {
        Self {
            slug: room.slug.clone(),
            name: room.name.clone(),
            topic: room.topic.clone(),
            kind: room.kind,
            members: room.member_count,
            is_joined,
            is_lobby: room.is_lobby(),
            is_archived: room.archived_at.is_some(),
        }
    }

    pub(crate) fn icon(&self) -> &'static str {
        room_icon(self.kind, self.is_lobby)
    }
}

/// `GET /rooms/`.
#[derive(Template)]
#[template(path = "rooms/browse.html", blocks = ["main"])]
pub struct BrowsePage {
    /// What it stands in.
    pub frame: AppFrame,
    /// What was searched for, else empty.
    pub query: String,
    /// The rooms of this page.
    pub rooms: Vec<BrowseRoom>,
    /// Address of the next page.
    pub next: Option<String>,
    /// Whether to offer making a room.
    pub can_create: bool,
    /// The name typed and refused, else empty.
    pub new_name: String,
    /// The topic typed and refused, else empty.
    pub new_topic: String,
    /// What was refused of `name` and `topic`.
    pub errors: Errors,
}

/// `GET /rooms/{slug}/settings`.
#[derive(Template)]
#[template(path = "rooms/settings.html", blocks = ["main"])]
pub struct RoomSettingsPage {
    /// What it stands in.
    pub frame: AppFrame,
    /// The room as it is.
    pub room: RoomView,
    /// The name in the form.
    pub name: String,
    /// The topic in the form.
    pub topic: String,
    /// What was refused of `name` and `topic`.
    pub errors: Errors,
}
