//! What people and programs type: limits to the character, texts that are nothing, types
//! that are wrong. A refusal says which limit; nothing is cut silently.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Server, Socket, uuid};

#[tokio::test]
async fn the_longest_message_is_taken_and_one_more_character_is_not() {
    for limit in [1_usize, 1000, 40_000] {
        let server = Server::with()
            .set("PARLOUR_MAX_MESSAGE_CHARS", &limit.to_string())
            .start();
        let bob = server.bob();
        let room = bob.lobby().await;
        let path = format!("/api/v1/rooms/{room}/messages");
        for c in ["x", "🦀", "\u{1F468}\u{1F3FD}"] {
            let longest: String = c.chars().cycle().take(limit).collect();
            let posted = bob
                .post(&path, json!({"body": longest}))
                .await
                .expect(201)
                .json();
            assert_eq!(posted["body"], longest.as_str(), "whole, not cut");
            let more = format!("{longest}x");
            let refused = bob
                .post(&path, json!({"body": more}))
                .await
                .refused(400, "too_long");
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&limit.to_string()), "{detail}");
            assert!(detail.contains(&(limit + 1).to_string()), "{detail}");
            // Outer white space and line ends do not count.
            let padded = format!("\n  {longest}  \r\n");
            bob.post(&path, json!({"body": padded})).await.expect(201);
        }
        // The same over the socket, with every character escaped.
        let mut socket = Socket::of(&bob).await;
        let key = uuid();
        let escaped = "\\ud83e\\udd80".repeat(limit);
        socket
            .say_text(&format!(
                r#"{{"op":"post","room":{room},"nonce":"{key}","body":"{escaped}"}}"#
            ))
            .await;
        let ack = socket.event("posted").await;
        assert_eq!(ack["nonce"], key);
        let refusal = socket.post(room, &uuid(), &"y".repeat(limit + 1)).await;
        assert_eq!(refusal["code"], "too_long", "{refusal}");
        let page = server
            .browser_of("bob")
            .get("/rooms/lobby/")
            .await
            .expect(200)
            .text();
        assert!(page.contains(&format!("data-max-chars=\"{limit}\"")));
    }
}

#[tokio::test]
async fn a_message_of_nothing_is_refused() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.lobby().await;
    let path = format!("/api/v1/rooms/{room}/messages");
    let mut socket = Socket::of(&bob).await;
    for nothing in [
        "",
        " ",
        "\n\t\r\n",
        "\u{200b}",
        "\u{feff}\u{2060}",
        "\u{3164}",
        "\u{ad}\u{200d}",
        "\u{2800} ",
        "\u{202e}",
    ] {
        bob.post(&path, json!({"body": nothing}))
            .await
            .refused(400, "empty");
        let refusal = socket.post(room, &uuid(), nothing).await;
        assert_eq!(refusal["code"], "empty", "{nothing:?}");
    }
    bob.post(&path, json!({"body": "a\u{0}b"}))
        .await
        .refused(400, "invalid");
    let refusal = socket.post(room, &uuid(), "a\u{0}b").await;
    assert_eq!(refusal["code"], "invalid");
    assert_eq!(bob.get(&path).await.expect(200).items().len(), 0);
}

#[tokio::test]
async fn what_is_typed_is_kept_as_typed() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.lobby().await;
    for text in [
        "'; drop table messages; --",
        "100% _wild_ \\ \"quoted\"",
        "a\u{ffff}b",
        "\u{202e}reversed\u{202c}",
        "e\u{301}\u{301}\u{301}",
        "👩‍👩‍👧‍👦 family",
        "line\n\n\n\nline",
        "tab\there",
        "\u{1b}[31mred\u{1b}[0m",
        "नमस्ते 你好 مرحبا",
    ] {
        let said = bob.say(room, text).await;
        let read = server
            .eve()
            .get(&format!("/api/v1/messages/{}", said["id"]))
            .await
            .expect(200)
            .json();
        assert_eq!(read["body"], text);
    }
    let zalgo = format!("z{}", "\u{334}".repeat(900));
    bob.say(room, &zalgo).await;
    let lines = format!("a{}b", "\n".repeat(900));
    let said = bob.say(room, &lines).await;
    assert!(
        said["html"].as_str().unwrap().len() < 200,
        "a thousand empty lines are not drawn"
    );
    server
        .browser_of("eve")
        .get("/rooms/lobby/")
        .await
        .expect(200);
}

