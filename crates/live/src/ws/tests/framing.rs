//! RFC 6455: frames, fragments, control frames, UTF-8, closing, sizes.

use super::{RULES, masked, read, read_in_steps, text};
use crate::ws::{Decoder, Incoming, Inflater, Rules, is_close_code};
use crate::ws::{binary_frame, close_frame, frame_length, frame_payload, ping_frame, text_frame};

/// First bytes and payloads of frames.
type Frames = &'static [(u8, &'static str)];

fn check(stream: &[u8], seen: &[Incoming], code: Option<u16>) {
    let (got, failure) = read(stream, &RULES);
    assert_eq!(got, seen);
    assert_eq!(failure.map(|failure| failure.code), code);
}

#[test]
fn every_size_is_read_and_written() {
    for size in [
        0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537, 100_000,
    ] {
        let content = "*".repeat(size);
        let binary = vec![0xfe; size];
        check(&masked(0x81, content.as_bytes()), &[text(&content)], None);
        check(
            &masked(0x82, &binary),
            &[Incoming::Binary(binary.clone())],
            None,
        );
        for frame in [text_frame(&content), binary_frame(&binary)] {
            assert_eq!(frame_length(&frame), frame.len());
            assert_eq!(frame_payload(&frame).len(), size);
            let header = frame.len() - size;
            assert_eq!(
                header,
                [2, 4, 10][usize::from(size > 125) + usize::from(size > 65_535)]
            );
        }
    }
}

#[test]
fn many_messages_in_one_piece_are_many_messages() {
    let mut stream = Vec::new();
    let mut seen = Vec::new();
    for number in 0..200 {
        let content = format!("message {number}");
        stream.extend(masked(0x81, content.as_bytes()));
        seen.push(text(&content));
    }
    check(&stream, &seen, None);
}

#[test]
fn fragments_make_one_message_and_control_frames_may_come_between() {
    let hello = text("hello world");
    let only = std::slice::from_ref(&hello);
    let ping = Incoming::Ping(b"p".to_vec());
    let cases: [(Frames, &[Incoming]); 8] = [
        (&[(0x01, "hello "), (0x80, "world")], only),
        (&[(0x01, "hello world"), (0x80, "")], only),
        (&[(0x01, ""), (0x80, "hello world")], only),
        (
            &[
                (0x01, ""),
                (0x00, ""),
                (0x00, "hello world"),
                (0x00, ""),
                (0x80, ""),
            ],
            only,
        ),
        (
            &[(0x01, "hello "), (0x89, "p"), (0x80, "world")],
            &[ping.clone(), hello.clone()],
        ),
        (
            &[
                (0x01, "hello "),
                (0x89, "p"),
                (0x8a, "x"),
                (0x00, "wor"),
                (0x89, "p"),
                (0x80, "ld"),
            ],
            &[ping.clone(), Incoming::Pong, ping.clone(), hello.clone()],
        ),
        (
            &[
                (0x02, "hello "),
                (0x80, "world"),
                (0x01, "hello "),
                (0x80, "world"),
            ],
            &[Incoming::Binary(b"hello world".to_vec()), hello.clone()],
        ),
        // A ping before its message, and a Close in the middle of one.
        (
            &[(0x89, ""), (0x01, "never "), (0x88, ""), (0x80, "finished")],
            &[Incoming::Ping(Vec::new()), Incoming::Close(None)],
        ),
    ];
    for (frames, seen) in cases {
        let stream: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload)| masked(*first, payload.as_bytes()))
            .collect();
        check(&stream, seen, None);
    }
}

#[test]
fn wrong_fragments_break_the_protocol() {
    let first = |stream: &[(u8, &str)]| -> Vec<u8> {
        stream
            .iter()
            .flat_map(|(first, payload)| masked(*first, payload.as_bytes()))
            .collect()
    };
    for frames in [
        &[(0x80, "nothing to continue")][..],
        &[(0x00, "nothing to continue")],
        &[(0x01, "a"), (0x01, "b")],
        &[(0x01, "a"), (0x81, "b")],
        &[(0x01, "a"), (0x82, "b")],
        &[(0x02, "a"), (0x02, "b")],
    ] {
        check(&first(frames), &[], Some(1002));
    }
    let done = [(0x01, "a"), (0x80, "b"), (0x80, "c")];
    check(&first(&done), &[text("ab")], Some(1002));
}

