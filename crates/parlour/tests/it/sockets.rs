//! The JSON socket and the page's: subscribing, live events, signals, resuming, refusals.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::{FIN, TEXT, Wire, frame};
use crate::support::socket::named;
use crate::support::{Said, Server, Socket, uuid};

/// A room of bob's with that many messages in it.
async fn room_with(server: &Server, messages: usize) -> i64 {
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    for n in 0..messages {
        server.bob().say(room, &format!("message {n}")).await;
    }
    room
}

fn seqs(events: &[Value]) -> Vec<i64> {
    events
        .iter()
        .filter_map(|event| event["seq"].as_i64())
        .collect()
}

#[tokio::test]
async fn everybody_in_a_room_sees_the_same_events_in_order() {
    let server = Server::start();
    let room = room_with(&server, 1).await;
    let mut bob = Socket::of(&server.bob()).await;
    let mut eve = Socket::of(&server.eve()).await;
    let mut page = Socket::of_page(&server.browser_of("ada")).await;
    assert!(bob.ready["heartbeat_s"].as_i64().unwrap() > 0);
    assert_eq!(bob.ready["epoch"], eve.ready["epoch"]);
    let subscribed = bob.subscribe(room).await;
    assert_eq!(
        (&subscribed["head"], &subscribed["epoch"]),
        (&json!(2), &bob.ready["epoch"])
    );
    eve.subscribe(room).await;
    page.subscribe(room).await;

    let said = server.bob().say(room, "*hello*").await;
    let edited = format!("/api/v1/messages/{}", said["id"]);
    server
        .bob()
        .patch(&edited, json!({"body": "hello, all"}))
        .await
        .expect(200);
    server
        .bob()
        .patch(&format!("/api/v1/rooms/{room}"), json!({"topic": "t"}))
        .await
        .expect(200);
    server.eve().say(room, "joining by posting").await;
    server.bob().delete(&edited).await.expect(204);
    let expected = [
        "message.posted",
        "message.edited",
        "room.changed",
        "member.joined",
        "message.posted",
        "message.deleted",
    ];
    let mut texts = Vec::new();
    for socket in [&mut bob, &mut eve] {
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            match socket.next().await {
                Said::Event(event) if event["seq"].is_i64() && event["event"] != "receipt" => {
                    seen.push(event)
                }
                Said::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let kinds: Vec<&str> = seen
            .iter()
            .map(|event| event["event"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, expected);
        assert_eq!(seqs(&seen), [3, 4, 5, 6, 7, 8]);
        assert_eq!(seen[2]["changes"]["topic"], "t");
        assert_eq!(seen[3]["reason"], "joined");
        texts.push(json!(seen).to_string());
    }
    assert_eq!(texts[0], texts[1], "the same bytes for everybody");
    let log = server
        .bob()
        .get(&format!("/api/v1/rooms/{room}/events?after=2"))
        .await
        .expect(200)
        .items();
    assert_eq!(seqs(&log), [3, 4, 5, 6, 7, 8]);

    let mut html = String::new();
    while !html.contains(&format!("<!--{room}:8-->")) {
        html.push_str(&page.fragment().await);
    }
    let at = |seq: i64| {
        html.find(&format!("<!--{room}:{seq}-->"))
            .unwrap_or_else(|| panic!("{seq}: {html}"))
    };
    assert!((3..8).all(|seq| at(seq) < at(seq + 1)), "in order");
    assert!(html.contains("hx-swap-oob") && html.contains("<hx-partial"));
}

#[tokio::test]
async fn a_post_over_the_socket_is_acknowledged_after_it_is_stored() {
    let server = Server::start();
    let room = room_with(&server, 0).await;
    let mut bob = Socket::of(&server.bob()).await;
    bob.subscribe(room).await;
    let key = uuid();
    let ack = bob.post(room, &key, "over the socket").await;
    assert_eq!(
        (&ack["event"], &ack["room"], &ack["nonce"]),
        (&json!("posted"), &json!(room), &json!(key))
    );
    let stored = server
        .eve()
        .get(&format!("/api/v1/messages/{}", ack["id"]))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&stored["seq"], &stored["nonce"]),
        (&ack["seq"], &json!(key))
    );
    let event = bob.event("message.posted").await;
    assert_eq!(event["message"]["id"], ack["id"]);
    let reply =
        json!({"op": "post", "room": room, "nonce": uuid(), "body": "re", "reply_to": ack["id"]});
    bob.say(reply).await;
    assert_eq!(
        bob.event("message.posted").await["message"]["quote"]["id"],
        ack["id"]
    );
    // Many in flight keep their order.
    let keys: Vec<String> = (0..40).map(|_| uuid()).collect();
    for (n, key) in keys.iter().enumerate() {
        bob.say(json!({"op": "post", "room": room, "nonce": key, "body": format!("burst {n}")}))
            .await;
    }
    let mut acked: Vec<(i64, Value)> = Vec::new();
    while acked.len() < keys.len() {
        let ack = bob.event("posted").await;
        if keys.iter().any(|key| ack["nonce"] == *key) {
            acked.push((ack["seq"].as_i64().unwrap(), ack["nonce"].clone()));
        }
    }
    acked.sort_by_key(|(seq, _)| *seq);
    let order: Vec<Value> = acked.into_iter().map(|(_, nonce)| nonce).collect();
    assert_eq!(json!(order), json!(keys));
    for (nonce, body) in [("not-a-uuid", "x"), ("", "x")] {
        let refusal = bob.post(room, nonce, body).await;
        assert_eq!(refusal["code"], "invalid", "{refusal}");
    }
}

