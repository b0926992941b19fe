//! The live path: makes the truth arrive early.
//!
//! Room logs, shards that own all sockets, frames encoded once, presence of readers. The
//! database is the truth; everything here may be lost, repeated or late and is repaired
//! by number. It knows neither HTML nor JSON ([`Render`] does) nor what clients may say
//! ([`Inbound`] does), and it never decides permissions: callers subscribe a connection
//! only after `chat::access` has agreed.

//!
//! The one thing a newcomer would get wrong: frames are never queued per reader. A reader
//! is a position in its room's log (`room_log`), and a shard (`shard`) writes from there.

pub mod bus;
mod config;
mod context;
mod doubts;
mod frames;
mod handle;
mod inbox;
mod join;
mod limits;
mod repair;
mod room_log;
mod rooms;
mod run;
mod shard;
#[cfg(test)]
mod tests;
mod unread;
pub mod ws;

use std::net::{IpAddr, TcpStream};

use domain::actor::Credential;
use domain::{Epoch, Event, RoomId, Seq, SessionId, Signal, TokenId, UserId};

pub use config::Config;
pub use handle::Live;

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
///
/// Writing nothing means that this format has no frame for the fact: nothing is sent.
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

/// Why a socket cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user or address has as many sockets as one may have.
    #[error("too many connections; the limit is {0}")]
    TooMany(usize),
    /// The session or token ended between the check and the upgrade.
    #[error("signed out")]
    SignedOut,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}
