//! Against a second implementation: tungstenite in the server's role must see the same
//! messages and come to the same verdict, on streams that are right and on broken ones.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::{RULES, masked, read_in_steps};
use crate::ws::Incoming;

/// What is said, and how it ended.
#[derive(Debug, PartialEq)]
struct Verdict {
    seen: Vec<Incoming>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    /// More could come.
    Open,
    Broken,
    TooBig,
}

/// A stream whose bytes end like a connection that is silent.
struct Given(Cursor<Vec<u8>>);

impl Read for Given {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Given {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(stream: &[u8]) -> Verdict {
    let config = WebSocketConfig::default()
        .max_message_size(Some(RULES.max_message_bytes))
        .max_frame_size(Some(RULES.max_message_bytes));
    let given = Given(Cursor::new(stream.to_vec()));
    let mut socket = WebSocket::from_raw_socket(given, Role::Server, Some(config));
    let mut seen = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(Message::Text(text)) => seen.push(Incoming::Text(text.to_string())),
            Ok(Message::Binary(bytes)) => seen.push(Incoming::Binary(bytes.to_vec())),
            Ok(Message::Ping(bytes)) => seen.push(Incoming::Ping(bytes.to_vec())),
            Ok(Message::Pong(_)) => seen.push(Incoming::Pong),
            Ok(Message::Close(frame)) => {
                seen.push(Incoming::Close(frame.map(|frame| frame.code.into())));
                break End::Open;
            }
            Ok(Message::Frame(_)) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break End::Open,
            Err(Error::ConnectionClosed) => break End::Open,
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => break End::TooBig,
            Err(_) => break End::Broken,
        }
    };
    Verdict { seen, end }
}

fn ours(stream: &[u8], step: usize) -> Verdict {
    let (seen, failure) = read_in_steps(stream, step, &RULES);
    let end = match failure {
        None => End::Open,
        Some(failure) if failure.code == 1009 => End::TooBig,
        Some(_) => End::Broken,
    };
    Verdict { seen, end }
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => Just(0x81_u8), 3 => Just(0x01), 3 => Just(0x00), 3 => Just(0x80),
        2 => Just(0x82), 1 => Just(0x02), 1 => Just(0x89), 1 => Just(0x8a),
    ];
    let payload = prop_oneof![
        3 => "\\PC{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (120..130_usize).prop_map(|size| vec![b'x'; size]),
        1 => (65_530..65_540_usize).prop_map(|size| vec![b'y'; size]),
    ];
    (first, payload).prop_map(|(first, mut payload)| {
        if first >= 0x88 {
            payload.truncate(125);
        }
        masked(first, &payload)
    })
}

/// Where the two may differ: we fail earlier or are stricter, never later or laxer.
fn agree(stream: &[u8], step: usize) -> Result<(), TestCaseError> {
    let (ours, theirs) = (ours(stream, step), theirs(stream));
    if ours == theirs {
        return Ok(());
    }
    // A frame that both refuse, with another word for it: size or shape first.
    let both_refuse = ours.end != End::Open && theirs.end != End::Open;
    // We refuse more: lengths that are not minimal, wrong text before its end, reserved
    // close codes.
    let we_refuse_earlier = ours.end != End::Open && theirs.seen.starts_with(&ours.seen);
    prop_assert!(
        (both_refuse && ours.seen == theirs.seen) || we_refuse_earlier,
        "ours {:?} theirs {:?}",
        ours,
        theirs
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn right_streams_say_the_same(
        messages in proptest::collection::vec("\\PC{0,300}", 1..12),
        cuts in proptest::collection::vec(1..40_usize, 1..12),
        step in 1..50_usize,
    ) {
        let mut stream = Vec::new();
        for (message, cut) in messages.iter().zip(cuts.iter().cycle()) {
            let pieces: Vec<&[u8]> = message.as_bytes().chunks(*cut).collect();
            let last = pieces.len().saturating_sub(1);
            if pieces.is_empty() {
                stream.extend(masked(0x81, b""));
            }
            for (at, piece) in pieces.iter().enumerate() {
                let first = u8::from(at == 0) | if at == last { 0x80 } else { 0 };
                stream.extend(masked(first, piece));
                if at % 3 == 1 {
                    stream.extend(masked(0x89, b"ping"));
                }
            }
        }
        let (ours, theirs) = (ours(&stream, step), theirs(&stream));
        prop_assert_eq!(&ours, &theirs);
        let texts: Vec<_> = ours.seen.iter().filter_map(|incoming| match incoming {
            Incoming::Text(text) => Some(text.as_str()),
            _ => None,
        }).collect();
        prop_assert_eq!(texts, messages);
    }

    #[test]
    fn random_frames_get_the_same_verdict(
        frames in proptest::collection::vec(frame(), 1..8),
        step in 1..100_usize,
    ) {
        agree(&frames.concat(), step)?;
    }

    #[test]
    fn broken_streams_get_the_same_verdict(
        frames in proptest::collection::vec(frame(), 1..5),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        step in 1..100_usize,
    ) {
        let mut stream = frames.concat();
        for (at, value) in flips {
            // Mostly in headers, where it hurts.
            let at = at.index(stream.len());
            stream[at] ^= value;
        }
        agree(&stream, step)?;
    }
}
