//! What happened in a room, numbered; and what is only worth telling now.

use crate::{Author, MemberRole, Message, RoomId, Seq, Time, UserId};

/// A durable, numbered fact in one room.
///
/// Its message is the message *as it is now*, not as it was: a replayed `MessagePosted` of
/// a deleted message carries the tombstone, so deleted words are gone everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The room.
    pub room: RoomId,
    /// The position, gapless.
    pub seq: Seq,
    /// When.
    pub at: Time,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Someone said something.
    MessagePosted(Message),
    /// The body changed.
    MessageEdited(Message),
    /// The body is gone.
    MessageDeleted(Message),
    /// Someone became a member.
    MemberJoined {
        /// Who.
        user: Author,
        /// Who added them; `None` when they came by themselves.
        by: Option<Author>,
        /// How.
        reason: JoinReason,
    },
    /// Someone stopped being a member.
    MemberLeft {
        /// Who.
        user: Author,
        /// Who removed them; `None` when they left by themselves.
        by: Option<Author>,
        /// How.
        reason: LeaveReason,
    },
    /// The room's name, topic, kind or archive state changed.
    RoomChanged(RoomChanges),
}

impl EventKind {
    /// The word used in the database and on the socket, e.g. `message.posted`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::MessagePosted(_) => "message.posted",
            Self::MessageEdited(_) => "message.edited",
            Self::MessageDeleted(_) => "message.deleted",
            Self::MemberJoined { .. } => "member.joined",
            Self::MemberLeft { .. } => "member.left",
            Self::RoomChanged(_) => "room.changed",
        }
    }

    /// The message this event shows, if it shows one.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessagePosted(m) | Self::MessageEdited(m) | Self::MessageDeleted(m) => Some(m),
            _ => None,
        }
    }

    /// The same event with the message as it is now; used when an edit or deletion makes
    /// older frames of that message wrong.
    pub fn replace_message(&mut self, now: &Message) {
        match self {
            Self::MessagePosted(m) | Self::MessageEdited(m) | Self::MessageDeleted(m)
                if m.id == now.id =>
            {
                m.clone_from(now);
            }
            _ => {}
        }
    }
}

/// How someone became a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinReason {
    /// By themselves.
    Joined,
    /// By someone else.
    Added,
}

/// How someone stopped being a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// By themselves.
    Left,
    /// By someone else.
    Removed,
    /// With their account.
    Banned,
}

crate::users::words!(JoinReason { Joined => "joined", Added => "added" });
crate::users::words!(LeaveReason { Left => "left", Removed => "removed", Banned => "banned" });

/// What changed about a room; `None` is "as before".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomChanges {
    /// New name.
    pub name: Option<String>,
    /// New topic.
    pub topic: Option<String>,
    /// Archived (`true`) or brought back.
    pub archived: Option<bool>,
    /// Who changed it.
    pub by: Option<Author>,
    /// A member's new role in the room.
    pub role: Option<(UserId, MemberRole)>,
}

/// Short-lived, unnumbered, may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Someone is writing; shown for 5 s.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        user: Author,
    },
    /// A member has read up to here.
    Receipt {
        /// Where.
        room: RoomId,
        /// Who.
        user: Author,
        /// How far.
        seq: Seq,
        /// When.
        at: Time,
    },
    /// Something is new in a room this person is in but does not look at.
    Unread {
        /// Where.
        room: RoomId,
        /// Others' undeleted messages after the receipt; `None` in rooms of over 100.
        unread: Option<i64>,
        /// Mentions among them.
        mentions: i64,
        /// The room's head.
        head: Seq,
    },
    /// Where each of a reader's rooms stands, so that a lost last event is noticed.
    Heads {
        /// The history the numbers belong to.
        epoch: crate::Epoch,
        /// Room and head, by ascending room.
        rooms: Vec<(RoomId, Seq)>,
    },
}

#[cfg(test)]
mod tests {
    use super::EventKind;
    use crate::{
        Author, Body, Message, MessageId, Nonce, Origin, RoomId, Seq, Time, UserId, UserKind,
    };

    fn message(id: i64, source: &str) -> Message {
        Message {
            id: MessageId(id),
            room: RoomId(1),
            seq: Seq(id),
            nonce: Nonce(uuid::Uuid::nil()),
            author: Author {
                id: UserId(1),
                username: "ada".to_owned(),
                display_name: "Ada".to_owned(),
                kind: UserKind::Person,
            },
            body: Some(Body::Markdown {
                source: source.to_owned(),
                html: source.to_owned(),
            }),
            origin: Origin::Person,
            reply_to: None,
            created_at: Time(0),
            edited_at: None,
            deleted_at: None,
            version: 1,
        }
    }

    #[test]
    fn a_replayed_event_shows_the_message_as_it_is_now() {
        let mut tombstone = message(7, "");
        tombstone.body = None;
        let mut same = EventKind::MessagePosted(message(7, "secret"));
        let mut other = EventKind::MessageEdited(message(8, "kept"));
        same.replace_message(&tombstone);
        other.replace_message(&tombstone);
        assert_eq!(same, EventKind::MessagePosted(tombstone));
        assert_eq!(other, EventKind::MessageEdited(message(8, "kept")));
        assert_eq!(same.word(), "message.posted");
    }
}
