//! RFC 7692: negotiation, compressed messages, bombs.

use flate2::{Compress, Compression, FlushCompress};

use super::{RULES, masked, read, text};
use crate::ws::{Incoming, Rules, deflated_frame, frame_payload, negotiate_deflate, text_frame};

const DEFLATE: Rules = Rules {
    deflate: true,
    ..RULES
};

fn check(stream: &[u8], seen: &[Incoming], code: Option<u16>) {
    let (got, failure) = read(stream, &DEFLATE);
    assert_eq!(got, seen);
    assert_eq!(failure.map(|failure| failure.code), code);
}

/// As a client does it, at any level and flush.
fn deflate(payload: &[u8], level: u32, flush: FlushCompress) -> Vec<u8> {
    let mut state = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(payload.len() + 1_000);
    state.compress_vec(payload, &mut out, flush).unwrap();
    assert_eq!(state.total_in(), payload.len() as u64);
    if let Some(cut) = out.strip_suffix(&[0, 0, 0xff, 0xff]) {
        return cut.to_vec();
    }
    out
}

#[test]
fn offers_are_answered_by_the_rules() {
    const PLAIN: Option<&str> =
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    const WINDOW: Option<&str> = Some(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=15",
    );
    let cases = [
        ("", None),
        ("permessage-deflate", PLAIN),
        ("Permessage-Deflate", PLAIN),
        (" permessage-deflate ; client_max_window_bits ", PLAIN),
        ("permessage-deflate; client_max_window_bits=8", PLAIN),
        ("permessage-deflate; client_max_window_bits=\"10\"", PLAIN),
        ("permessage-deflate; server_no_context_takeover", PLAIN),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            PLAIN,
        ),
        ("permessage-deflate; server_max_window_bits=15", WINDOW),
        ("permessage-deflate; server_max_window_bits=\"15\"", WINDOW),
        // A smaller window than we have, alone and with a fallback.
        ("permessage-deflate; server_max_window_bits=10", None),
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            PLAIN,
        ),
        // Wrong values, unknown and doubled parameters.
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=015", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; client_max_window_bits=16", None),
        ("permessage-deflate; client_max_window_bits=", None),
        ("permessage-deflate; client_max_window_bits=\"15", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; client_no_context_takeover=true", None),
        ("permessage-deflate; unknown", None),
        (
            "permessage-deflate; unknown=\"a;b,c\", permessage-deflate",
            PLAIN,
        ),
        (
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            None,
        ),
        ("permessage-deflate;", None),
        // Other extensions.
        ("x-webkit-deflate-frame", None),
        (
            "permessage-bzip2, permessage-deflate; client_max_window_bits",
            PLAIN,
        ),
        ("permessage-deflate-not", None),
        (",,;;==\"", None),
    ];
    for (offer, answer) in cases {
        assert_eq!(negotiate_deflate(offer), answer, "{offer}");
    }
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let hello = [text("Hello")];
    // §7.2.3.1: one block; §7.2.3.2: no compression; §7.2.3.4: BFINAL; §7.2.3.5: two blocks.
    let one = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    check(&masked(0xc1, &one), &hello, None);
    let stored = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    check(&masked(0xc1, &stored), &hello, None);
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    check(&masked(0xc1, &last), &hello, None);
    let two = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    check(&masked(0xc1, &two), &hello, None);
    // Fragmented: RSV1 is on the first frame alone.
    let cut = [
        masked(0x41, &one[..3]),
        masked(0x89, b""),
        masked(0x80, &one[3..]),
    ]
    .concat();
    check(&cut, &[Incoming::Ping(Vec::new()), text("Hello")], None);
    // An empty message, and an uncompressed one on the same connection.
    check(&masked(0xc1, &[0]), &[text("")], None);
    check(&masked(0xc1, &[]), &[text("")], None);
    check(&masked(0x81, b"Hello"), &hello, None);
    // No context is kept: the same message twice reads twice.
    check(
        &[masked(0xc1, &one), masked(0xc1, &one)].concat(),
        &[text("Hello"), text("Hello")],
        None,
    );
}

#[test]
fn every_level_and_flush_is_read() {
    let mut long = String::new();
    for number in 0..5_000 {
        long += &format!("{number} and ");
    }
    for content in ["", "a", "Hällo", &"abc".repeat(3_000), &long] {
        for level in [0, 1, 6, 9] {
            for flush in [
                FlushCompress::Sync,
                FlushCompress::Full,
                FlushCompress::Finish,
            ] {
                let small = deflate(content.as_bytes(), level, flush);
                check(&masked(0xc1, &small), &[text(content)], None);
            }
        }
    }
    let binary: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    let small = deflate(&binary, 6, FlushCompress::Sync);
    check(&masked(0xc2, &small), &[Incoming::Binary(binary)], None);
}

#[test]
fn the_reserved_bit_has_its_place() {
    let one = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let (_, failure) = read(&masked(0xc1, &one), &RULES);
    assert_eq!(
        failure.map(|failure| failure.code),
        Some(1002),
        "not agreed"
    );
    for first in [0xc8, 0xc9, 0xca] {
        check(&masked(first, b""), &[], Some(1002));
    }
    let cut = [masked(0x41, &one[..3]), masked(0xc0, &one[3..])].concat();
    check(&cut, &[], Some(1002));
    for first in [0xa1, 0x91, 0xe1, 0xd1] {
        check(&masked(first, b""), &[], Some(1002));
    }
}

#[test]
fn damaged_data_and_wrong_text_are_invalid() {
    check(&masked(0xc1, &[0xff; 40]), &[], Some(1007));
    check(&masked(0xc1, &[0x07]), &[], Some(1007));
    let wrong = deflate(b"\xff\xfe", 6, FlushCompress::Sync);
    check(&masked(0xc1, &wrong), &[], Some(1007));
    check(
        &masked(0xc2, &wrong),
        &[Incoming::Binary(vec![0xff, 0xfe])],
        None,
    );
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let limit = RULES.max_message_bytes;
    let exact = deflate(&vec![b'a'; limit], 9, FlushCompress::Sync);
    assert!(exact.len() < 1_000);
    check(&masked(0xc1, &exact), &[text(&"a".repeat(limit))], None);
    let over = deflate(&vec![b'a'; limit + 1], 9, FlushCompress::Sync);
    check(&masked(0xc1, &over), &[], Some(1009));
    let bomb = deflate(&vec![0; 50_000_000], 9, FlushCompress::Sync);
    assert!(bomb.len() < 60_000);
    check(&masked(0xc2, &bomb), &[], Some(1009));
    // What does not shrink may be a little longer than the limit on the wire.
    let stored = deflate(&vec![b'a'; limit], 0, FlushCompress::Sync);
    assert!(stored.len() > limit);
    check(&masked(0xc1, &stored), &[text(&"a".repeat(limit))], None);
}

#[test]
fn our_frames_are_deflated_only_when_that_helps() {
    assert_eq!(deflated_frame(&text_frame("short")), None);
    let noise: String = (0..300_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 16) as u8 % 90))
        .collect();
    let maybe = deflated_frame(&text_frame(&noise));
    assert!(maybe.is_none_or(|frame| frame.len() < noise.len() + 4));
    for size in [100, 1_000, 99_000] {
        let content = "chat, chat, chat. ".repeat(size / 18 + 1);
        let plain = text_frame(&content);
        let small = deflated_frame(&plain).unwrap();
        assert!(small.len() < plain.len());
        assert_eq!(small[0], 0xc1);
        check(
            &masked(0xc1, frame_payload(&small)),
            &[text(&content)],
            None,
        );
    }
}
