//! What is kept, in whole operations.
//!
//! A method is one operation with its transaction inside (`append_message`,
//! `room_page`), never a row for the caller to combine. Each feature has a trait; [`Store`]
//! joins them. There is no mock: tests use SQLite. [`conformance`] is the list of cases
//! that every backend must pass.

pub mod conformance;
mod error;
mod house;
mod jobs;
mod members;
mod messages;
pub mod postgres;
mod rooms;
mod sessions;
pub mod sqlite;
mod transfer;
mod users;

pub use error::{Conflict, Result, StoreError};
pub use house::{Audit, AuditEntry, House, Notice, NoticeKind};
pub use jobs::{Job, JobKind, Jobs};
pub use members::{Joined, Left, Member, Members, Receipt, UnreadCount};
pub use messages::{
    Appended, EditMessage, EditVersion, MessageFacts, Messages, NewMessage, PageAnchor, RoomPage,
};
pub use rooms::{ChangeRoom, CreateRoom, RoomFacts, RoomListFilter, RoomListed, Rooms};
pub use sessions::{
    NewSession, NewToken, SessionInfo, SessionStanding, Sessions, TokenInfo, TokenStanding,
};
pub use transfer::{Answered, Imported, ImportedMessage, Transfer};
pub use users::{Attempts, Credentials, NewUser, PasswordReset, UserListFilter, UserUpdate, Users};

/// Everything a backend offers. Shared as `Arc<dyn Store>`.
pub trait Store: Rooms + Members + Messages + Users + Sessions + Jobs + House + Transfer {}

impl<T> Store for T where T: Rooms + Members + Messages + Users + Sessions + Jobs + House + Transfer {}