#[tokio::test]
async fn resuming_brings_what_was_missed_and_nothing_twice() {
    let server = Server::start();
    let room = room_with(&server, 5).await;
    let mut bob = Socket::of(&server.bob()).await;
    let epoch = bob.ready["epoch"].clone();
    bob.resume(room, 3, &epoch).await;
    let subscribed = bob.event("subscribed").await;
    assert_eq!(subscribed["head"], 6);
    let missed = [
        bob.event("message.posted").await,
        bob.event("message.posted").await,
        bob.event("message.posted").await,
    ];
    assert_eq!(seqs(&missed), [4, 5, 6]);
    server.bob().say(room, "live").await;
    assert_eq!(bob.event("message.posted").await["seq"], 7);
    let rest = bob.fence().await;
    assert!(named(&rest, "message.posted").is_empty(), "{rest:?}");

    // At the head there is nothing to bring; beyond it, or of another history, start anew.
    for (after, epoch, answer) in [
        (7, epoch.clone(), "subscribed"),
        (1000, epoch.clone(), "resync"),
        (3, json!("0123456789abcdef"), "resync"),
    ] {
        let mut socket = Socket::of(&server.eve()).await;
        socket.resume(room, after, &epoch).await;
        let said = socket.event(answer).await;
        assert_eq!(
            (&said["head"], &said["room"]),
            (&json!(7), &json!(room)),
            "{after} {epoch}"
        );
        let rest = socket.fence().await;
        assert!(
            named(&rest, "message.posted").is_empty(),
            "{after} {epoch}: {rest:?}"
        );
    }
    // After a resync it is live all the same.
    let mut socket = Socket::of(&server.eve()).await;
    socket.resume(room, 1000, &epoch).await;
    socket.event("resync").await;
    server.bob().say(room, "after resync").await;
    assert_eq!(socket.event("message.posted").await["seq"], 8);
    // Subscribing again goes on from there, without an end to the other rooms.
    let lobby = server.eve().lobby().await;
    socket.subscribe(lobby).await;
    socket.resume(room, 7, &epoch).await;
    socket.event("subscribed").await;
    assert_eq!(socket.event("message.posted").await["seq"], 8);
    server.bob().say(lobby, "lobby").await;
    assert_eq!(socket.event("message.posted").await["room"], lobby);
    socket
        .say(json!({"op": "unsubscribe", "room": lobby}))
        .await;
    socket.fence().await;
    server.bob().say(lobby, "unheard").await;
    server.bob().say(room, "heard").await;
    let heard = socket.event("message.posted").await;
    assert_eq!(heard["room"], room, "{heard}");
}

#[tokio::test]
async fn who_was_away_too_long_starts_anew() {
    let server = Server::start();
    let room = room_with(&server, 0).await;
    let mut writer = Socket::of(&server.bob()).await;
    for n in 0..1010 {
        writer
            .say(json!({"op": "post", "room": room, "nonce": uuid(), "body": format!("{n}")}))
            .await;
    }
    for _ in 0..1010 {
        writer.event("posted").await;
    }
    let head = 1011;
    let mut near = Socket::of(&server.eve()).await;
    let epoch = near.ready["epoch"].clone();
    near.resume(room, head - 1000, &epoch).await;
    near.event("subscribed").await;
    for seq in head - 999..=head {
        assert_eq!(near.event("message.posted").await["seq"], seq);
    }
    let mut far = Socket::of(&server.eve()).await;
    far.resume(room, head - 1001, &epoch).await;
    assert_eq!(far.event("resync").await["head"], head);
    let rest = far.fence().await;
    assert!(named(&rest, "message.posted").is_empty());
}

