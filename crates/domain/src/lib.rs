//! Pure and synchronous: what exists in Parlour and what is allowed.
//!
//! No I/O, no clock, no async. Everything here can be tested without a runtime, and every
//! other crate speaks in these types. A newcomer looking for *how* something is stored,
//! sent or shown is in the wrong crate: this one only says what it is.

#![warn(missing_docs)]

pub mod actor;
pub mod events;
pub mod ids;
pub mod invalid;
pub mod markup;
pub mod members;
pub mod messages;
pub mod passwords;
pub mod policy;
pub mod rooms;
pub mod search;
mod text;
pub mod time;
pub mod users;

pub use actor::{Actor, Scope, Scopes};
pub use events::{Event, EventKind, JoinReason, LeaveReason, RoomChanges, Signal};
pub use ids::{Cursor, Epoch, MessageId, Nonce, RoomId, Seq, SessionId, TokenId, UserId};
pub use invalid::Invalid;
pub use members::{Involvement, MemberRole, Membership};
pub use messages::{Author, Body, Message, Origin, Quote};
pub use rooms::{Room, RoomKind, RoomName, RoomRef, Slug, Topic};
pub use time::Time;
pub use users::{DisplayName, Role, User, UserKind, UserState, Username};
