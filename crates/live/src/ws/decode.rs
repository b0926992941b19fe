//! Reading frames: a state machine that takes bytes in any pieces.
//!
//! It fails as early as the bytes allow: a wrong header before its payload, a wrong byte
//! of a text before the rest of the text, a size before the memory is spent. After a
//! [`Failure`] the decoder is of no further use; the caller closes with its code.

use super::deflate::{InflateError, Inflater};
use super::{
    MAX_CONTROL_BYTES, OP_BINARY, OP_CLOSE, OP_CONTINUATION, OP_PING, OP_PONG, OP_TEXT, code,
    is_close_code,
};

/// A payload's announced length is not believed: memory is reserved in steps of this size.
const RESERVE_BYTES: usize = 16 * 1024;
/// Deflated data that does not shrink is a little longer than its source; so much more
/// than the limit may arrive before it is refused.
const DEFLATE_OVERHEAD_BYTES: usize = 1024;

/// What a decoder allows.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Largest message after reassembly and inflation.
    pub max_message_bytes: usize,
    /// Whether permessage-deflate was agreed.
    pub deflate: bool,
    /// Whether binary messages are taken; otherwise they fail with 1003.
    pub binary: bool,
}

/// Something whole that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping, to be answered with the same bytes.
    Ping(Vec<u8>),
    /// A pong.
    Pong,
    /// The peer's Close with its code, if it gave one. Nothing follows.
    Close(Option<u16>),
}

/// Why the connection has to be failed (RFC 6455 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The close code to send.
    pub code: u16,
    /// What was wrong, for the Close frame.
    pub reason: &'static str,
}

impl Failure {
    const fn protocol(reason: &'static str) -> Failure {
        Failure {
            code: code::PROTOCOL,
            reason,
        }
    }

    const TOO_BIG: Failure = Failure {
        code: code::TOO_BIG,
        reason: "message too big",
    };
    const NOT_UTF8: Failure = Failure {
        code: code::INVALID_DATA,
        reason: "text is not utf-8",
    };
    const BINARY: Failure = Failure {
        code: code::UNSUPPORTED,
        reason: "binary messages are not taken",
    };
}

/// Reads one connection's frames. Empty between messages: an idle connection keeps none
/// ([`Decoder::is_idle`]) and makes a new one, which costs nothing, when bytes arrive.
#[derive(Debug, Default)]
pub struct Decoder {
    header: [u8; 14],
    header_len: u8,
    frame: Option<Frame>,
    message: Option<Message>,
    /// Payload of a control frame under way; control frames may come between the
    /// fragments of a message, so it is apart from the message.
    control: Vec<u8>,
    is_closed: bool,
}

/// A frame whose header is complete.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    length: u64,
    done: u64,
}

/// A data message under way.
#[derive(Debug)]
struct Message {
    is_binary: bool,
    is_compressed: bool,
    bytes: Vec<u8>,
    /// So many bytes are known to be whole, valid UTF-8.
    valid: usize,
}