#[tokio::test]
async fn signals_reach_those_they_concern() {
    let server = Server::start();
    let room = room_with(&server, 0).await;
    let path = format!("/api/v1/rooms/{room}/members/me");
    server
        .eve()
        .ask(hyper::Method::PUT, &path)
        .send()
        .await
        .expect(200);
    let mut bob = Socket::of(&server.bob()).await;
    let mut phone = Socket::of(&server.eve()).await;
    let mut laptop = Socket::of_page(&server.browser_of("eve")).await;
    let mut ada = Socket::of(&server.ada()).await;
    bob.subscribe(room).await;
    laptop.subscribe(room).await;
    let lobby = server.ada().lobby().await;
    ada.subscribe(lobby).await;

    // Typing: to the room's readers, not to oneself, at most once in three seconds.
    for _ in 0..50 {
        bob.say(json!({"op": "typing", "room": room})).await;
    }
    let typing = laptop.event("typing").await;
    assert_eq!(
        (&typing["room"], &typing["user"]["username"]),
        (&json!(room), &json!("bob"))
    );
    let said = server.bob().say(room, "done typing, @eve").await;
    bob.event("message.posted").await;
    laptop.fragment().await;
    let rest = laptop.fence().await;
    assert!(named(&rest, "typing").is_empty(), "coalesced: {rest:?}");
    let rest = bob.fence().await;
    assert!(named(&rest, "typing").is_empty(), "{rest:?}");

    // Who is not reading the room but is in it: one unread signal.
    let unread = phone.event("unread").await;
    assert_eq!(
        (&unread["room"], &unread["unread"], &unread["mentions"]),
        (&json!(room), &json!(1), &json!(1))
    );
    assert_eq!(unread["head"], said["seq"]);

    // Reading on one device is told to the other and to the writer.
    laptop
        .say(json!({"op": "read", "room": room, "seq": said["seq"]}))
        .await;
    for socket in [&mut phone, &mut bob] {
        let receipt = socket.event("receipt").await;
        assert_eq!(
            (&receipt["user"]["username"], &receipt["seq"]),
            (&json!("eve"), &said["seq"])
        );
        assert_eq!(receipt["room"], room);
    }
    server.bob().say(room, "again").await;
    let unread = phone.event("unread").await;
    assert_eq!(
        (&unread["unread"], &unread["mentions"]),
        (&json!(1), &json!(0)),
        "told anew after reading"
    );

    // Ada is in another room and learns of none of this.
    server.bob().say(lobby, "fence").await;
    assert_eq!(ada.event("message.posted").await["room"], lobby);
    let rest = ada.fence().await;
    assert!(rest.iter().all(|event| event["room"] != room), "{rest:?}");
}

