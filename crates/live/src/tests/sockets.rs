//! Taking sockets over: the echo, limits, pauses, bad input.

use std::net::{IpAddr, Ipv6Addr};

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::support::{Heard, House, LOBBY, quiet, until};
use crate::ws::{self, Decoder, Incoming, Inflater, Rules};
use crate::{Config, Purpose, Refused};

/// A client's frame: masked, at most 65,535 bytes.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    crate::ws::tests::masked(first, payload)
}

#[tokio::test]
async fn the_echo_gives_back_text_and_binary_of_every_size() {
    let house = House::new().await;
    let mut client = house.adopt(Purpose::Echo).await.unwrap();
    for size in [
        0,
        1,
        125,
        126,
        127,
        65_535,
        65_536,
        1_000_000,
        32 * 1024 * 1024,
    ] {
        let text = Frame::text("x".repeat(size));
        // Sent while reading: neither side may wait for the other.
        client.socket.feed(text.clone()).await.unwrap();
        client.socket.flush().await.unwrap();
        assert_eq!(client.next_frame().await, Some(text), "{size}");
    }
    let binary = Frame::binary(vec![7_u8; 70_000]);
    client.socket.send(binary.clone()).await.unwrap();
    assert_eq!(client.next_frame().await, Some(binary));
    let limit = 32 * 1024 * 1024;
    let _ = client
        .socket
        .send(Frame::binary(vec![0_u8; limit + 1]))
        .await;
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn the_echo_owes_a_slow_peer_no_more_than_a_few_messages() {
    let house = House::new().await;
    let (_, mut raw) = house.adopt_raw(Purpose::Echo, false).await;
    let frame = masked(0x82, &[9; 60_000]);
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let (mut read, mut write) = raw.split();
    let writing = async {
        for _ in 0..400 {
            write.write_all(&frame).await.unwrap();
            sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let reading = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        // It stopped reading when nobody took what it owed.
        assert!(sent.load(std::sync::atomic::Ordering::Relaxed) < 400);
        let mut left = 400 * 60_004;
        let mut buffer = vec![0; 100_000];
        while left > 0 {
            left -= read.read(&mut buffer).await.unwrap();
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn an_agreed_compression_works_both_ways() {
    let house = House::new().await;
    let (_, mut raw) = house.adopt_raw(Purpose::Echo, true).await;
    let text = "compress me, please; ".repeat(50);
    let plain = ws::text_frame(&text);
    let small = ws::deflated_frame(&plain).unwrap();
    assert!(small.len() < plain.len() / 4);
    let sent = masked(0xc1, ws::frame_payload(&small));
    raw.write_all(&sent).await.unwrap();
    let mut got = vec![0; small.len()];
    raw.read_exact(&mut got).await.unwrap();
    assert_eq!(got, small, "the same text deflates to the same frame");
    // Short ones are not worth it.
    raw.write_all(&masked(0x81, b"hi")).await.unwrap();
    let mut got = [0; 4];
    raw.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"\x81\x02hi");
}

#[tokio::test]
async fn a_room_is_deflated_for_those_who_agreed_and_plain_for_the_others() {
    let house = House::new().await;
    let mut plain = house.connect(house.ada).await;
    plain.subscribe(&house, LOBBY).await;
    let (id, mut raw) = house.adopt_raw(house.chat(house.bob), true).await;
    house.live.subscribe(id, LOBBY, None).await.unwrap();
    let text = "the same words again and again, ".repeat(20);
    house.post(LOBBY, house.ada, &text).await;
    let line = format!("1:3 message.posted {text}");
    assert_eq!(plain.next().await, line);
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    // Behind `ready` and `subscribed`.
    let frame = loop {
        let read = raw.read(&mut buffer).await.unwrap();
        got.extend_from_slice(&buffer[..read]);
        let mut rest = got.as_slice();
        while rest.len() >= 4 && rest[0] == 0x81 {
            rest = &rest[ws::frame_length(rest)..];
        }
        if rest.len() >= 4 && rest.len() >= ws::frame_length(rest) {
            break rest.to_vec();
        }
    };
    assert_eq!(frame[0], 0xc1);
    assert!(frame.len() < line.len() / 4);
    let rules = Rules {
        max_message_bytes: 10_000,
        deflate: true,
        binary: false,
    };
    let masked = masked(0xc1, ws::frame_payload(&frame));
    let read = Decoder::new().decode(&mut masked.as_slice(), &rules, &mut Inflater::new());
    assert_eq!(read, Ok(Some(Incoming::Text(line))));
}

#[tokio::test]
async fn bytes_behind_the_handshake_are_not_lost() {
    let house = House::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut leftover = masked(0x81, b"first");
    leftover.extend(masked(0x81, b"second"));
    let adopted = house.live.adopt(crate::Adopt {
        socket: listener.accept().unwrap().0,
        leftover,
        deflate: false,
        purpose: house.chat(house.ada),
    });
    adopted.unwrap();
    until("both are heard", || {
        *house.heard.texts.lock().unwrap() == ["first", "second"]
    })
    .await;
}

#[tokio::test]
async fn a_paused_connection_is_read_no_further_until_resumed() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    let texts = |heard: &Heard| heard.texts.lock().unwrap().clone();
    // In one segment, and one more behind it.
    ada.socket.feed(Frame::text("stop!")).await.unwrap();
    ada.socket.feed(Frame::text("second")).await.unwrap();
    ada.socket.feed(Frame::text("stop!")).await.unwrap();
    ada.socket.flush().await.unwrap();
    ada.say("third").await;
    until("it heard the first", || !texts(&house.heard).is_empty()).await;
    ada.expect_only(&house, &[]).await;
    assert_eq!(texts(&house.heard), ["stop!"]);
    house.live.resume(ada.id);
    until("it heard more", || texts(&house.heard).len() == 3).await;
    ada.expect_only(&house, &[]).await;
    assert_eq!(texts(&house.heard), ["stop!", "second", "stop!"]);
    house.live.resume(ada.id);
    until("it heard all", || texts(&house.heard).len() == 4).await;
}

#[tokio::test]
async fn bad_input_closes_with_the_code_of_the_rfc() {
    let house = House::with(Config {
        max_message_bytes: 1_000,
        ..quiet()
    })
    .await;
    let cases: [(&str, Vec<u8>, u16); 6] = [
        ("binary", masked(0x82, b"x"), 1003),
        ("not masked", vec![0x81, 1, b'x'], 1002),
        ("not utf-8", masked(0x81, b"\xff"), 1007),
        ("too big", masked(0x81, &[b'x'; 1_001]), 1009),
        ("reserved bit", masked(0xc1, b"x"), 1002),
        ("nothing to continue", masked(0x80, b"x"), 1002),
    ];
    for (what, bytes, code) in cases {
        let (_, mut raw) = house.adopt_raw(house.chat(house.ada), false).await;
        raw.write_all(&bytes).await.unwrap();
        let mut got = vec![0; "\u{81}_ready 1".len() - 1];
        raw.read_exact(&mut got).await.unwrap();
        let mut close = [0; 4];
        raw.read_exact(&mut close).await.unwrap();
        assert_eq!(close[0], 0x88, "{what}");
        assert_eq!(close[2..], code.to_be_bytes(), "{what}");
    }
}

#[tokio::test]
async fn pings_are_answered_and_a_listener_with_a_bug_harms_nobody() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.say("panic!").await;
    ada.say("still here").await;
    until("it is heard", || {
        *house.heard.texts.lock().unwrap() == ["still here"]
    })
    .await;
    let (_, mut raw) = house.adopt_raw(Purpose::Echo, false).await;
    raw.write_all(&masked(0x89, b"are you there"))
        .await
        .unwrap();
    let mut got = [0; 15];
    raw.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"\x8a\x0dare you there");
}

#[tokio::test]
async fn sockets_are_limited_per_person_and_per_address() {
    let house = House::with(Config {
        max_per_user: Some(2),
        max_per_address: Some(3),
        ..quiet()
    })
    .await;
    let first = house.connect(house.ada).await;
    let _second = house.connect(house.ada).await;
    let here = IpAddr::from([127, 0, 0, 1]);
    assert_eq!(house.live.admits(house.ada, here), Err(Refused::TooMany(2)));
    let third = house.try_connect(house.ada, Vec::new()).await;
    assert_eq!(third.err(), Some(Refused::TooMany(2)));
    let _bobs = house.connect(house.bob).await;
    let fourth = house.try_connect(house.bob, Vec::new()).await;
    assert_eq!(fourth.err(), Some(Refused::TooMany(3)));
    let elsewhere = IpAddr::V6(Ipv6Addr::LOCALHOST);
    assert_eq!(house.live.admits(house.bob, elsewhere), Ok(()));
    drop(first);
    until("its place is free", || {
        house.live.admits(house.ada, here).is_ok()
    })
    .await;
}

#[tokio::test]
async fn one_connection_reads_only_so_many_rooms() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    for number in 0..256 {
        let room = house.room(domain::RoomKind::Open).await;
        ada.subscribe(&house, room).await;
        if number == 0 {
            // Again is not one more.
            ada.subscribe(&house, room).await;
        }
    }
    let answer = house.live.subscribe(ada.id, LOBBY, None).await;
    let too_many = store::StoreError::Conflict(store::Conflict::TooMany);
    assert_eq!(
        format!("{:?}", answer.unwrap_err()),
        format!("{too_many:?}")
    );
    assert!(house.live.hub.context.rooms.find(LOBBY).is_none());
}
