//! Writing frames: unmasked, whole, ready to be shared.

use bytes::Bytes;

use super::deflate::deflate;
use super::{MAX_CONTROL_BYTES, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A text message in one frame.
#[must_use]
pub fn text_frame(text: &str) -> Bytes {
    frame(FIN | OP_TEXT, text.as_bytes())
}

/// A binary message in one frame.
#[must_use]
pub fn binary_frame(payload: &[u8]) -> Bytes {
    frame(FIN | OP_BINARY, payload)
}

/// The same message with its payload deflated; `None` when that would not be shorter.
/// `plain` is a frame made by [`text_frame`] or [`binary_frame`].
#[must_use]
pub fn deflated_frame(plain: &Bytes) -> Option<Bytes> {
    let payload = deflate(frame_payload(plain))?;
    let first = plain.first()?;
    Some(frame(first | RSV1, &payload))
}

/// A ping; a peer that lives answers with the same bytes. At most 125 are used.
#[must_use]
pub fn ping_frame(payload: &[u8]) -> Bytes {
    frame(FIN | OP_PING, short(payload))
}

/// The answer to a ping.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Bytes {
    frame(FIN | OP_PONG, short(payload))
}

/// A Close, empty without a code. A reason that would not fit is cut between characters.
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> Bytes {
    let Some(code) = code else {
        return frame(FIN | OP_CLOSE, &[]);
    };
    let mut end = reason.len().min(MAX_CONTROL_BYTES - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(FIN | OP_CLOSE, &payload)
}

/// The payload of a frame this module made.
#[must_use]
pub fn frame_payload(frame: &[u8]) -> &[u8] {
    let at = match frame.get(1).map(|second| second & 0x7f) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(at..).unwrap_or_default()
}

/// The whole length of the first frame in `frames`, which this module made.
#[must_use]
pub(crate) fn frame_length(frames: &[u8]) -> usize {
    let short = frames.get(1).copied().unwrap_or(0) & 0x7f;
    match (short, frames) {
        (126, [_, _, high, low, ..]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        (127, [_, _, eight @ ..]) => {
            let length = eight
                .first_chunk()
                .map_or(0, |eight| u64::from_be_bytes(*eight));
            usize::try_from(length)
                .unwrap_or(frames.len())
                .saturating_add(10)
        }
        (length, _) => 2 + usize::from(length),
    }
}

fn short(payload: &[u8]) -> &[u8] {
    payload.get(..MAX_CONTROL_BYTES).unwrap_or(payload)
}

fn frame(first: u8, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(first);
    let length = payload.len();
    if length < 126 {
        out.push(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    out.extend_from_slice(payload);
    // Frames live long in room logs; the spare capacity would too.
    out.shrink_to_fit();
    Bytes::from(out)
}
