//! From `domain` to `wire`: what the API and the JSON socket say.
//!
//! An event is converted once for all its readers, so nothing here knows who reads.

use domain::events::{EventKind, RoomChanges, Signal};
use domain::{Author, Body, Event, Message, Quote, Role, Scopes, User, UserKind, UserState};
use domain::{MemberRole, RoomKind};
use live::Control;
use serde::Serialize;
use wire::ServerEvent;
use wire::socket::{RoleChange, UserId};

/// Writes JSON at the end of `out`.
pub(crate) fn write_json(value: &impl Serialize, out: &mut String) {
    match serde_json::to_string(value) {
        Ok(text) if out.is_empty() => *out = text,
        Ok(text) => out.push_str(&text),
        // The types of `wire` hold strings, numbers and lists of them: this cannot fail.
        Err(error) => tracing::error!("a value could not be written as JSON: {error}"),
    }
}

/// Writes a numbered event as the JSON socket says it.
pub(crate) fn write_event(happened: &Event, out: &mut String) {
    write_json(&event(happened), out);
}

/// Writes a number with nothing in it, for an event that cannot be shown: readers go on.
pub(crate) fn write_unreadable(happened: &Event, out: &mut String) {
    let event = ServerEvent::RoomChanged {
        room: happened.room.0,
        seq: happened.seq.0,
        changes: wire::RoomChanges::default(),
    };
    write_json(&event, out);
}

/// Writes a signal as the JSON socket says it.
pub(crate) fn write_signal(what: &Signal, out: &mut String) {
    write_json(&signal(what), out);
}

/// Writes what the live path itself says.
pub(crate) fn write_control(what: &Control, out: &mut String) {
    write_json(&control(what), out);
}

pub(crate) fn user(user: &User) -> wire::User {
    wire::User {
        id: user.id.0,
        username: user.username.clone(),
        display_name: user.display_name.clone(),
        role: match user.role {
            Role::Guest => wire::Role::Guest,
            Role::Member => wire::Role::Member,
            Role::Moderator => wire::Role::Moderator,
            Role::Administrator => wire::Role::Administrator,
            Role::Owner => wire::Role::Owner,
        },
        kind: match user.kind {
            UserKind::Person => wire::Kind::Person,
            UserKind::Bot => wire::Kind::Bot,
        },
        state: match user.state {
            UserState::Active => wire::UserState::Active,
            UserState::Banned => wire::UserState::Banned,
            UserState::Deactivated => wire::UserState::Deactivated,
        },
    }
}

pub(crate) fn person(author: &Author) -> wire::Person {
    wire::Person {
        id: author.id.0,
        username: author.username.clone(),
        display_name: author.display_name.clone(),
    }
}

pub(crate) fn room(listed: &chat::RoomListed) -> wire::Room {
    let room = &listed.room;
    wire::Room {
        id: room.id.0,
        slug: room.slug.clone(),
        name: room.name.clone(),
        kind: match room.kind {
            RoomKind::Open => wire::RoomKind::Open,
            RoomKind::Closed => wire::RoomKind::Closed,
            RoomKind::Direct => wire::RoomKind::Direct,
        },
        topic: room.topic.clone(),
        head: room.head.0,
        member_count: room.member_count,
        joined: listed.membership.is_some(),
        unread: listed.unread,
        mentions: listed.mentions,
        archived_at: room.archived_at.map(|at| at.to_string()),
        created_at: room.created_at.to_string(),
    }
}

pub(crate) fn member_role(role: MemberRole) -> wire::MemberRole {
    match role {
        MemberRole::Member => wire::MemberRole::Member,
        MemberRole::Moderator => wire::MemberRole::Moderator,
        MemberRole::Owner => wire::MemberRole::Owner,
    }
}

pub(crate) fn member(member: &chat::Member) -> wire::Member {
    wire::Member {
        user: user(&member.user),
        role: member_role(member.membership.role),
        joined_at: member.membership.joined_at.to_string(),
    }
}

/// A message as it stands in events: without what differs per viewer.
pub(crate) fn message(message: &Message) -> wire::Message {
    let (body, html) = match &message.body {
        Some(Body::Markdown { source, html }) => (Some(source.clone()), Some(html.clone())),
        Some(Body::Sealed(_)) | None => (None, None),
    };
    wire::Message {
        id: message.id.0,
        room_id: message.room.0,
        seq: message.seq.0,
        nonce: message.nonce.to_string(),
        author: person(&message.author),
        body,
        html,
        created_at: message.created_at.to_string(),
        edited_at: message.edited_at.map(|at| at.to_string()),
        deleted_at: message.deleted_at.map(|at| at.to_string()),
        reply_to: message.reply_to.as_ref().map(|quote| quote.id.0),
        quote: message.reply_to.as_ref().map(quote),
        reactions: Vec::new(),
        read_by: None,
    }
}

