//! The fleet against a small server that keeps, or breaks, the promises of the JSON socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Dialect, Door, Drive, Fleet, Integrity, Until};
use crate::frames::put_text;

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The first reader misses every event whose seq ends in 3.
    Skip,
    /// The first reader gets every event whose seq ends in 3 twice.
    Double,
    /// Every fifth post is refused.
    Refuse,
    /// Upgrades are refused.
    Unauthorized,
}

#[derive(Default)]
struct Room {
    head: u64,
    posts: u64,
    readers: Vec<TcpStream>,
}

fn serve(fault: Fault) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let room = Arc::new(Mutex::new(Room::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let room = Arc::clone(&room);
            std::thread::spawn(move || talk(stream.unwrap(), &room, fault));
        }
    });
    Door {
        addr,
        source: None,
        dialect: Dialect::Parlour {
            host: addr.to_string(),
        },
    }
}

fn say(mut stream: &TcpStream, text: &str) {
    let mut bytes = Vec::new();
    put_text(&mut bytes, text.as_bytes());
    // In two writes: a frame may arrive in pieces.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    stream.write_all(first).unwrap();
    stream.write_all(second).unwrap();
}

fn talk(mut stream: TcpStream, room: &Mutex<Room>, fault: Fault) -> Option<()> {
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains("Authorization: Bearer secret\r\n"), "{head}");
    if fault == Fault::Unauthorized {
        let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(answer).ok()?;
        return None;
    }
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(answer).ok()?;
    say(
        &stream,
        r#"{"event":"ready","user":{"id":1},"epoch":"e","heartbeat_s":25}"#,
    );
    loop {
        let op = hear(&mut stream)?;
        let mut room = room.lock().unwrap();
        match op["op"].as_str().unwrap() {
            "subscribe" => {
                let head = room.head;
                let text = format!(
                    r#"{{"event":"subscribed","room":{},"head":{head},"epoch":"e"}}"#,
                    op["room"]
                );
                say(&stream, &text);
                room.readers.push(stream.try_clone().unwrap());
            }
            "post" => post(&stream, &mut room, &op, fault),
            other => panic!("unexpected {other}"),
        }
    }
}

/// Reads one masked text frame of up to 64 KiB.
fn hear(stream: &mut TcpStream) -> Option<serde_json::Value> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    assert_eq!((head[0], head[1] & 0x80), (0x81, 0x80));
    let mut len = usize::from(head[1] & 0x7f);
    if len == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long).ok()?;
        len = usize::from(u16::from_be_bytes(long));
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).ok()?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some(serde_json::from_slice(&payload).unwrap())
}

fn post(stream: &TcpStream, room: &mut Room, op: &serde_json::Value, fault: Fault) {
    let (id, nonce) = (&op["room"], &op["nonce"]);
    room.posts += 1;
    if fault == Fault::Refuse && room.posts.is_multiple_of(5) {
        let text = format!(r#"{{"event":"error","code":"empty","message":"no","re":{nonce}}}"#);
        return say(stream, &text);
    }
    room.head += 1;
    let seq = room.head;
    let text =
        format!(r#"{{"event":"posted","nonce":{nonce},"id":{seq},"room":{id},"seq":{seq}}}"#);
    say(stream, &text);
    let event = format!(
        r#"{{"event":"message.posted","room":{id},"seq":{seq},"message":{{"id":1,"nonce":{nonce}}}}}"#
    );
    for (number, reader) in room.readers.iter().enumerate() {
        let is_hit = number == 0 && seq % 10 == 3;
        say(reader, r#"{"event":"online","room":7,"count":2}"#);
        if !(is_hit && fault == Fault::Skip) {
            say(reader, &event);
        }
        if is_hit && fault == Fault::Double {
            say(reader, &event);
        }
    }
}

fn posts_until(fault: Fault, until: Until, readers: usize) -> (u64, u64, Integrity) {
    let mut fleet = Fleet::new(serve(fault), vec![7]).unwrap();
    let token = || "secret".to_owned();
    let connected = fleet
        .connect((0..readers).map(|_| (token(), 0)), (0..3).map(|_| token()))
        .unwrap();
    assert_eq!(connected.latencies.len(), readers + 3);
    // Counted, not timed: exactly this many posts, then a window that is over.
    let mut left = 40;
    let mut driven_posts = 0;
    while left > 0 {
        let driven = fleet
            .drive(&mut Drive {
                writers: 2,
                for_time: Duration::ZERO,
                until,
                spins: false,
                next: &mut |_| (0, "hello".into()),
            })
            .unwrap();
        driven_posts += driven.posts;
        left -= 2;
    }
    let finished = fleet.finish();
    (
        driven_posts,
        finished.acknowledged.len() as u64,
        finished.integrity,
    )
}

#[test]
fn a_server_that_keeps_its_promises_is_clean() {
    for until in [Until::Seen, Until::Acknowledged] {
        let (posts, acknowledged, integrity) = posts_until(Fault::None, until, 4);
        assert_eq!((posts, acknowledged), (40, 40), "{until:?}");
        assert_eq!(integrity.delivered, 160, "{until:?}");
        assert!(integrity.is_clean(), "{integrity:?}");
        assert_eq!((integrity.errors, integrity.resyncs), (0, 0));
    }
}

#[test]
fn posting_without_readers_ends_with_the_acknowledgement() {
    let (posts, acknowledged, integrity) = posts_until(Fault::None, Until::Acknowledged, 0);
    assert_eq!((posts, acknowledged, integrity.delivered), (40, 40, 0));
    assert!(integrity.is_clean());
}

#[test]
fn a_repeated_event_is_counted_as_doubled() {
    let (_, _, integrity) = posts_until(Fault::Double, Until::Seen, 3);
    assert_eq!((integrity.doubled, integrity.lost), (4, 0), "{integrity:?}");
    assert_eq!(integrity.delivered, 120);
}

#[test]
fn a_skipped_event_is_counted_as_lost() {
    let (_, _, integrity) = posts_until(Fault::Skip, Until::Acknowledged, 3);
    assert_eq!((integrity.lost, integrity.doubled), (4, 0), "{integrity:?}");
    assert!(!integrity.is_clean());
}

#[test]
fn a_refused_post_is_an_error_with_its_words_and_does_not_stop_the_run() {
    let (posts, acknowledged, integrity) = posts_until(Fault::Refuse, Until::Seen, 2);
    assert_eq!((posts, acknowledged, integrity.errors), (32, 32, 8));
    assert!(integrity.first_error.unwrap().contains("empty"));
}

#[test]
fn a_refused_upgrade_says_why() {
    let mut fleet = Fleet::new(serve(Fault::Unauthorized), vec![7]).unwrap();
    let error = fleet
        .connect(
            std::iter::once(("secret".to_owned(), 0)),
            std::iter::empty(),
        )
        .err()
        .unwrap();
    assert!(format!("{error:#}").contains("401"), "{error:#}");
}
