//! The live path: makes the truth arrive early.
//!
//! Room logs, shards that own all sockets, frames encoded once, presence of readers. The
//! database is the truth; everything here may be lost, repeated or late and is repaired
//! by number. It knows neither HTML nor JSON ([`Render`] does) nor what clients may say
//! ([`Inbound`] does), and it never decides permissions: callers subscribe a connection
//! only after `chat::access` has agreed.

pub mod bus;

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use domain::actor::Credential;
use domain::{Cursor, Epoch, Event, RoomId, Seq, SessionId, Signal, TokenId, UserId};

/// Close codes that clients of Parlour meet (RFC 6455 §7.4 and the private range).
pub mod close {
    /// Restart: come back with jitter.
    pub const RESTART: u16 = 1012;
    /// Overload: come back with jitter.
    pub const OVERLOAD: u16 = 1013;
    /// Signed out: do not come back.
    pub const SIGNED_OUT: u16 = 4401;
    /// Banned: do not come back.
    pub const BANNED: u16 = 4403;
}

/// In what shape a connection gets what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// htmx fragments for the page; signals as small JSON.
    Html,
    /// The API's JSON.
    Json,
}

/// Turns facts into text. Implemented by `web`; called at most once per fact and format.
pub trait Render: Send + Sync {
    /// A numbered event, the same bytes for every member.
    fn event(&self, format: Format, event: &Event, out: &mut String);
    /// A signal.
    fn signal(&self, format: Format, signal: &Signal, out: &mut String);
    /// What the live path itself says to one connection.
    fn control(&self, format: Format, control: &Control, out: &mut String);
}

/// What the live path itself says to one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// First thing on every connection.
    Ready {
        /// Who is connected.
        user: UserId,
        /// The present history.
        epoch: Epoch,
        /// Seconds between data heartbeats.
        heartbeat_s: u64,
    },
    /// The room is being read from here on; what was missed follows, then live.
    Subscribed {
        /// The room.
        room: RoomId,
        /// Its head when the subscription began.
        head: Seq,
        /// The present history.
        epoch: Epoch,
    },
    /// The reader must load the room's newest page; live goes on after `head`.
    Resync {
        /// The room.
        room: RoomId,
        /// The position live continues after.
        head: Seq,
        /// The present history.
        epoch: Epoch,
    },
}

/// What arrives from connections. Implemented by `web`. Called on a shard thread: must
/// return at once and do the work elsewhere.
pub trait Inbound: Send + Sync {
    /// A whole text message. `Flow::Pause` stops reading from this connection until
    /// [`Live::resume`], which is how a client that outruns its commands is slowed down.
    fn text(&self, from: &Connected, text: String) -> Flow;
    /// The connection is gone; whatever waits for it may be dropped.
    fn closed(&self, connection: ConnectionId);
}

/// Whether to go on reading from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Wait for [`Live::resume`].
    Pause,
}

/// A connection, unique for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The connection.
    pub id: ConnectionId,
    /// Its user.
    pub user: UserId,
    /// What proved it; when that ends, the connection ends.
    pub credential: Credential,
    /// The shape it wants.
    pub format: Format,
}

/// An upgraded socket to take over.
#[derive(Debug)]
pub struct Adopt {
    /// The socket, after the 101 answer was written.
    pub socket: TcpStream,
    /// Bytes that arrived behind the handshake.
    pub leftover: Vec<u8>,
    /// Whether permessage-deflate without context takeover was agreed (RFC 7692).
    pub deflate: bool,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a socket is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A person's or program's live connection.
    Chat {
        /// Its user.
        user: UserId,
        /// What proved it.
        credential: Credential,
        /// The shape it wants.
        format: Format,
        /// Where it comes from, for limits.
        address: IpAddr,
        /// Rooms the user is a member of, with whether something is unread there already.
        watches: Vec<RoomId>,
    },
    /// Sends back what it gets, text and binary up to 32 MiB; the debug route.
    Echo,
}

/// What has ended. Acted on before the caller gets its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// A browser's session: its connections close with 4401.
    Session(SessionId),
    /// A token: its connections close with 4401.
    Token(TokenId),
    /// Everything of a user, with a close code.
    User(UserId, u16),
    /// A membership: the user's connections stop reading and watching the room.
    Membership(RoomId, UserId),
}

