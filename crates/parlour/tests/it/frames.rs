//! RFC 6455 as tables, on the echo route, which is the product's own code: against a second
//! implementation and against frames by hand. RFC 7692 and handshakes are in `upgrades`.

use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, Wire, close, frame,
};
use crate::support::{Said, Server, Socket};

fn echo_server() -> Server {
    Server::with().set("DEBUG", "true").start()
}

async fn echo(server: &Server) -> Wire {
    Wire::upgrade(&server.stranger(), "/debug/ws-echo", "").await
}

#[tokio::test]
async fn a_second_implementation_gets_back_what_it_sends() {
    let server = echo_server();
    let mut socket = Socket::open_silent(&server.stranger(), "/debug/ws-echo", &[])
        .await
        .unwrap();
    for length in [
        0,
        1,
        125,
        126,
        127,
        128,
        65_535,
        65_536,
        65_537,
        1 << 20,
        20 << 20,
    ] {
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        socket.send(Message::binary(bytes.clone())).await.unwrap();
        match socket.next().await {
            Said::Binary(back) => assert!(back == bytes, "{length} bytes"),
            other => panic!("{length}: {other:?}"),
        }
    }
    for text in [
        "",
        "κόσμε",
        "🦀",
        "\u{0}",
        "\u{10ffff}",
        &"é".repeat(70_000),
    ] {
        socket.send(Message::text(text)).await.unwrap();
        match socket.next().await {
            Said::Text(back) => assert_eq!(back, text),
            other => panic!("{other:?}"),
        }
    }
    socket.send(Message::Close(None)).await.unwrap();
    assert!(matches!(socket.closed().await, 1000 | 1005));
}