fn quote(quote: &Quote) -> wire::Quote {
    wire::Quote {
        id: quote.id.0,
        seq: quote.seq.0,
        author: person(&quote.author),
        body: quote.source.clone(),
    }
}

pub(crate) fn read_by(receipts: &[chat::Receipt]) -> Vec<wire::ReadBy> {
    receipts
        .iter()
        .map(|receipt| wire::ReadBy {
            username: receipt.username.clone(),
            read_at: receipt.read_at.to_string(),
        })
        .collect()
}

pub(crate) fn scopes(scopes: Scopes) -> Vec<wire::Scope> {
    let all = [
        (scopes.read, wire::Scope::Read),
        (scopes.write, wire::Scope::Write),
        (scopes.admin, wire::Scope::Admin),
    ];
    all.into_iter()
        .filter_map(|(has, scope)| has.then_some(scope))
        .collect()
}

/// A numbered event.
pub(crate) fn event(event: &Event) -> ServerEvent {
    let (room, seq) = (event.room.0, event.seq.0);
    match &event.kind {
        EventKind::MessagePosted(posted) => ServerEvent::MessagePosted {
            room,
            seq,
            message: message(posted),
        },
        EventKind::MessageEdited(edited) => ServerEvent::MessageEdited {
            room,
            seq,
            message: message(edited),
        },
        EventKind::MessageDeleted(deleted) => ServerEvent::MessageDeleted {
            room,
            seq,
            message: message(deleted),
        },
        EventKind::MemberJoined { user, by, reason } => ServerEvent::MemberJoined {
            room,
            seq,
            user: person(user),
            by: by.as_ref().map(person),
            reason: reason.as_str().to_owned(),
        },
        EventKind::MemberLeft { user, by, reason } => ServerEvent::MemberLeft {
            room,
            seq,
            user: person(user),
            by: by.as_ref().map(person),
            reason: reason.as_str().to_owned(),
        },
        EventKind::RoomChanged(changed) => ServerEvent::RoomChanged {
            room,
            seq,
            changes: changes(changed),
        },
    }
}

fn changes(changed: &RoomChanges) -> wire::RoomChanges {
    wire::RoomChanges {
        name: changed.name.clone(),
        topic: changed.topic.clone(),
        archived: changed.archived,
        role: changed.role.map(|(user, role)| RoleChange {
            user_id: user.0,
            role: member_role(role),
        }),
        by: changed.by.as_ref().map(person),
    }
}

/// A signal.
pub(crate) fn signal(signal: &Signal) -> ServerEvent {
    match signal {
        Signal::Typing { room, user } => ServerEvent::Typing {
            room: room.0,
            user: person(user),
        },
        Signal::Receipt {
            room,
            user,
            seq,
            at,
        } => ServerEvent::Receipt {
            room: room.0,
            user: person(user),
            seq: seq.0,
            at: at.to_string(),
        },
        Signal::Unread {
            room,
            unread,
            mentions,
            head,
        } => ServerEvent::Unread {
            room: room.0,
            unread: *unread,
            mentions: *mentions,
            head: head.0,
        },
        Signal::Heads { epoch, rooms } => ServerEvent::Heads {
            epoch: epoch.to_string(),
            rooms: rooms
                .iter()
                .map(|(room, head)| (room.to_string(), head.0))
                .collect(),
        },
    }
}

/// What the live path itself says to one connection.
pub(crate) fn control(control: &Control) -> ServerEvent {
    match control {
        Control::Ready {
            user,
            epoch,
            heartbeat_s,
        } => ServerEvent::Ready {
            user: UserId { id: user.0 },
            epoch: epoch.to_string(),
            heartbeat_s: *heartbeat_s,
        },
        Control::Subscribed { room, head, epoch } => ServerEvent::Subscribed {
            room: room.0,
            head: head.0,
            epoch: epoch.to_string(),
        },
        Control::Resync { room, head, epoch } => ServerEvent::Resync {
            room: room.0,
            head: head.0,
            epoch: epoch.to_string(),
        },
    }
}
