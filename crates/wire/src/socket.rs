//! What is said on `/api/v1/socket`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::messages::Message;
use crate::people::Person;
use crate::rooms::MemberRole;

/// What a client may say. One JSON object per text frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClientOp {
    /// Read a room from here on: first `subscribed`, then what was missed after `after`,
    /// then live, without a hole. `after` and `epoch` come together or not at all.
    Subscribe {
        /// The room.
        room: i64,
        /// The last seq the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<i64>,
        /// The history that seq belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
    },
    /// Stop reading a room.
    Unsubscribe {
        /// The room.
        room: i64,
    },
    /// Tell the room's readers that one is writing; shown for 5 s.
    Typing {
        /// The room.
        room: i64,
    },
    /// Move one's receipt; it never goes back.
    Read {
        /// The room.
        room: i64,
        /// Up to this event.
        seq: i64,
    },
    /// Post a message; answered by `posted` after it is stored for good, or by `error`.
    Post {
        /// The room.
        room: i64,
        /// A UUID of the sender's choice; repeating it returns the first result.
        nonce: String,
        /// Markdown.
        body: String,
        /// The id of a message of the same room that this answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<i64>,
    },
    /// Answered by `pong`.
    Ping,
}

/// What the server says. `room` is a room's id everywhere; frames with a `seq` are the
/// room's numbered events, the same bytes for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event")]
pub enum ServerEvent {
    /// First thing on every connection.
    #[serde(rename = "ready")]
    Ready {
        /// Who is connected; `/api/v1/me` says the rest.
        user: UserId,
        /// The present history.
        epoch: String,
        /// Seconds between `heads` frames.
        heartbeat_s: u64,
    },
    /// The room is being read from here on.
    #[serde(rename = "subscribed")]
    Subscribed {
        /// The room.
        room: i64,
        /// Its head when the subscription began.
        head: i64,
        /// The present history.
        epoch: String,
    },
    /// Too much was missed: load the newest page; live goes on after `head`.
    #[serde(rename = "resync")]
    Resync {
        /// The room.
        room: i64,
        /// Live goes on after this.
        head: i64,
        /// The present history.
        epoch: String,
    },
    /// Someone said something. The message is as it is now: a tombstone once deleted.
    #[serde(rename = "message.posted")]
    MessagePosted {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// The message.
        message: Message,
    },
    /// A message's body changed.
    #[serde(rename = "message.edited")]
    MessageEdited {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// The message.
        message: Message,
    },
    /// A message's body is gone.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// The tombstone.
        message: Message,
    },
    /// Someone became a member.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// Who.
        user: Person,
        /// Who added them; null when they came by themselves.
        #[schema(required)]
        by: Option<Person>,
        /// `joined` or `added`.
        reason: String,
    },
    /// Someone stopped being a member.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// Who.
        user: Person,
        /// Who removed them; null when they left by themselves.
        #[schema(required)]
        by: Option<Person>,
        /// `left`, `removed` or `banned`.
        reason: String,
    },
    /// Something about the room changed.
    #[serde(rename = "room.changed")]
    RoomChanged {
        /// The room.
        room: i64,
        /// The event's position.
        seq: i64,
        /// What; absent fields are as before.
        changes: RoomChanges,
    },
    /// Someone is writing; shown for 5 s.
    #[serde(rename = "typing")]
    Typing {
        /// The room.
        room: i64,
        /// Who.
        user: Person,
    },
    /// Where each room this connection reads stands; who is behind subscribes again.
    #[serde(rename = "heads")]
    Heads {
        /// The present history.
        epoch: String,
        /// Room id to head.
        rooms: BTreeMap<String, i64>,
    },
    /// A member has read up to here.
    #[serde(rename = "receipt")]
    Receipt {
        /// The room.
        room: i64,
        /// Who.
        user: Person,
        /// How far.
        seq: i64,
        /// When, RFC 3339.
        at: String,
    },
    /// Something is new in a joined room; comes without subscribing.
    #[serde(rename = "unread")]
    Unread {
        /// The room.
        room: i64,
        /// Unread messages; null in rooms of over 100 members.
        #[schema(required)]
        unread: Option<i64>,
        /// Mentions among them.
        mentions: i64,
        /// The room's head.
        head: i64,
    },
    /// A `post` is stored for good.
    #[serde(rename = "posted")]
    Posted {
        /// The key that was sent with it.
        nonce: String,
        /// The message's id.
        id: i64,
        /// The room.
        room: i64,
        /// The seq it got.
        seq: i64,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong,
    /// Something the client said was refused; the socket stays.
    #[serde(rename = "error")]
    Error {
        /// Stable word, as in the REST API.
        code: String,
        /// A sentence for people.
        message: String,
        /// The nonce of a `post`, else the op; null when neither could be read.
        #[schema(required)]
        re: Option<String>,
        /// Seconds to wait before trying again, when that helps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

/// Someone by id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserId {
    /// Identity for ever.
    pub id: i64,
}

/// What changed about a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomChanges {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Archived, or brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// A member's new role in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleChange>,
    /// Who changed it; null for the house itself.
    #[schema(required)]
    pub by: Option<Person>,
}

/// A member's new role in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleChange {
    /// Whose.
    pub user_id: i64,
    /// The new role.
    pub role: MemberRole,
}

#[cfg(test)]
mod tests {
    use super::{ClientOp, ServerEvent};

    fn check(text: &str, expected: Result<ClientOp, &str>) {
        match (serde_json::from_str::<ClientOp>(text), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn client_ops_are_read_strictly() {
        check(
            r#"{"op":"subscribe","room":1,"after":17,"epoch":"ab"}"#,
            Ok(ClientOp::Subscribe {
                room: 1,
                after: Some(17),
                epoch: Some("ab".into()),
            }),
        );
        check(
            r#"{"room":1,"op":"subscribe"}"#,
            Ok(ClientOp::Subscribe {
                room: 1,
                after: None,
                epoch: None,
            }),
        );
        check(r#"{"op":"ping"}"#, Ok(ClientOp::Ping));
        check(r#"{"op":"shout"}"#, Err("unknown variant `shout`"));
        check(r#"{"op":"typing","room":"1"}"#, Err("invalid type"));
        check(r#"{"op":"typing","room":1.5}"#, Err("invalid type"));
        check(r#"{"op":"typing"}"#, Err("missing field `room`"));
        check(r#"{"op":"typing","room":1,"user":2}"#, Err("unknown field"));
        check(
            r#"{"op":"typing","room":1,"room":2}"#,
            Err("duplicate field"),
        );
        check(r#"[]"#, Err(""));
    }

    #[test]
    fn server_events_read_back_as_written() {
        for text in [
            r#"{"event":"pong"}"#,
            r#"{"event":"posted","nonce":"n","id":1,"room":2,"seq":3}"#,
            r#"{"event":"unread","room":1,"unread":null,"mentions":0,"head":9}"#,
            r#"{"event":"heads","epoch":"00","rooms":{"1":17}}"#,
            r#"{"event":"error","code":"invalid","message":"m","re":null}"#,
        ] {
            let event: ServerEvent = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
        }
    }
}
