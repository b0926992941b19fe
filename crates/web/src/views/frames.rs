//! Live frames: one numbered event as HTML for every reader of a room.
//!
//! A frame begins with `<!--room:seq-->`, by which the browser drops repeats and sees
//! holes. What follows has no viewer, and is rendered once however many read the room.

use std::fmt::Write as _;

use askama::Template;
use domain::{Event, EventKind};

use super::{EventFragment, EventView, MessageFragment, MessageView, render_into};

/// What `room.changed` replaces in the head of the room.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(name) = name %}<bdi id="room-name" hx-swap-oob="true">{{ name }}</bdi>{% endif %}{% if let Some(topic) = topic %}<p id="room-topic" class="room-head__topic" dir="auto" title="{{ topic }}" hx-swap-oob="true">{{ topic }}</p>{% endif %}"#
)]
struct RoomHeadFragment<'a> {
    name: Option<&'a str>,
    topic: Option<&'a str>,
}

/// Writes the HTML frame of `event` at the end of `out`.
pub fn write_event_frame(event: &Event, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "<!--{}:{}-->", event.room, event.seq);
    match &event.kind {
        EventKind::MessagePosted(message) => append(out, |out| {
            render_into(
                &MessageFragment {
                    message: MessageView::of(message),
                },
                out,
            );
        }),
        EventKind::MessageEdited(message) | EventKind::MessageDeleted(message) => {
            let message = MessageView {
                is_oob: true,
                ..MessageView::of(message)
            };
            render_into(&MessageFragment { message }, out);
        }
        EventKind::MemberJoined { .. }
        | EventKind::MemberLeft { .. }
        | EventKind::RoomChanged(_) => {
            if let Some(event) = EventView::of(event) {
                append(out, |out| render_into(&EventFragment { event }, out));
            }
            if let EventKind::RoomChanged(changes) = &event.kind {
                let head = RoomHeadFragment {
                    name: changes.name.as_deref(),
                    topic: changes.topic.as_deref(),
                };
                render_into(&head, out);
            }
        }
    }
}

/// Writes a frame that stands for an event which cannot be shown: the number and a line.
pub fn write_unreadable_frame(event: &Event, out: &mut String) {
    let _ = write!(out, "<!--{}:{}-->", event.room, event.seq);
    append(out, |out| {
        let _ = write!(
            out,
            "<li id=\"event-{0}-{1}\" class=\"event\" data-seq=\"{1}\">{2}</li>",
            event.room,
            event.seq,
            super::UNREADABLE,
        );
    });
}

/// Puts what `write` writes at the end of the list of messages.
fn append(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push_str("<hx-partial hx-target=\"#messages\" hx-swap=\"beforeend\">");
    write(out);
    out.push_str("</hx-partial>");
}
