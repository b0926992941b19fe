//! A message, an event line, the timeline, and the pages that edit and delete.
//!
//! [`MessageView`] borrows everything: a page of fifty messages allocates one list of
//! views, and what must be computed (initials, times, mentions) is written straight into
//! the page.

use std::fmt::{self, Write as _};

use askama::Template;
use domain::{
    Author, Body, Epoch, Event, EventKind, JoinReason, LeaveReason, Message, MessageId, Nonce,
    RoomId, Seq, UserId, UserKind,
};

use super::frame::{AppFrame, Place};
use super::rooms::RoomView;
use super::{Stamp, filters};

/// Longest line of a quoted message, in Unicode scalar values.
const QUOTE_CHARS: usize = 120;
/// Most usernames written into `data-mentions`; more are not told apart by anyone.
const MAX_MENTIONS: usize = 50;

/// A message as everybody sees it.
#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    pub(crate) id: MessageId,
    pub(crate) seq: Seq,
    pub(crate) nonce: Nonce,
    pub(crate) version: i64,
    pub(crate) author_id: UserId,
    pub(crate) username: &'a str,
    pub(crate) author: &'a str,
    pub(crate) is_bot: bool,
    pub(crate) at: Stamp,
    pub(crate) is_edited: bool,
    pub(crate) quote: Option<QuoteView<'a>>,
    pub(crate) body: BodyView<'a>,
    /// Whether this replaces the element of the same id in a live frame.
    pub(crate) is_oob: bool,
}

/// What stands in a message.
#[derive(Clone, Copy, Debug)]
pub enum BodyView<'a> {
    /// Compiled by `domain::markup`, therefore safe.
    Html(&'a str),
    /// Encrypted end to end.
    Sealed,
    /// A tombstone.
    Deleted,
}

/// The line above a reply.
#[derive(Clone, Debug)]
pub struct QuoteView<'a> {
    pub(crate) id: MessageId,
    pub(crate) author: &'a str,
    pub(crate) text: Option<String>,
}

impl<'a> MessageView<'a> {
    /// The view of `message`.
    #[must_use]
    pub fn of(message: &'a Message) -> Self {
        Self {
            id: message.id,
            seq: message.seq,
            nonce: message.nonce,
            version: message.version,
            author_id: message.author.id,
            username: &message.author.username,
            author: &message.author.display_name,
            is_bot: message.author.kind == UserKind::Bot,
            at: Stamp(message.created_at),
            is_edited: message.edited_at.is_some() && message.body.is_some(),
            // A tombstone quotes nobody: the answer is gone with its words.
            quote: message
                .reply_to
                .as_ref()
                .filter(|_| message.body.is_some())
                .map(|quote| QuoteView {
                    id: quote.id,
                    author: &quote.author.display_name,
                    text: quote
                        .source
                        .as_deref()
                        .map(|source| domain::markup::plain_line(source, QUOTE_CHARS)),
                }),
            body: match &message.body {
                Some(Body::Markdown { html, .. }) => BodyView::Html(html),
                Some(Body::Sealed(_)) => BodyView::Sealed,
                None => BodyView::Deleted,
            },
            is_oob: false,
        }
    }

    /// Leaves nothing but its place: what is stored of it cannot be shown.
    pub(crate) fn make_unreadable(&mut self) {
        self.body = BodyView::Html(super::UNREADABLE);
        self.quote = None;
        self.author = "?";
        self.username = "";
        self.at = Stamp(domain::Time(0));
    }

    pub(crate) fn hue(&self) -> i64 {
        super::hue(self.author_id)
    }

    pub(crate) fn initials(&self) -> super::Initials<'a> {
        super::initials(self.author)
    }

    pub(crate) fn clock(&self) -> super::stamp::Clock {
        self.at.clock()
    }

    pub(crate) fn is_deleted(&self) -> bool {
        matches!(self.body, BodyView::Deleted)
    }

    pub(crate) fn has_mentions(&self) -> bool {
        self.mentions().names().next().is_some()
    }

    pub(crate) fn mentions(&self) -> Mentions<'a> {
        Mentions(match self.body {
            BodyView::Html(html) => html,
            BodyView::Sealed | BodyView::Deleted => "",
        })
    }
}

/// The usernames that a compiled body mentions, in small letters, for `data-mentions`.
///
/// Whether such a person exists does not matter here: the browser looks for one name only,
/// its own.
pub(crate) struct Mentions<'a>(&'a str);

impl<'a> Mentions<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        domain::markup::mentions_in(self.0)
    }
}

impl fmt::Display for Mentions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.names().take(MAX_MENTIONS).enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            name.chars()
                .flat_map(char::to_lowercase)
                .try_for_each(|c| f.write_char(c))?;
        }
        Ok(())
    }
}

/// One message by itself.
#[derive(Template)]
#[template(path = "messages/fragment.html")]
pub struct MessageFragment<'a> {
    /// The message.
    pub message: MessageView<'a>,
}

/// A page of the timeline.
#[derive(Clone, Debug)]
pub struct TimelineView<'a> {
    /// Oldest first.
    pub messages: Vec<MessageView<'a>>,
    /// The room, on its page and when nothing is older: said above the first message.
    pub beginning: Option<RoomView>,
    /// Whether older ones exist.
    pub has_older: bool,
    /// Whether newer ones exist.
    pub has_newer: bool,
    /// The room's head: live goes on after it.
    pub head: Seq,
    /// The history the numbers belong to.
    pub epoch: Epoch,
}

