//! The case classes of RFC 6455 and RFC 7692 as tables.

mod deflate;
mod differ;
mod framing;

use super::{Decoder, Failure, Incoming, Inflater, Rules};

pub(super) const RULES: Rules = Rules {
    max_message_bytes: 100_000,
    deflate: false,
    binary: true,
};

/// A client's frame.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// What a whole stream says, delivered in pieces of `step` bytes: everything up to the
/// failure, if there is one.
pub(super) fn read_in_steps(
    stream: &[u8],
    step: usize,
    rules: &Rules,
) -> (Vec<Incoming>, Option<Failure>) {
    let mut decoder = Decoder::new();
    let mut inflater = Inflater::new();
    let mut seen = Vec::new();
    for piece in stream.chunks(step.max(1)) {
        let mut input = piece;
        loop {
            match decoder.decode(&mut input, rules, &mut inflater) {
                Ok(Some(incoming)) => seen.push(incoming),
                Ok(None) => break,
                Err(failure) => return (seen, Some(failure)),
            }
        }
        assert!(input.is_empty(), "without a message all input is taken");
    }
    (seen, None)
}

/// As above, with every way to cut the stream agreeing.
pub(super) fn read(stream: &[u8], rules: &Rules) -> (Vec<Incoming>, Option<Failure>) {
    let whole = read_in_steps(stream, stream.len(), rules);
    for step in [1, 2, 3, 7, 64] {
        if stream.len() / step > 20_000 {
            continue;
        }
        let cut = read_in_steps(stream, step, rules);
        assert_eq!(cut, whole, "in steps of {step}");
    }
    whole
}

pub(super) fn text(text: &str) -> Incoming {
    Incoming::Text(text.to_owned())
}