impl Decoder {
    /// A decoder between messages.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Whether it stands between messages and holds nothing worth keeping.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none() && !self.is_closed
    }

    /// Takes bytes from the front of `input` until something is whole (`Some`; the rest of
    /// `input` is left) or `input` is empty (`None`). After the peer's Close everything is
    /// swallowed.
    ///
    /// # Errors
    /// [`Failure`] with the code to close with.
    pub fn decode(
        &mut self,
        input: &mut &[u8],
        rules: &Rules,
        inflater: &mut Inflater,
    ) -> Result<Option<Incoming>, Failure> {
        if self.is_closed {
            *input = &[];
            return Ok(None);
        }
        loop {
            if self.frame.is_none() && !self.take_header(input, rules)? {
                return Ok(None);
            }
            let Some(mut frame) = self.frame.take() else {
                return Ok(None);
            };
            self.take_payload(&mut frame, input)?;
            if frame.done < frame.length {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(whole) = self.finish_frame(&frame, rules, inflater)? {
                return Ok(Some(whole));
            }
        }
    }

    /// Collects a header; true when it is complete and `self.frame` is set.
    fn take_header(&mut self, input: &mut &[u8], rules: &Rules) -> Result<bool, Failure> {
        loop {
            let have = usize::from(self.header_len);
            let need = if have < 2 {
                2
            } else {
                header_length(self.header[1])
            };
            if have >= need {
                break;
            }
            if input.is_empty() {
                return Ok(false);
            }
            let take = (need - have).min(input.len());
            let (now, rest) = input.split_at(take);
            self.header[have..have + take].copy_from_slice(now);
            *input = rest;
            self.header_len += take as u8;
            if have < 2 && self.header_len >= 2 {
                self.check_start(rules)?;
            }
        }
        self.header_len = 0;
        self.open_frame(rules)?;
        Ok(true)
    }

    /// What the first two bytes already tell.
    fn check_start(&self, rules: &Rules) -> Result<(), Failure> {
        let [first, second, ..] = self.header;
        let (fin, rsv1, opcode) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
        if first & 0x30 != 0 {
            return Err(Failure::protocol("reserved bit set"));
        }
        if rsv1 && !(rules.deflate && matches!(opcode, OP_TEXT | OP_BINARY)) {
            return Err(Failure::protocol("reserved bit set"));
        }
        if second & 0x80 == 0 {
            return Err(Failure::protocol("frame is not masked"));
        }
        match opcode {
            OP_CONTINUATION if self.message.is_none() => {
                Err(Failure::protocol("nothing to continue"))
            }
            OP_TEXT | OP_BINARY if self.message.is_some() => {
                Err(Failure::protocol("message inside a message"))
            }
            OP_BINARY if !rules.binary => Err(Failure::BINARY),
            OP_CONTINUATION | OP_TEXT | OP_BINARY => Ok(()),
            OP_CLOSE | OP_PING | OP_PONG => {
                if !fin {
                    Err(Failure::protocol("control frame is fragmented"))
                } else if usize::from(second & 0x7f) > MAX_CONTROL_BYTES {
                    Err(Failure::protocol("control frame is too long"))
                } else {
                    Ok(())
                }
            }
            _ => Err(Failure::protocol("reserved opcode")),
        }
    }

    /// Makes a frame of a complete header, checks its size and opens a message if it
    /// begins one.
    fn open_frame(&mut self, rules: &Rules) -> Result<(), Failure> {
        let header = &self.header;
        let (length, mask_at) = match header[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes([header[2], header[3]])), 4),
            127 => {
                let mut eight = [0; 8];
                eight.copy_from_slice(&header[2..10]);
                (u64::from_be_bytes(eight), 10)
            }
            short => (u64::from(short), 2),
        };
        // RFC 6455 §5.2: the shortest form must be used and the top bit must be clear.
        let shortest = match mask_at {
            4 => length > 125,
            10 => length > 0xffff && length >> 63 == 0,
            _ => true,
        };
        if !shortest {
            return Err(Failure::protocol("frame length is not minimal"));
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&header[mask_at..mask_at + 4]);
        let frame = Frame {
            opcode: header[0] & 0x0f,
            fin: header[0] & 0x80 != 0,
            mask,
            length,
            done: 0,
        };
        if matches!(frame.opcode, OP_TEXT | OP_BINARY) {
            self.message = Some(Message {
                is_binary: frame.opcode == OP_BINARY,
                is_compressed: header[0] & 0x40 != 0,
                bytes: Vec::new(),
                valid: 0,
            });
        }
        if let Some(message) = &self.message
            && frame.opcode < OP_CLOSE
        {
            let spare = if message.is_compressed {
                DEFLATE_OVERHEAD_BYTES
            } else {
                0
            };
            let room = (rules.max_message_bytes + spare).saturating_sub(message.bytes.len());
            if length > room as u64 {
                return Err(Failure::TOO_BIG);
            }
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// Unmasks what there is of the frame's payload.
    fn take_payload(&mut self, frame: &mut Frame, input: &mut &[u8]) -> Result<(), Failure> {
        let left = frame.length - frame.done;
        let take = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let (now, rest) = input.split_at(take);
        *input = rest;
        if frame.opcode >= OP_CLOSE {
            unmask_into(&mut self.control, now, frame.mask, frame.done);
        } else if let Some(message) = &mut self.message {
            if message.bytes.capacity() - message.bytes.len() < take {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX);
                message.bytes.reserve(wanted.min(take.max(RESERVE_BYTES)));
            }
            unmask_into(&mut message.bytes, now, frame.mask, frame.done);
            let is_whole = frame.fin && frame.done + take as u64 == frame.length;
            // A whole message is checked once, when it becomes a String.
            if !message.is_binary && !message.is_compressed && !is_whole {
                message.check_utf8()?;
            }
        }
        frame.done += take as u64;
        Ok(())
    }

    fn finish_frame(
        &mut self,
        frame: &Frame,
        rules: &Rules,
        inflater: &mut Inflater,
    ) -> Result<Option<Incoming>, Failure> {
        match frame.opcode {
            OP_PING => Ok(Some(Incoming::Ping(std::mem::take(&mut self.control)))),
            OP_PONG => {
                self.control = Vec::new();
                Ok(Some(Incoming::Pong))
            }
            OP_CLOSE => {
                let code = close_code(&std::mem::take(&mut self.control))?;
                self.is_closed = true;
                self.message = None;
                Ok(Some(Incoming::Close(code)))
            }
            _ if !frame.fin => Ok(None),
            _ => {
                let Some(message) = self.message.take() else {
                    return Ok(None);
                };
                message.finish(rules, inflater).map(Some)
            }
        }
    }
}