#[tokio::test]
async fn requests_of_the_wrong_shape_are_refused_and_change_nothing() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.lobby().await;
    let path = format!("/api/v1/rooms/{room}/messages");
    let post =
        |kind: &'static str, body: Vec<u8>| bob.ask(Method::POST, &path).body(kind, body).send();
    for body in [
        r#"{"body":"x","author_id":1}"#,
        r#"{"body":"x","seq":1}"#,
        r#"{"body":"x","room_id":2}"#,
        r#"{"body":"x","created_at":"2020-01-01T00:00:00Z"}"#,
        r#"{"body":"x","role":"owner"}"#,
        r#"{"body":"x","body":"y"}"#,
        r#"{"body":5}"#,
        r#"{"body":null}"#,
        r#"{"body":["x"]}"#,
        r#"{}"#,
        r#"[]"#,
        r#""x""#,
        "null",
        "",
        "{",
        r#"{"body":"x"}{"body":"y"}"#,
        r#"{"body":"\ud800"}"#,
        r#"{"body":"\udc00x"}"#,
        r#"{"body":"x","reply_to":"1"}"#,
        r#"{"body":"x","reply_to":1.5}"#,
        r#"{"body":"x","reply_to":99999999999999999999}"#,
        "{\"body\":\"a\nb\"}",
        "{'body':'x'}",
        "\u{feff}{\"body\":\"x\"}",
    ] {
        let answer = post("application/json", body.as_bytes().to_vec()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        vec![0xff, 0xfe],
        b"{\"body\":\"\xff\"}".to_vec(),
        b"{\"body\":\"\xc0\xaf\"}".to_vec(),
        b"{\"body\":\"\xed\xa0\x80\"}".to_vec(),
        deep.into_bytes(),
    ] {
        let answer = post("application/json", body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "",
    ] {
        let answer = post(kind, br#"{"body":"x"}"#.to_vec()).await;
        assert_eq!(answer.status, 415, "{kind:?}");
    }
    post(
        "application/json; charset=utf-8",
        br#"{"body":"the only one"}"#.to_vec(),
    )
    .await
    .expect(201);
    assert_eq!(bob.get(&path).await.expect(200).items().len(), 1);
    for (path, body) in [
        ("/api/v1/rooms", json!({"name": "x", "slug": "y"})),
        ("/api/v1/rooms", json!({"name": "x", "kind": "direct"})),
        ("/api/v1/rooms", json!({"name": "x", "kind": "secret"})),
        ("/api/v1/rooms", json!({"name": ["x"]})),
        ("/api/v1/rooms", json!({"name": ""})),
        ("/api/v1/rooms", json!({"name": "\u{3164}"})),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": PASSWORD, "name": "x", "user": 1}),
        ),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": PASSWORD, "name": ""}),
        ),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": PASSWORD, "name": "x".repeat(65)}),
        ),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": PASSWORD, "name": "x", "scopes": []}),
        ),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": PASSWORD, "name": "x", "scopes": ["root"]}),
        ),
        (
            "/api/v1/tokens",
            json!({"username": "bob", "password": {"$gt": ""}, "name": "x"}),
        ),
    ] {
        let answer = bob.post(path, body.clone()).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
    }
}

#[tokio::test]
async fn forms_cannot_give_what_they_do_not_ask() {
    let server = Server::start();
    let carla = server.stranger().like_a_browser();
    let form = [
        ("username", "carla"),
        ("password", PASSWORD),
        ("password_confirm", PASSWORD),
        ("role", "owner"),
        ("is_admin", "1"),
        ("id", "1"),
        ("state", "active"),
    ];
    carla.post_form("/signup/", &form).await;
    if carla.cookie("parlour").is_some() {
        let me = carla.get("/api/v1/me").await.expect(200).json();
        assert_eq!(
            (&me["role"], &me["username"]),
            (&json!("member"), &json!("carla"))
        );
    }
    let bob = server.browser_of("bob");
    bob.post_form(
        "/settings/name",
        &[
            ("display_name", "Bob B."),
            ("role", "owner"),
            ("username", "ada"),
        ],
    )
    .await;
    let me = bob.get("/api/v1/me").await.expect(200).json();
    assert_eq!(
        (&me["role"], &me["username"]),
        (&json!("member"), &json!("bob"))
    );
    for (name, expected) in [
        ("", 422),
        ("\u{200b}", 422),
        (&*"x".repeat(65), 422),
        ("a\u{202e}b", 422),
        (&*"x".repeat(64), 303),
    ] {
        let answer = bob
            .post_form("/settings/name", &[("display_name", name)])
            .await;
        assert_eq!(answer.status, expected, "{name:?}");
    }
    let raw = bob.ask(Method::POST, "/settings/name").body(
        "application/x-www-form-urlencoded",
        b"display_name=%ff%fe".to_vec(),
    );
    let answer = raw.send().await;
    assert!(answer.status < 500, "{}", answer.status);
    let known: Vec<Value> = server
        .bob()
        .get("/api/v1/users?query=bob")
        .await
        .expect(200)
        .items();
    assert_eq!(known[0]["role"], "member");
}
