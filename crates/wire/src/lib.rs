//! What Parlour says to other programs, and what they may say to it: the types of the REST
//! API and of the JSON socket.
//!
//! Serde types and their descriptions only: no logic, no I/O, nothing of the server. The
//! server converts its own types to these, the terminal client and the load tester read
//! them back. A newcomer's mistake would be to let these types follow an internal change:
//! they are the public contract, and change only with it.

pub mod list;
pub mod messages;
pub mod people;
pub mod problem;
pub mod rooms;
pub mod socket;
pub mod tokens;

pub use list::List;
pub use messages::{EditMessage, Message, PostMessage, Quote, Reaction, ReadBy};
pub use people::{Kind, NewState, Person, ResetLink, Role, SetState, User, UserState};
pub use problem::{FieldProblem, Problem};
pub use rooms::{ChangeRoom, CreateRoom, Member, MemberRole, Position, Room, RoomKind};
pub use socket::{ClientOp, RoomChanges, ServerEvent};
pub use tokens::{CreateToken, NewToken, Scope, Session, Token};