/// Bounds and rhythms. The defaults are the product's; tests shorten them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shard threads.
    pub shards: usize,
    /// Between data heartbeats (`heads`) and pings.
    pub heartbeat: Duration,
    /// A peer silent for so long is gone.
    pub reap_after: Duration,
    /// Time for the peer's echo of our close.
    pub close_wait: Duration,
    /// Frames kept per room.
    pub ring_frames: usize,
    /// Bytes kept per room, all formats together.
    pub ring_bytes: usize,
    /// How far behind a reader may fall before `resync`.
    pub lag_bytes: usize,
    /// Largest text message taken from a client.
    pub max_message_bytes: usize,
    /// Between comparisons of heads with the store.
    pub head_check: Duration,
    /// Sockets per user and per address; `None` lifts the limit (load tests).
    pub max_per_user: Option<usize>,
    /// See `max_per_user`.
    pub max_per_address: Option<usize>,
}

// --- Contract of the handle; the builder of this crate fills it and may move it. ---

/// The running live path. Cheap to clone.
#[derive(Clone)]
pub struct Live {}

/// Why a socket cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user or address has as many sockets as one may have.
    #[error("too many connections; the limit is {0}")]
    TooMany(usize),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl Live {
    /// Starts the shards and the head check. Must be called inside a tokio runtime.
    pub async fn start(
        config: Config,
        store: Arc<dyn store::Store>,
        render: Arc<dyn Render>,
    ) -> std::io::Result<Live> {
        todo!()
    }

    /// Sets who hears what clients say; once, before the first `adopt`.
    pub fn set_inbound(&self, inbound: Arc<dyn Inbound>) {
        todo!()
    }

    /// Whether another socket of this user and address would be taken; asked before the
    /// upgrade so that a refusal is an HTTP status.
    pub fn admits(&self, user: UserId, address: IpAddr) -> Result<(), Refused> {
        todo!()
    }

    /// Takes a socket over.
    pub fn adopt(&self, adopt: Adopt) -> Result<ConnectionId, Refused> {
        todo!()
    }

    /// Makes a connection a reader of `room`, from `after` if given. Sends `subscribed` or
    /// `resync`, what was missed, then live, without a hole. The caller has checked access
    /// and checks it again afterwards (a removal may fall in between).
    pub async fn subscribe(
        &self,
        connection: ConnectionId,
        room: RoomId,
        after: Option<Cursor>,
    ) -> store::Result<()> {
        todo!()
    }

    /// The connection stops reading `room`; it goes on watching if it did.
    pub fn unsubscribe(&self, connection: ConnectionId, room: RoomId) {
        todo!()
    }

    /// Sends one text message to one connection, behind what is under way to it.
    pub fn send(&self, connection: ConnectionId, text: &str) {
        todo!()
    }

    /// Reads on after `Flow::Pause`.
    pub fn resume(&self, connection: ConnectionId) {
        todo!()
    }

    /// Closes a connection with a code.
    pub fn close(&self, connection: ConnectionId, code: u16, reason: &'static str) {
        todo!()
    }

    /// A committed event. Never fails, never waits for a reader; repeats and disorder are
    /// sorted out by number, holes are read from the store.
    pub fn publish(&self, event: Event) {
        todo!()
    }

    /// A signal to the readers of a room, but the connections of `except`.
    pub fn signal_readers(&self, room: RoomId, signal: Signal, except: Option<UserId>) {
        todo!()
    }

    /// A signal to every connection of a user.
    pub fn signal_user(&self, user: UserId, signal: Signal) {
        todo!()
    }

    /// The user's receipt moved: their other devices and the room's readers are told, and
    /// the next message makes an unread signal again.
    pub fn receipt(&self, signal: Signal) {
        todo!()
    }

    /// Acts on the end of a right. Resolves when every shard has acted: no frame leaves
    /// afterwards.
    pub async fn revoke(&self, what: Revocation) {
        todo!()
    }

    /// The history changed: every reader of every room is told `resync`.
    pub async fn history_changed(&self) {
        todo!()
    }

    /// The present history.
    pub fn epoch(&self) -> Epoch {
        todo!()
    }

    /// Sockets now open.
    pub fn connections(&self) -> usize {
        todo!()
    }

    /// Closes all sockets with 1012, spread over `spread`, and stops the threads.
    pub async fn stop(&self, spread: Duration) {
        todo!()
    }
}