/// `GET /rooms/{slug}/timeline`.
#[derive(Template)]
#[template(path = "messages/list_fragment.html")]
pub struct TimelineFragment<'a> {
    /// The messages.
    pub timeline: TimelineView<'a>,
}

/// What is said of one membership or room event; names as they are now.
#[derive(Clone, Debug)]
pub enum EventLine<'a> {
    /// Came by themselves.
    Joined { user: &'a str },
    /// Was brought.
    Added { user: &'a str, by: &'a str },
    /// Went by themselves.
    Left { user: &'a str },
    /// Was sent away.
    Removed { user: &'a str, by: &'a str },
    /// The account was closed or banned.
    Gone { user: &'a str },
    /// A new name.
    Named { by: &'a str, name: &'a str },
    /// A new topic, perhaps none.
    Topic { by: &'a str, topic: &'a str },
    /// Read-only from now on.
    Archived { by: &'a str },
    /// Back from the archive.
    Reopened { by: &'a str },
    /// Someone's standing in the room changed.
    RoleChanged { by: &'a str },
}

/// An event that is no message, as a line of the timeline.
#[derive(Clone, Debug)]
pub struct EventView<'a> {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) at: Stamp,
    pub(crate) lines: Vec<EventLine<'a>>,
}

impl<'a> EventView<'a> {
    /// The line for `event`; `None` when the event is shown as a message.
    #[must_use]
    pub fn of(event: &'a Event) -> Option<Self> {
        let lines = match &event.kind {
            EventKind::MessagePosted(_)
            | EventKind::MessageEdited(_)
            | EventKind::MessageDeleted(_) => return None,
            EventKind::MemberJoined { user, by, reason } => {
                let user = user.display_name.as_str();
                vec![match (reason, by) {
                    (JoinReason::Added, Some(by)) => EventLine::Added {
                        user,
                        by: &by.display_name,
                    },
                    _ => EventLine::Joined { user },
                }]
            }
            EventKind::MemberLeft { user, by, reason } => {
                let user = user.display_name.as_str();
                vec![match (reason, by) {
                    (LeaveReason::Removed, Some(by)) => EventLine::Removed {
                        user,
                        by: &by.display_name,
                    },
                    (LeaveReason::Left, _) => EventLine::Left { user },
                    _ => EventLine::Gone { user },
                }]
            }
            EventKind::RoomChanged(changes) => room_lines(changes),
        };
        Some(Self {
            room: event.room,
            seq: event.seq,
            at: Stamp(event.at),
            lines,
        })
    }

    pub(crate) fn clock(&self) -> super::stamp::Clock {
        self.at.clock()
    }
}

fn room_lines(changes: &domain::RoomChanges) -> Vec<EventLine<'_>> {
    // The command line has no name of its own: the house acts.
    let by = changes
        .by
        .as_ref()
        .map_or(super::HOUSE, |by: &Author| by.display_name.as_str());
    let mut lines = Vec::new();
    if let Some(name) = &changes.name {
        lines.push(EventLine::Named { by, name });
    }
    if let Some(topic) = &changes.topic {
        lines.push(EventLine::Topic { by, topic });
    }
    match changes.archived {
        Some(true) => lines.push(EventLine::Archived { by }),
        Some(false) => lines.push(EventLine::Reopened { by }),
        None => {}
    }
    if changes.role.is_some() {
        lines.push(EventLine::RoleChanged { by });
    }
    lines
}

/// One event line by itself.
#[derive(Template)]
#[template(path = "messages/event.html")]
pub struct EventFragment<'a> {
    /// The event.
    pub event: EventView<'a>,
}

/// Why what was typed is not accepted, shown where it was typed.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Stable word, as in the API.
    pub code: String,
    /// The sentence.
    pub text: String,
}

/// `GET /messages/{id}/edit`; [`EditPage::as_form`] for htmx.
#[derive(Template)]
#[template(path = "messages/edit.html", blocks = ["form"])]
pub struct EditPage {
    /// What it stands in.
    pub frame: AppFrame,
    /// Which message.
    pub id: MessageId,
    /// Its version, so that a later edit is not overwritten.
    pub version: i64,
    /// The source as it is, or as it was sent and refused.
    pub source: String,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

/// `GET /messages/{id}/delete`: asks before words are gone for good.
#[derive(Template)]
#[template(path = "messages/delete.html", blocks = ["form"])]
pub struct DeletePage<'a> {
    /// What it stands in.
    pub frame: AppFrame,
    /// The message.
    pub message: MessageView<'a>,
}

#[cfg(test)]
mod tests {
    use super::Mentions;

    #[test]
    fn mentions_are_those_the_compiler_marked() {
        fn check(source: &str, expected: &str) {
            let html = domain::markup::compile(source).html;
            assert_eq!(Mentions(&html).to_string(), expected, "{html}");
        }
        check("hello", "");
        check("@Bob, @eve.", "bob eve");
        check("(@bob-2) and ada@example.org", "bob-2");
        check("`@bob` @zoë", "zoë");
        check("@ nobody @", "");
    }
}
