//! RFC 6455 frames as a client needs them: masked out, unmasked in.
//!
//! Not a complete endpoint: Parlour does not fragment what it sends, so a fragment, an
//! extension bit or a masked frame from the server is an error of the run. A frame is
//! borrowed from the read buffer; copying ten thousand of them would cost more than
//! reading them.

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'b> {
    /// A whole text message.
    Text(&'b [u8]),
    /// To be answered with the same payload.
    Ping(&'b [u8]),
    /// Nothing to do.
    Pong,
    /// The end, with its code if one was given.
    Close(Option<u16>),
}

/// Why bytes are no frame that a Parlour server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// An extension bit that was not negotiated.
    Reserved,
    /// Servers do not mask.
    Masked,
    /// A fragment, binary data or an unknown opcode.
    Opcode(u8),
    /// A length this client does not believe.
    TooLong(u64),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reserved => write!(f, "a frame with a reserved bit set"),
            Self::Masked => write!(f, "a masked frame from the server"),
            Self::Opcode(code) => write!(f, "an unexpected opcode {code:#x}"),
            Self::TooLong(len) => write!(f, "a frame of {len} bytes; the limit is 16 MiB"),
        }
    }
}

impl std::error::Error for FrameError {}

const MAX_PAYLOAD_BYTES: u64 = 16 << 20;

/// The first frame in `bytes` and how many bytes it took; `None` when it is not all there.
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let (len, rest) = match (second & 0x7f, rest) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
        (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
        }
        (126 | 127, _) => return Ok(None),
        (short, rest) => (u64::from(short), rest),
    };
    if len > MAX_PAYLOAD_BYTES {
        return Err(FrameError::TooLong(len));
    }
    let Some((payload, after)) = rest.split_at_checked(len as usize) else {
        return Ok(None);
    };
    let frame = match first {
        0x81 => Frame::Text(payload),
        0x88 => Frame::Close(match payload {
            [a, b, ..] => Some(u16::from_be_bytes([*a, *b])),
            _ => None,
        }),
        0x89 => Frame::Ping(payload),
        0x8a => Frame::Pong,
        other => return Err(FrameError::Opcode(*other)),
    };
    Ok(Some((frame, bytes.len() - after.len())))
}

/// Appends a masked frame of `opcode` (1 text, 8 close, 10 pong) to `out`.
pub fn put_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    put_header(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
}

/// Appends an unmasked text frame to `out`, as a server does.
pub fn put_text(out: &mut Vec<u8>, payload: &[u8]) {
    put_header(out, 1, payload.len(), 0);
    out.extend_from_slice(payload);
}

fn put_header(out: &mut Vec<u8>, opcode: u8, len: usize, mask_bit: u8) {
    out.push(0x80 | opcode);
    if len < 126 {
        out.push(mask_bit | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(mask_bit | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(mask_bit | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_length_class_is_read_back_and_never_early() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; len];
            let mut bytes = Vec::new();
            put_text(&mut bytes, &payload);
            for cut in [0, 1, 2, 3, 9, bytes.len() - 1] {
                if cut < bytes.len() {
                    assert_eq!(next_frame(&bytes[..cut]), Ok(None), "{len} cut at {cut}");
                }
            }
            let whole = bytes.len();
            bytes.extend_from_slice(b"\x8a\x00");
            assert_eq!(
                next_frame(&bytes),
                Ok(Some((Frame::Text(&payload), whole))),
                "{len}"
            );
            assert_eq!(next_frame(&bytes[whole..]), Ok(Some((Frame::Pong, 2))));
        }
    }

    #[test]
    fn control_frames_and_refusals() {
        fn check(bytes: &[u8], expected: &Result<Frame<'_>, FrameError>) {
            let got = next_frame(bytes).map(|f| f.unwrap().0);
            assert_eq!(&got, expected, "{bytes:x?}");
        }
        check(b"\x88\x02\x03\xf4", &Ok(Frame::Close(Some(1012))));
        check(b"\x88\x00", &Ok(Frame::Close(None)));
        check(b"\x89\x02hi", &Ok(Frame::Ping(b"hi")));
        check(b"\xc1\x00", &Err(FrameError::Reserved));
        check(b"\x81\x80\0\0\0\0", &Err(FrameError::Masked));
        check(b"\x01\x00", &Err(FrameError::Opcode(0x01)));
        check(b"\x82\x00", &Err(FrameError::Opcode(0x82)));
        check(
            b"\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00",
            &Err(FrameError::TooLong(1 << 32)),
        );
    }

    #[test]
    fn what_goes_out_is_masked_as_the_standard_shows() {
        // The example of RFC 6455 section 5.7.
        let mut out = Vec::new();
        put_masked(&mut out, 1, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }
}