impl Message {
    /// Checks what was added since the last time. An unfinished code point at the end is
    /// fine as long as some next byte can still make it valid.
    fn check_utf8(&mut self) -> Result<(), Failure> {
        match std::str::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(Failure::NOT_UTF8),
        }
        Ok(())
    }

    fn finish(self, rules: &Rules, inflater: &mut Inflater) -> Result<Incoming, Failure> {
        let bytes = if self.is_compressed {
            inflater
                .inflate(&self.bytes, rules.max_message_bytes)
                .map_err(|error| match error {
                    InflateError::TooBig => Failure::TOO_BIG,
                    InflateError::Corrupt => Failure {
                        code: code::INVALID_DATA,
                        reason: "deflated data is damaged",
                    },
                })?
        } else {
            self.bytes
        };
        if self.is_binary {
            return Ok(Incoming::Binary(bytes));
        }
        String::from_utf8(bytes)
            .map(Incoming::Text)
            .map_err(|_| Failure::NOT_UTF8)
    }
}

/// Length of the whole header, told by its second byte.
fn header_length(second: u8) -> usize {
    match second & 0x7f {
        126 => 8,
        127 => 14,
        _ => 6,
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Failure> {
    match payload {
        [] => Ok(None),
        [_] => Err(Failure::protocol("close code is cut")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_close_code(code) {
                return Err(Failure::protocol("close code is not allowed"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Failure::NOT_UTF8);
            }
            Ok(Some(code))
        }
    }
}

/// Appends `masked` to `target`, unmasked; `done` bytes of the frame came before.
fn unmask_into(target: &mut Vec<u8>, masked: &[u8], mask: [u8; 4], done: u64) {
    let start = target.len();
    target.extend_from_slice(masked);
    let mut turned = mask;
    turned.rotate_left((done % 4) as usize);
    let word = u32::from_ne_bytes(turned);
    let wide = (u64::from(word) << 32) | u64::from(word);
    let mut chunks = target[start..].chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (at, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= turned[at % 4];
    }
}
