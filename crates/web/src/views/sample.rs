//! A house with people and words in it, for the tests of views and for the preview.

use domain::{
    Author, Body, Epoch, Message, MessageId, Nonce, Origin, Quote, Room, RoomId, RoomKind, Seq,
    Time, UserId, UserKind,
};

use super::{
    AppFrame, Composer, MessageView, Place, RoomPage, RoomView, Sidebar, SidebarRoom,
    TimelineView, Viewer,
};

/// 2026-11-20T08:18:14.123Z.
pub(crate) const NOW: Time = Time(1_795_162_694_123);
pub(crate) const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);

pub(crate) fn author(id: i64) -> Author {
    let (username, display_name, kind) = match id {
        1 => ("ada", "Ada Lovelace", UserKind::Person),
        2 => ("bob", "Bob", UserKind::Person),
        3 => ("eve", "Ève Martin-Dupont", UserKind::Person),
        4 => ("noor", "نور الهدى", UserKind::Person),
        5 => ("deploy", "Deploys", UserKind::Bot),
        6 => ("ken", "Ken Tanaka 田中", UserKind::Person),
        _ => (
            "maximiliana",
            "Maximiliana von Hohenzollern-Sigmaringen the Unabbreviated",
            UserKind::Person,
        ),
    };
    Author { id: UserId(id), username: username.into(), display_name: display_name.into(), kind }
}

/// A message of `author_id` at seq `seq`, `minutes` after eight o'clock or so.
pub(crate) fn message(seq: i64, author_id: i64, minutes: i64, html: &str) -> Message {
    Message {
        id: MessageId(seq),
        room: RoomId(1),
        seq: Seq(seq),
        nonce: Nonce(uuid::Uuid::from_u128(0x0192_a3b4_c5d6_4e7f_8091_a2b3_c4d5_0000 + seq as u128)),
        author: author(author_id),
        body: Some(Body::Markdown { source: String::new(), html: html.into() }),
        origin: Origin::Person,
        reply_to: None,
        created_at: NOW.plus_ms(minutes * 60_000),
        edited_at: None,
        deleted_at: None,
        version: 1,
    }
}

pub(crate) fn deleted(seq: i64, author_id: i64, minutes: i64) -> Message {
    Message {
        body: None,
        deleted_at: Some(NOW),
        version: 2,
        ..message(seq, author_id, minutes, "")
    }
}

pub(crate) fn quote(id: i64, author_id: i64, source: Option<&str>) -> Quote {
    Quote {
        id: MessageId(id),
        seq: Seq(id),
        author: author(author_id),
        source: source.map(str::to_owned),
    }
}

pub(crate) fn lobby() -> Room {
    Room {
        id: RoomId(1),
        slug: "lobby".into(),
        name: "Lobby".into(),
        kind: RoomKind::Open,
        topic: "Where everyone meets. Be kind, be brief, bring biscuits.".into(),
        head: Seq(40),
        member_count: 23,
        archived_at: None,
        created_at: NOW,
    }
}

pub(crate) fn room(id: i64, slug: &str, name: &str, topic: &str) -> Room {
    Room { id: RoomId(id), slug: slug.into(), name: name.into(), topic: topic.into(), ..lobby() }
}

pub(crate) fn frame(place: Place) -> AppFrame {
    let line = |id, slug: &str, name: &str, unread, mentions| SidebarRoom {
        id: RoomId(id),
        slug: slug.into(),
        name: name.into(),
        kind: if id == 4 { RoomKind::Closed } else { RoomKind::Open },
        head: Seq(40),
        unread,
        mentions,
    };
    AppFrame {
        epoch: EPOCH,
        max_chars: 1000,
        sidebar: Sidebar {
            viewer: Viewer {
                id: UserId(1),
                username: "ada".into(),
                display_name: "Ada Lovelace".into(),
                is_admin: true,
            },
            place,
            rooms: vec![
                line(1, "lobby", "Lobby", 0, 0),
                line(2, "analytical-engine", "Analytical engine", 12, 3),
                line(3, "books", "Books & tea", 4, 0),
                line(4, "board", "Board", 0, 0),
                line(5, "release-planning", "Release planning for the winter quarter", 1, 0),
                line(6, "garden", "Garden", 0, 0),
            ],
        },
    }
}

pub(crate) fn timeline(messages: &[Message]) -> TimelineView<'_> {
    TimelineView {
        messages: messages.iter().map(MessageView::of).collect(),
        beginning: None,
        has_older: false,
        has_newer: false,
        head: messages.last().map_or(Seq::ZERO, |message| message.seq),
        epoch: EPOCH,
    }
}

pub(crate) fn room_page<'a>(room: &Room, messages: &'a [Message]) -> RoomPage<'a> {
    RoomPage {
        frame: frame(Place::Room(room.id)),
        room: RoomView::of(room),
        timeline: TimelineView { beginning: Some(RoomView::of(room)), ..timeline(messages) },
        read: Seq::ZERO,
        joined: true,
        can_post: true,
        can_change: true,
        around: None,
        target: None,
        composer: Composer {
            nonce: Nonce(uuid::Uuid::from_u128(7)),
            body: String::new(),
            reply: None,
            refusal: None,
        },
    }
}
