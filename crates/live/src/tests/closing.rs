//! How connections end: what the peer sees, and what happens when it sees nothing.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::support::{House, LOBBY, quiet, until};
use crate::{Config, Refused, close, ws};

#[tokio::test]
async fn our_close_reaches_the_peer_once_and_its_echo_ends_the_socket() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    house.live.close(ada.id, close::SIGNED_OUT, "signed out");
    house.live.close(ada.id, close::RESTART, "a second reason");
    house.live.send(ada.id, "behind the close");
    house.post(LOBBY, house.bob, "behind the close").await;
    let Some(Frame::Close(Some(frame))) = ada.next_frame().await else {
        panic!("no close came first");
    };
    assert_eq!(u16::from(frame.code), 4401);
    assert_eq!(frame.reason.as_str(), "signed out");
    // Reading on sends the echo; then there is nothing but the end.
    assert_eq!(ada.next_frame().await, None);
    until("the socket is gone", || house.live.connections() == 0).await;
    assert_eq!(*house.heard.closed.lock().unwrap(), [ada.id]);
}

#[tokio::test]
async fn a_peer_that_does_not_answer_our_close_is_dropped_after_the_wait() {
    let house = House::with(Config {
        close_wait: Duration::from_millis(60),
        ..quiet()
    })
    .await;
    let (id, mut raw) = house.adopt_raw(house.chat(house.ada), false).await;
    let began = Instant::now();
    house.live.close(id, close::SIGNED_OUT, "signed out");
    let mut got = Vec::new();
    raw.read_to_end(&mut got).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert!(got.ends_with(b"\x88\x0c\x11\x31signed out"), "{got:x?}");
}

#[tokio::test]
async fn what_comes_after_our_close_is_thrown_away_until_the_echo() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    house.live.close(ada.id, close::RESTART, "restarting");
    ada.socket.feed(Frame::text("too late")).await.unwrap();
    ada.socket.flush().await.unwrap();
    assert_eq!(ada.close_code().await, 1012);
    assert_eq!(ada.next_frame().await, None);
    assert!(house.heard.texts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_peers_close_is_echoed_once_with_its_code() {
    let house = House::new().await;
    for code in [1000, 1001, 3000, 4999] {
        let mut ada = house.connect(house.ada).await;
        let frame = CloseFrame {
            code: code.into(),
            reason: "enough".into(),
        };
        ada.socket.send(Frame::Close(Some(frame))).await.unwrap();
        assert_eq!(ada.close_code().await, code);
        assert_eq!(ada.next_frame().await, None);
    }
    let mut ada = house.connect(house.ada).await;
    ada.socket.send(Frame::Close(None)).await.unwrap();
    assert_eq!(ada.next_frame().await, Some(Frame::Close(None)));
    assert_eq!(ada.next_frame().await, None);
    until("all are gone", || house.live.connections() == 0).await;
}

#[tokio::test]
async fn a_paused_connection_still_closes_with_its_code() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.say("stop!").await;
    ada.say("held back").await;
    until("it is paused", || {
        !house.heard.texts.lock().unwrap().is_empty()
    })
    .await;
    house.live.close(ada.id, close::BANNED, "banned");
    assert_eq!(ada.close_code().await, 4403);
    assert_eq!(ada.next_frame().await, None);
    assert_eq!(*house.heard.texts.lock().unwrap(), ["stop!"]);
}

#[tokio::test]
async fn stopping_closes_everyone_with_1012_and_takes_no_one_in() {
    let house = House::new().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(house.connect(house.ada).await);
    }
    let live = house.live.clone();
    let stopping = tokio::spawn(async move { live.stop(Duration::from_millis(80)).await });
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1012);
        assert_eq!(client.next_frame().await, None);
    }
    stopping.await.unwrap();
    assert_eq!(house.live.connections(), 0);
    let refused = house.try_connect(house.ada, Vec::new()).await;
    assert_eq!(refused.err(), Some(Refused::Stopping));
    // The handle still answers, and nothing hangs.
    house.post(LOBBY, house.ada, "to nobody").await;
    house
        .live
        .revoke(crate::Revocation::User(house.ada, 4403))
        .await;
    house.live.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn stopping_does_not_wait_long_for_peers_that_hang() {
    let house = House::with(Config {
        close_wait: Duration::from_millis(80),
        ..quiet()
    })
    .await;
    let (_, _raw) = house.adopt_raw(house.chat(house.ada), false).await;
    let began = Instant::now();
    house.live.stop(Duration::ZERO).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(house.live.connections(), 0);
}

#[tokio::test]
async fn heartbeats_name_the_heads_and_peers_that_never_answer_are_reaped() {
    let house = House::with(Config {
        heartbeat: Duration::from_millis(40),
        reap_after: Duration::from_millis(400),
        ..quiet()
    })
    .await;
    // It reads and so answers pings; the other end of this one hangs.
    let mut lively = house.connect(house.ada).await;
    lively.subscribe(&house, LOBBY).await;
    let (hung, mut raw) = house.adopt_raw(house.chat(house.bob), false).await;
    let began = Instant::now();
    while house.live.connections() == 2 {
        assert!(began.elapsed() < Duration::from_secs(10), "never reaped");
        assert_eq!(lively.next().await, "heads 1:2");
    }
    assert!(began.elapsed() >= Duration::from_millis(350));
    assert_eq!(*house.heard.closed.lock().unwrap(), [hung]);
    let mut got = Vec::new();
    // Dropped without a handshake; a reset is as good as an end.
    let _ = raw.read_to_end(&mut got).await;
    let text = String::from_utf8_lossy(&got);
    assert!(text.contains("heads "), "{text}");
    assert!(got.windows(2).any(|two| two == [0x89, 0]), "no ping came");
}

#[tokio::test]
async fn any_byte_is_a_sign_of_life() {
    let house = House::with(Config {
        heartbeat: Duration::from_millis(40),
        reap_after: Duration::from_millis(250),
        ..quiet()
    })
    .await;
    let (_, mut raw) = house.adopt_raw(house.chat(house.bob), false).await;
    // One long frame, a byte at a time.
    raw.write_all(&[0x81, 0x80 | 60, 0, 0, 0, 0]).await.unwrap();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        raw.write_all(b"x").await.unwrap();
    }
    until("the text is heard", || {
        *house.heard.texts.lock().unwrap() == ["x".repeat(60)]
    })
    .await;
}

#[tokio::test]
async fn a_close_cuts_what_waits_but_never_a_frame() {
    let house = House::new().await;
    let (id, mut raw) = house.adopt_raw(house.chat(house.ada), false).await;
    // Far more than the kernel takes for a peer that does not read.
    let long = "x".repeat(100_000);
    for _ in 0..200 {
        house.live.send(id, &long);
    }
    let mut got = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        match raw.read(&mut buffer).await {
            Ok(0) | Err(_) => panic!("no close came"),
            Ok(read) => got.extend_from_slice(&buffer[..read]),
        }
        let mut frames = Vec::new();
        let mut rest = got.as_slice();
        while rest.len() >= 10 && rest.len() >= ws::frame_length(rest) {
            let (frame, after) = rest.split_at(ws::frame_length(rest));
            frames.push(frame);
            rest = after;
        }
        if let Some(last) = frames.last()
            && last[0] == 0x88
        {
            assert_eq!(last[2..4], 1013_u16.to_be_bytes());
            assert!(frames.len() < 150, "the queue was bounded");
            return;
        }
    }
}