#[test]
fn control_frames_are_short_and_whole() {
    let longest = [7; 125];
    check(
        &masked(0x89, &longest),
        &[Incoming::Ping(longest.to_vec())],
        None,
    );
    check(&masked(0x8a, &longest), &[Incoming::Pong], None);
    for first in [0x88, 0x89, 0x8a] {
        check(&masked(first, &[b'x'; 126]), &[], Some(1002));
        check(&masked(first & 0x7f, b""), &[], Some(1002));
    }
    assert_eq!(ping_frame(&[1; 200]).len(), 127);
}

#[test]
fn reserved_bits_and_opcodes_break_the_protocol() {
    for first in 0..=0xff_u8 {
        let is_reserved = first & 0x70 != 0 || !matches!(first & 0x0f, 0..=2 | 8..=10);
        if is_reserved {
            check(&masked(first, b""), &[], Some(1002));
            // Told by the header alone, before the payload comes.
            let (_, failure) = read_in_steps(&masked(first, b"long payload")[..2], 2, &RULES);
            assert_eq!(failure.map(|failure| failure.code), Some(1002));
        }
    }
}

#[test]
fn frames_must_be_masked_and_lengths_minimal() {
    check(&[0x81, 0x01, b'x'], &[], Some(1002));
    check(&[0x88, 0x00], &[], Some(1002));
    let zero_mask = [0; 4];
    let with = |length: &[u8]| [&[0x82], length, &zero_mask].concat();
    check(&with(&[0xfe, 0, 125]), &[], Some(1002));
    check(
        &with(&[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        &[],
        Some(1002),
    );
    check(&with(&[0xff, 0x80, 0, 0, 0, 0, 1, 0, 0]), &[], Some(1002));
    check(
        &with(&[0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        &[],
        Some(1009),
    );
}

/// (bytes, whether they are UTF-8, after how many bytes a wrong one must be noticed).
const UTF8: &[(&[u8], Option<usize>)] = &[
    (b"plain", None),
    ("κόσμε".as_bytes(), None),
    (b"\xf0\x9f\x98\x80", None),
    (b"\x00", None),
    (b"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", None),
    (b"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", None),
    (b"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd\xef\xbf\xbe", None),
    (b"\x80", Some(1)),
    (b"\xbf", Some(1)),
    (b"\xc0\x80", Some(1)),
    (b"\xc1\xbf", Some(1)),
    (b"\xc2\x20", Some(2)),
    (b"\xe0\x80\x80", Some(2)),
    (b"\xe0\x9f\xbf", Some(2)),
    (b"\xe1\x80\x20", Some(3)),
    (b"\xed\xa0\x80", Some(2)),
    (b"\xed\xbf\xbf", Some(2)),
    (b"\xf0\x80\x80\x80", Some(2)),
    (b"\xf0\x8f\xbf\xbf", Some(2)),
    (b"\xf0\x90\x80\x20", Some(4)),
    (b"\xf4\x90\x80\x80", Some(2)),
    (b"\xf5\x80\x80\x80", Some(1)),
    (b"\xf8\x88\x80\x80\x80", Some(1)),
    (b"\xfe", Some(1)),
    (b"\xff", Some(1)),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
        Some(13),
    ),
];

#[test]
fn text_is_utf8_and_fails_at_the_first_byte_that_cannot_be() {
    for (bytes, wrong) in UTF8 {
        let seen: Vec<Incoming> = std::str::from_utf8(bytes).map(text).into_iter().collect();
        assert_eq!(seen.is_empty(), wrong.is_some());
        let code = wrong.map(|_| 1007);
        check(&masked(0x81, bytes), &seen, code);
        // Cut between every two bytes into fragments.
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            let stream = [masked(0x01, left), masked(0x89, b""), masked(0x80, right)].concat();
            let (got, failure) = read(&stream, &RULES);
            assert_eq!(failure.map(|failure| failure.code), code);
            if code.is_none() {
                assert_eq!(got[1..], seen);
            }
        }
        // An unfinished frame: the wrong byte is noticed as it comes, not at the end.
        let long = [bytes, [b'x'; 100].as_slice()].concat();
        let stream = masked(0x81, &long);
        for given in 0..=bytes.len() {
            let (_, failure) = read_in_steps(&stream[..6 + given], 1, &RULES);
            let must = wrong.is_some_and(|wrong| given >= wrong);
            assert_eq!(failure.is_some(), must, "{bytes:x?} after {given}");
        }
    }
}

#[test]
fn text_must_not_end_within_a_character() {
    for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"fine \xf0"] {
        check(&masked(0x81, bytes), &[], Some(1007));
        let stream = [masked(0x01, bytes), masked(0x80, b"")].concat();
        check(&stream, &[], Some(1007));
        // Binary may.
        check(
            &masked(0x82, bytes),
            &[Incoming::Binary(bytes.to_vec())],
            None,
        );
    }
}

#[test]
fn close_codes_follow_the_table() {
    for code in 0..=u16::MAX {
        let is_allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(is_close_code(code), is_allowed, "{code}");
    }
    for code in [
        1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
        4000, 4999,
    ] {
        let payload = [&code.to_be_bytes()[..], b"why"].concat();
        check(
            &masked(0x88, &payload),
            &[Incoming::Close(Some(code))],
            None,
        );
    }
    for code in [
        0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        check(&masked(0x88, &code.to_be_bytes()), &[], Some(1002));
    }
    check(&masked(0x88, b""), &[Incoming::Close(None)], None);
    check(&masked(0x88, &[3]), &[], Some(1002));
    check(&masked(0x88, b"\x03\xe8\xff"), &[], Some(1007));
    let longest = [&[3, 232][..], &[b'x'; 123]].concat();
    check(
        &masked(0x88, &longest),
        &[Incoming::Close(Some(1000))],
        None,
    );
    let stream = [masked(0x88, b""), masked(0x81, b"after"), vec![0xff; 50]].concat();
    check(&stream, &[Incoming::Close(None)], None);
}

#[test]
fn our_close_fits_whatever_its_reason() {
    assert_eq!(&close_frame(None, "unsaid")[..], [0x88, 0]);
    assert_eq!(&close_frame(Some(1000), "")[..], [0x88, 2, 3, 232]);
    let frame = close_frame(Some(1012), &"ü".repeat(100));
    assert!(frame.len() <= 127);
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
}

#[test]
fn a_message_is_bounded_however_it_is_cut() {
    let rules = Rules {
        max_message_bytes: 1_000,
        ..RULES
    };
    let code = |stream: &[u8]| read(stream, &rules).1.map(|failure| failure.code);
    assert_eq!(code(&masked(0x82, &[0; 1_000])), None);
    assert_eq!(code(&masked(0x82, &[0; 1_001])), Some(1009));
    let exact = [masked(0x02, &[0; 600]), masked(0x80, &[0; 400])].concat();
    assert_eq!(code(&exact), None);
    let over = [masked(0x02, &[0; 600]), masked(0x80, &[0; 401])].concat();
    assert_eq!(code(&over), Some(1009));
    // Refused by its header; nothing is reserved for what it announces.
    let huge = [
        0x82, 0xff, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4,
    ];
    assert_eq!(code(&huge), Some(1009));
}

#[test]
fn binary_is_refused_where_only_text_is_spoken() {
    let rules = Rules {
        binary: false,
        ..RULES
    };
    let (_, failure) = read(&masked(0x82, b"x"), &rules);
    assert_eq!(failure.map(|failure| failure.code), Some(1003));
    assert_eq!(read(&masked(0x81, b"x"), &rules).0, [text("x")]);
}

#[test]
fn between_messages_nothing_is_kept() {
    let mut decoder = Decoder::new();
    let mut inflater = Inflater::new();
    let stream = [
        masked(0x01, b"hel"),
        masked(0x89, b"p"),
        masked(0x80, b"lo"),
    ]
    .concat();
    let mut input = stream.as_slice();
    assert!(decoder.is_idle());
    assert!(decoder.decode(&mut input, &RULES, &mut inflater).is_ok());
    assert!(!decoder.is_idle());
    assert!(decoder.decode(&mut input, &RULES, &mut inflater).is_ok());
    assert!(decoder.is_idle());
    // A connection keeps a decoder only within a message; this is its price then.
    assert!(std::mem::size_of::<Decoder>() <= 144);
}
