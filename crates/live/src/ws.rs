//! The WebSocket codec: RFC 6455 and permessage-deflate (RFC 7692), server side, sans I/O.
//!
//! Bytes go in, messages and verdicts come out; nothing here knows sockets, rooms or time.
//! The handshake is the HTTP server's work, except for [`negotiate_deflate`].
//!
//! The one thing to know: compression never keeps context between messages, in neither
//! direction. That is what lets one deflated frame be shared by every reader of a room,
//! and what makes an idle connection cost nothing.

mod decode;
mod deflate;
mod encode;
mod negotiate;
#[cfg(test)]
pub(crate) mod tests;

pub use decode::{Decoder, Failure, Incoming, Rules};
pub use deflate::Inflater;
pub(crate) use encode::frame_length;
pub use encode::{
    binary_frame, close_frame, deflated_frame, frame_payload, ping_frame, pong_frame, text_frame,
};
pub use negotiate::negotiate_deflate;

/// Close codes of RFC 6455 §7.4 that the codec itself uses.
pub mod code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A kind of data this endpoint does not take.
    pub const UNSUPPORTED: u16 = 1003;
    /// A text that is not UTF-8, or deflated data that does not inflate.
    pub const INVALID_DATA: u16 = 1007;
    /// A message above the limit.
    pub const TOO_BIG: u16 = 1009;
}

/// Whether a peer may send `code` in a Close frame: the defined ones, the registered
/// 1012–1014, libraries' 3000–3999 and private 4000–4999. 1005, 1006 and 1015 are words of
/// an API, never of the wire.
#[must_use]
pub fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const OP_CONTINUATION: u8 = 0x0;
const OP_TEXT: u8 = 0x1;
const OP_BINARY: u8 = 0x2;
const OP_CLOSE: u8 = 0x8;
const OP_PING: u8 = 0x9;
const OP_PONG: u8 = 0xA;

/// Longest payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL_BYTES: usize = 125;