/// What must come back: frames, then perhaps the end.
enum Back {
    /// These data or pong frames, as (opcode, payload), and the socket lives.
    Frames(Vec<(u8, Vec<u8>)>),
    /// The end with one of these codes.
    Closed(&'static [u16]),
}

async fn check(server: &Server, what: &str, sent: &[Vec<u8>], expected: Back) {
    // Whole, and byte by byte: where a packet ends means nothing.
    for is_chopped in [false, true] {
        let mut wire = echo(server).await;
        let bytes = sent.concat();
        if is_chopped && bytes.len() < 2000 {
            for byte in bytes.chunks(1) {
                wire.send(byte).await;
            }
        } else {
            wire.send(&bytes).await;
        }
        match &expected {
            Back::Frames(frames) => {
                for (opcode, payload) in frames {
                    let back = wire
                        .frame()
                        .await
                        .unwrap_or_else(|| panic!("{what}: closed"));
                    assert_eq!((back.opcode(), &back.payload), (*opcode, payload), "{what}");
                    assert_eq!(back.head & FIN, FIN, "{what}");
                }
                wire.send(&frame(FIN | TEXT, b"still here")).await;
                let back = wire
                    .answer()
                    .await
                    .unwrap_or_else(|| panic!("{what}: closed"));
                assert_eq!(back.payload, b"still here", "{what}");
            }
            Back::Closed(codes) => {
                let code = wire.close_code().await;
                assert!(codes.contains(&code), "{what}: {code}, expected {codes:?}");
            }
        }
    }
}

#[tokio::test]
async fn frames_pings_and_fragments_are_as_in_the_rfc() {
    let server = echo_server();
    let text = |payload: &[u8]| Back::Frames(vec![(TEXT, payload.to_vec())]);
    let cut = "κόσμε".as_bytes();
    check(&server, "text", &[frame(FIN | TEXT, b"hi")], text(b"hi")).await;
    check(
        &server,
        "ping",
        &[frame(FIN | PING, b"x")],
        Back::Frames(vec![(PONG, b"x".to_vec())]),
    )
    .await;
    let long = vec![0xfe; 125];
    check(
        &server,
        "ping 125",
        &[frame(FIN | PING, &long)],
        Back::Frames(vec![(PONG, long)]),
    )
    .await;
    check(
        &server,
        "pong unasked",
        &[frame(FIN | PONG, b"x")],
        Back::Frames(vec![]),
    )
    .await;
    check(
        &server,
        "fragments with a ping between",
        &[
            frame(TEXT, b"a"),
            frame(FIN | PING, b"p"),
            frame(CONTINUATION, b""),
            frame(FIN | CONTINUATION, b"b"),
        ],
        Back::Frames(vec![(PONG, b"p".to_vec()), (TEXT, b"ab".to_vec())]),
    )
    .await;
    check(
        &server,
        "a letter over two fragments",
        &[frame(TEXT, &cut[..1]), frame(FIN | CONTINUATION, &cut[1..])],
        text(cut),
    )
    .await;
    let many: Vec<Vec<u8>> = (0..500)
        .map(|n| frame(if n == 0 { BINARY } else { CONTINUATION }, b"z"))
        .chain([frame(FIN | CONTINUATION, b"")])
        .collect();
    check(
        &server,
        "500 fragments",
        &many,
        Back::Frames(vec![(BINARY, vec![b'z'; 500])]),
    )
    .await;
}

#[tokio::test]
async fn broken_frames_end_with_the_right_code() {
    let server = echo_server();
    let mut unmasked = frame(FIN | TEXT, b"");
    unmasked = vec![unmasked[0], 2, b'h', b'i'];
    let long_ping = frame(FIN | PING, &[b'x'; 126]);
    const PROTOCOL: &[u16] = &[1002];
    const NOT_TEXT: &[u16] = &[1007];
    for (what, sent, codes) in [
        ("no mask", vec![unmasked], PROTOCOL),
        ("RSV2", vec![frame(FIN | 0x20 | TEXT, b"x")], PROTOCOL),
        ("RSV3", vec![frame(FIN | 0x10 | TEXT, b"x")], PROTOCOL),
        (
            "RSV1 not agreed",
            vec![frame(FIN | RSV1 | TEXT, b"x")],
            PROTOCOL,
        ),
        ("opcode 3", vec![frame(FIN | 0x3, b"x")], PROTOCOL),
        ("opcode 7", vec![frame(FIN | 0x7, b"")], PROTOCOL),
        ("opcode 11", vec![frame(FIN | 0xb, b"")], PROTOCOL),
        ("opcode 15", vec![frame(FIN | 0xf, b"")], PROTOCOL),
        ("long ping", vec![long_ping], PROTOCOL),
        ("ping in fragments", vec![frame(PING, b"x")], PROTOCOL),
        (
            "close in fragments",
            vec![frame(CLOSE, &close(1000, b""))],
            PROTOCOL,
        ),
        (
            "continuation of nothing",
            vec![frame(FIN | CONTINUATION, b"x")],
            PROTOCOL,
        ),
        (
            "text inside a message",
            vec![frame(TEXT, b"a"), frame(FIN | TEXT, b"b")],
            PROTOCOL,
        ),
        (
            "length of 2^63",
            vec![vec![
                FIN | BINARY,
                0xff,
                0x80,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                2,
                3,
                4,
            ]],
            &[1002, 1009],
        ),
        (
            "length of 2^62",
            vec![vec![
                FIN | BINARY,
                0xff,
                0x40,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                2,
                3,
                4,
            ]],
            &[1009],
        ),
        (
            "33 MiB announced",
            vec![vec![
                FIN | BINARY,
                0xff,
                0,
                0,
                0,
                0,
                2,
                0x10,
                0,
                0,
                1,
                2,
                3,
                4,
            ]],
            &[1009],
        ),
        (
            "overlong letter",
            vec![frame(FIN | TEXT, b"\xc0\xaf")],
            NOT_TEXT,
        ),
        (
            "surrogate",
            vec![frame(FIN | TEXT, b"\xed\xa0\x80")],
            NOT_TEXT,
        ),
        (
            "beyond the last letter",
            vec![frame(FIN | TEXT, b"\xf4\x90\x80\x80")],
            NOT_TEXT,
        ),
        ("half a letter", vec![frame(FIN | TEXT, b"\xce")], NOT_TEXT),
        (
            "bad second fragment",
            vec![frame(TEXT, b"a\xce"), frame(FIN | CONTINUATION, b"a")],
            NOT_TEXT,
        ),
        // Told at once, not when the message ends.
        ("bad first fragment", vec![frame(TEXT, b"\xff")], NOT_TEXT),
    ] {
        check(&server, what, &sent, Back::Closed(codes)).await;
    }
}

#[tokio::test]
async fn closing_is_answered_with_its_code() {
    let server = echo_server();
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4401,
        4999,
    ] {
        check(
            &server,
            "close",
            &[frame(FIN | CLOSE, &close(code, b"bye"))],
            Back::Closed(leak(code)),
        )
        .await;
    }
    check(
        &server,
        "close of nothing",
        &[frame(FIN | CLOSE, b"")],
        Back::Closed(&[1000, 1005]),
    )
    .await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        check(
            &server,
            "code not for the wire",
            &[frame(FIN | CLOSE, &close(code, b""))],
            Back::Closed(&[1002]),
        )
        .await;
    }
    check(
        &server,
        "one byte",
        &[frame(FIN | CLOSE, b"\x03")],
        Back::Closed(&[1002]),
    )
    .await;
    check(
        &server,
        "reason is no text",
        &[frame(FIN | CLOSE, &close(1000, b"\xff"))],
        Back::Closed(&[1007]),
    )
    .await;
    // What comes after a close is not read.
    check(
        &server,
        "data after close",
        &[
            frame(FIN | CLOSE, &close(1000, b"")),
            frame(FIN | TEXT, b"late"),
            frame(FIN | PING, b""),
        ],
        Back::Closed(&[1000]),
    )
    .await;
}

fn leak(code: u16) -> &'static [u16] {
    Box::leak(Box::new([code]))
}