#[tokio::test]
async fn what_cannot_be_understood_is_said_and_the_socket_stays() {
    let server = Server::start();
    let room = room_with(&server, 0).await;
    let mut bob = Socket::of(&server.bob()).await;
    bob.subscribe(room).await;
    for (text, code) in [
        (r#"{"op":"shout","room":1}"#, "unknown_op"),
        (r#"{"op":"subscribe"}"#, "invalid"),
        (r#"{"op":"subscribe","room":"1"}"#, "invalid"),
        (r#"{"op":"subscribe","room":1,"after":5}"#, "invalid"),
        (
            r#"{"op":"subscribe","room":1,"after":-1,"epoch":"00"}"#,
            "invalid",
        ),
        (r#"{"op":"typing","room":1,"user":2}"#, "invalid"),
        (r#"{"op":"read","room":1}"#, "invalid"),
        (r#"{"room":1}"#, "invalid"),
        (r#"{"op":5}"#, "unknown_op"),
        ("[]", "invalid"),
        ("null", "invalid"),
        ("hello", "invalid"),
        ("{", "invalid"),
        ("", "invalid"),
        (
            r#"{"op":"post","room":1,"nonce":"x","body":"\ud800"}"#,
            "invalid",
        ),
    ] {
        bob.say_text(text).await;
        let error = bob.event("error").await;
        let is_right = error["code"] == code
            || (error["code"] == "invalid" && code == "unknown_op" && text.contains('5'));
        assert!(is_right, "{text}: {error}");
        assert!(
            !error["message"].as_str().unwrap().is_empty() && error.get("re").is_some(),
            "{error}"
        );
    }
    let deep = format!(
        r#"{{"op":"ping","x":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    bob.say_text(&deep).await;
    assert_eq!(bob.event("error").await["code"], "invalid");
    bob.say(json!({"op": "ping"})).await;
    bob.event("pong").await;
    server.bob().say(room, "still here").await;
    bob.event("message.posted").await;
}

#[tokio::test]
async fn who_only_makes_errors_is_shown_the_door() {
    let server = Server::start();
    let mut bob = Socket::of(&server.bob()).await;
    let mut eve = Socket::of(&server.eve()).await;
    for _ in 0..200 {
        if bob.try_say(r#"{"op":"nonsense"}"#).await.is_err() {
            break;
        }
    }
    assert_eq!(bob.closed().await, 1008);
    let mut binary = Socket::of(&server.bob()).await;
    binary.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(binary.closed().await, 1003);
    let mut large = Socket::of(&server.bob()).await;
    let _ = large.try_say(&"x".repeat(1024 * 1024)).await;
    let code = large.closed().await;
    assert!(matches!(code, 1009 | 1006), "{code}");
    eve.say(json!({"op": "ping"})).await;
    eve.event("pong").await;
}

#[tokio::test]
async fn leaving_a_closed_room_ends_its_frames_before_the_answer() {
    let server = Server::start();
    let room = server.bob().make_room("Closed", "closed").await["id"]
        .as_i64()
        .unwrap();
    let mut bob = Socket::of(&server.bob()).await;
    let epoch = bob.ready["epoch"].clone();
    bob.subscribe(room).await;
    server.bob().say(room, "before").await;
    bob.event("message.posted").await;
    server
        .bob()
        .delete(&format!("/api/v1/rooms/{room}/members/me"))
        .await
        .expect(204);
    bob.resume(room, 0, &epoch).await;
    assert_eq!(bob.event("error").await["code"], "not_found");
}

#[tokio::test]
async fn too_many_sockets_of_one_person_are_refused() {
    let server = Server::with().set("PARLOUR_RATE_LIMITS", "on").start();
    let mut sockets = Vec::new();
    for _ in 0..16 {
        sockets.push(Socket::of(&server.bob()).await);
    }
    let refused = Socket::open(&server.bob(), "/api/v1/socket", &[])
        .await
        .err()
        .expect("refused");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("rate_limited"), "{}", refused.body);
    Socket::of(&server.eve()).await;
    drop(sockets.pop());
    crate::support::until("a place is free again", async || {
        Socket::open(&server.bob(), "/api/v1/socket", &[])
            .await
            .ok()
    })
    .await;
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_of_a_word_is_gone_at_once() {
    let server = Server::with().set("PARLOUR_RATE_LIMITS", "on").start();
    let mut hung_up = Vec::new();
    for _ in 0..16 {
        let mut wire = Wire::upgrade(&server.bob(), "/api/v1/socket", "").await;
        wire.frame().await.expect("ready");
        hung_up.push(wire);
    }
    for wire in &mut hung_up {
        // The last words and the end arrive as one; the end must not be overlooked.
        wire.send(&frame(FIN | TEXT, br#"{"op":"ping"}"#)).await;
        wire.finish().await;
    }
    // Far sooner than the server gives up on those who are silent.
    let mut free = Vec::new();
    for _ in 0..16 {
        let socket = crate::support::until("their places are free", async || {
            Socket::open(&server.bob(), "/api/v1/socket", &[])
                .await
                .ok()
        });
        free.push(socket.await);
    }
}

#[tokio::test]
async fn subscribing_to_everything_is_bounded() {
    let server = Server::start();
    let room = room_with(&server, 0).await;
    let mut bob = Socket::of(&server.bob()).await;
    for n in 0..90 {
        bob.say(json!({"op": "subscribe", "room": 100_000 + n}))
            .await;
    }
    for _ in 0..90 {
        assert_eq!(bob.event("error").await["code"], "not_found");
    }
    for _ in 0..300 {
        bob.say(json!({"op": "subscribe", "room": room})).await;
    }
    for _ in 0..300 {
        bob.event("subscribed").await;
    }
    server.bob().say(room, "once").await;
    bob.event("message.posted").await;
    let rest = bob.fence().await;
    assert!(
        named(&rest, "message.posted").is_empty(),
        "one subscription, however often asked"
    );
}
