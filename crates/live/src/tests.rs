//! The whole live path with real sockets and a real SQLite store.
//!
//! The renderer writes one short line per fact, so that a test reads like what a client
//! sees: `1:5 message.posted hello`.

mod closing;
mod joining;
mod revoking;
mod ring;
mod slow;
mod sockets;
mod support;
mod unread;
