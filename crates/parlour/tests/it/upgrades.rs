//! The way to a socket: handshakes, the agreement on compression (RFC 7692) and what it
//! takes, and bad frames at the real socket, which must hurt nobody else.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress};
use serde_json::json;

use crate::support::raw::{
    BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, RSV1, TEXT, Wire, close, frame,
};
use crate::support::{Server, Socket};

fn echo_server() -> Server {
    Server::with().set("DEBUG", "true").start()
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.flush().unwrap();
    let mut bytes = encoder.get_ref().clone();
    assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "a sync flush ends so");
    bytes.truncate(bytes.len() - 4);
    bytes
}

fn inflated(frame: &Frame) -> Vec<u8> {
    if frame.head & RSV1 == 0 {
        return frame.payload.clone();
    }
    let mut bytes = Vec::with_capacity(4 << 20);
    let input = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false)
        .decompress_vec(&input, &mut bytes, FlushDecompress::Sync)
        .unwrap();
    bytes
}

#[tokio::test]
async fn compression_is_agreed_and_kept_to() {
    let server = echo_server();
    let stranger = server.stranger();
    let answered = async |offer: &str| {
        let mut wire = Wire::connect(server.address()).await;
        let head = wire
            .handshake(&stranger, "/debug/ws-echo", offer)
            .await
            .to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{offer}: {head}");
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions:"));
        (wire, line.map(|line| line.trim().to_owned()))
    };
    for (offer, is_agreed) in [
        ("", false),
        ("sec-websocket-extensions: permessage-deflate\r\n", true),
        (
            "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
            true,
        ),
        (
            "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
            true,
        ),
        (
            "sec-websocket-extensions: x-webkit-deflate-frame, permessage-deflate\r\n",
            true,
        ),
        (
            "sec-websocket-extensions: permessage-deflate; unheard_of=1\r\n",
            false,
        ),
        (
            "sec-websocket-extensions: permessage-deflate; server_max_window_bits=7\r\n",
            false,
        ),
        ("sec-websocket-extensions: something-else\r\n", false),
    ] {
        let (_, line) = answered(offer).await;
        assert_eq!(line.is_some(), is_agreed, "{offer}: {line:?}");
        if let Some(line) = line {
            assert!(line.starts_with("permessage-deflate"), "{line}");
            assert!(
                line.contains("server_no_context_takeover"),
                "nothing is kept per socket: {line}"
            );
        }
    }
    let offer = "sec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n";
    let (mut wire, _) = answered(offer).await;
    let long = "hello ".repeat(50_000).into_bytes();
    for text in [&b"Hello"[..], b"", &long] {
        wire.send(&frame(FIN | RSV1 | TEXT, &deflated(text))).await;
        let back = wire.frame().await.unwrap();
        assert_eq!(inflated(&back), text);
        // Not compressing a message is always allowed.
        wire.send(&frame(FIN | TEXT, text)).await;
        assert_eq!(inflated(&wire.frame().await.unwrap()), text);
    }
    // RFC 7692 §7.2.3.1, §7.2.3.2 (fragments: RSV1 on the first alone), §7.2.3.3 (stored).
    wire.send(&frame(
        FIN | RSV1 | TEXT,
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    ))
    .await;
    assert_eq!(inflated(&wire.frame().await.unwrap()), b"Hello");
    wire.send(
        &[
            frame(RSV1 | TEXT, &[0xf2, 0x48, 0xcd]),
            frame(FIN | CONTINUATION, &[0xc9, 0xc9, 0x07, 0x00]),
        ]
        .concat(),
    )
    .await;
    assert_eq!(inflated(&wire.frame().await.unwrap()), b"Hello");
    wire.send(&frame(
        FIN | RSV1 | TEXT,
        &[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
    ))
    .await;
    assert_eq!(inflated(&wire.frame().await.unwrap()), b"Hello");

    for (what, sent, codes) in [
        (
            "not deflate",
            frame(FIN | RSV1 | TEXT, &[0xff; 20]),
            &[1002_u16, 1007][..],
        ),
        ("RSV1 on a ping", frame(FIN | RSV1 | PING, b""), &[1002]),
        (
            "RSV1 on a continuation",
            [frame(TEXT, b"a"), frame(FIN | RSV1 | CONTINUATION, b"b")].concat(),
            &[1002],
        ),
        (
            "bad text inside",
            frame(FIN | RSV1 | TEXT, &deflated(b"\xff\xfe")),
            &[1007],
        ),
        (
            "64 MiB in 64 KiB",
            frame(FIN | RSV1 | TEXT, &deflated(&vec![b'0'; 64 << 20])),
            &[1009],
        ),
    ] {
        let (mut wire, _) = answered(offer).await;
        wire.send(&sent).await;
        let code = wire.close_code().await;
        assert!(codes.contains(&code), "{what}: {code}");
    }
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let server = echo_server();
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (what, method, lines, expected) in [
        ("plain request", "GET", "", &["426", "400"][..]),
        (
            "wrong version",
            "GET",
            &*format!(
                "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 8\r\n{key}"
            ),
            &["426"],
        ),
        (
            "no key",
            "GET",
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n",
            &["400"],
        ),
        (
            "short key",
            "GET",
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n",
            &["400"],
        ),
        (
            "no upgrade",
            "GET",
            &*format!("connection: upgrade\r\nsec-websocket-version: 13\r\n{key}"),
            &["400", "426"],
        ),
        (
            "no connection",
            "GET",
            &*format!("upgrade: websocket\r\nsec-websocket-version: 13\r\n{key}"),
            &["400", "426"],
        ),
        (
            "post",
            "POST",
            &*format!(
                "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n{key}"
            ),
            &["405", "400"],
        ),
    ] {
        let mut wire = Wire::connect(server.address()).await;
        wire.send(
            format!("{method} /debug/ws-echo HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
                .as_bytes(),
        )
        .await;
        let head = wire.head().await;
        let status = head.split(' ').nth(1).unwrap_or("");
        assert!(expected.contains(&status), "{what}: {head}");
        if status == "426" {
            assert!(
                head.to_lowercase().contains("sec-websocket-version: 13"),
                "{what}: {head}"
            );
        }
    }
    // Tokens are lists and their case means nothing.
    let mut wire = Wire::connect(server.address()).await;
    let lines = format!(
        "Upgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\nSec-WebSocket-Version: 13\r\n{key}"
    );
    wire.send(format!("GET /debug/ws-echo HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n").as_bytes())
        .await;
    let head = wire.head().await;
    assert!(
        head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    // Frames that come with the handshake are not lost.
    let mut wire = Wire::connect(server.address()).await;
    let request = format!("GET /debug/ws-echo HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
    wire.send(&[request.as_bytes(), &frame(FIN | TEXT, b"early")].concat())
        .await;
    wire.head().await;
    assert_eq!(wire.frame().await.unwrap().payload, b"early");
}

#[tokio::test]
async fn bad_frames_at_the_real_socket_hurt_nobody_else() {
    let server = Server::start();
    let lobby = server.bob().lobby().await;
    let mut eve = Socket::of(&server.eve()).await;
    eve.subscribe(lobby).await;
    let bob = server.bob();
    for (what, sent, codes) in [
        ("no mask", vec![FIN | TEXT, 2, b'h', b'i'], &[1002_u16][..]),
        ("reserved bits", frame(FIN | 0x30 | TEXT, b"x"), &[1002]),
        ("reserved opcode", frame(FIN | 0x5, b"x"), &[1002]),
        ("not text", frame(FIN | TEXT, b"\xff"), &[1007]),
        ("binary", frame(FIN | BINARY, b"x"), &[1003]),
        (
            "announced 1 GiB",
            vec![FIN | TEXT, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4],
            &[1009],
        ),
        ("70,000 bytes", frame(FIN | TEXT, &[b'x'; 70_000]), &[1009]),
        (
            "70,000 bytes in pieces",
            [
                frame(TEXT, &[b'x'; 35_000]),
                frame(FIN | CONTINUATION, &[b'x'; 35_000]),
            ]
            .concat(),
            &[1009],
        ),
        (
            "close code 1006",
            frame(FIN | CLOSE, &close(1006, b"")),
            &[1002],
        ),
        ("close", frame(FIN | CLOSE, &close(1000, b"")), &[1000]),
        (
            "http again",
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            &[1002],
        ),
        ("zeros", vec![0; 5000], &[1002]),
    ] {
        let mut wire = Wire::upgrade(&bob, "/api/v1/socket", "").await;
        wire.send(&sent).await;
        let code = wire.close_code().await;
        assert!(codes.contains(&code), "{what}: {code}");
        bob.say(lobby, what).await;
        let seen = eve.event("message.posted").await;
        assert_eq!(seen["message"]["body"], what);
    }
    // A deflate bomb is stopped at the limit after inflation.
    let offer = "sec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n";
    let mut wire = Wire::upgrade(&bob, "/api/v1/socket", offer).await;
    wire.send(&frame(FIN | RSV1 | TEXT, &deflated(&vec![b'0'; 8 << 20])))
        .await;
    assert_eq!(wire.close_code().await, 1009);
    // And honest compressed ops are understood.
    let mut wire = Wire::upgrade(&bob, "/api/v1/socket", offer).await;
    wire.send(&frame(FIN | RSV1 | TEXT, &deflated(br#"{"op":"ping"}"#)))
        .await;
    let mut texts = Vec::new();
    while !texts.iter().any(|text: &String| text.contains("pong")) {
        let frame = wire.answer().await.expect("the socket stays");
        texts.push(String::from_utf8(inflated(&frame)).unwrap());
    }
    eve.say(json!({"op": "ping"})).await;
    eve.event("pong").await;
}
