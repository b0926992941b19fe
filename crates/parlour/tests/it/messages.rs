//! Messages over the API and the page: posting, keys, editing, deleting, history.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Socket, uuid};

/// A room of bob's own and the address of its messages.
async fn room(server: &Server) -> (i64, String) {
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    (room, format!("/api/v1/rooms/{room}/messages"))
}

async fn keyed(client: &Client, path: &str, key: &str, body: Value) -> Answer {
    client
        .ask(Method::POST, path)
        .json(&body)
        .header("idempotency-key", key)
        .send()
        .await
}

#[tokio::test]
async fn a_message_is_what_was_said_with_its_place_in_the_room() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let answer = server
        .bob()
        .post(&path, json!({"body": "  Hello *world*\r\nline two \n"}))
        .await
        .expect(201);
    let message = answer.json();
    assert_eq!(
        message["body"], "Hello *world*\nline two",
        "line ends made \\n, outer white space cut"
    );
    assert!(message["html"].as_str().unwrap().contains("<em>world</em>"));
    assert_eq!(
        (&message["room_id"], &message["seq"]),
        (&json!(room), &json!(2)),
        "after bob's joining"
    );
    assert_eq!(message["author"]["username"], "bob");
    assert!(message["created_at"].as_str().unwrap().ends_with('Z'));
    for absent in ["edited_at", "deleted_at", "reply_to"] {
        assert!(
            message[absent].is_null() && message.get(absent).is_some(),
            "{absent} is null, not missing"
        );
    }
    assert_eq!(message["reactions"], json!([]));
    let one = format!("/api/v1/messages/{}", message["id"]);
    assert_eq!(answer.header("location"), one);
    let read = server.eve().get(&one).await.expect(200);
    assert_eq!(read.header("etag"), answer.header("etag"));
    assert_eq!(read.json()["body"], message["body"]);

    // Posting into an open room joins it, in the same step.
    let eve = server
        .eve()
        .post(&path, json!({"body": "me too"}))
        .await
        .expect(201)
        .json();
    assert_eq!(eve["seq"], 4);
    let log = server
        .bob()
        .get(&format!("/api/v1/rooms/{room}/events"))
        .await
        .expect(200)
        .items();
    let kinds: Vec<&str> = log
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "member.joined",
            "message.posted",
            "member.joined",
            "message.posted"
        ]
    );
    assert_eq!(log[3]["message"]["id"], eve["id"]);
    assert!(
        log[3]["message"].get("read_by").is_none(),
        "events are the same for everybody"
    );
    server
        .stranger()
        .post(&path, json!({"body": "x"}))
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn the_same_key_gives_the_same_message() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let bob = server.bob();
    let key = uuid();
    let first = keyed(&bob, &path, &key, json!({"body": "once"}))
        .await
        .expect(201)
        .json();
    assert_eq!(first["nonce"], key);
    let again = keyed(&bob, &path, &key, json!({"body": "once"}))
        .await
        .expect(200)
        .json();
    assert_eq!((&again["id"], &again["seq"]), (&first["id"], &first["seq"]));
    keyed(&bob, &path, &key, json!({"body": "twice"}))
        .await
        .refused(409, "idempotency_mismatch");
    keyed(
        &bob,
        &path,
        &key,
        json!({"body": "once", "reply_to": first["id"]}),
    )
    .await
    .refused(409, "idempotency_mismatch");
    let lobby = bob.lobby().await;
    let elsewhere = format!("/api/v1/rooms/{lobby}/messages");
    keyed(&bob, &elsewhere, &key, json!({"body": "once"}))
        .await
        .refused(409, "idempotency_mismatch");
    // Another person's key is another key.
    let eve = keyed(&server.eve(), &path, &key, json!({"body": "eve's"}))
        .await
        .expect(201)
        .json();
    assert_ne!(eve["id"], first["id"]);
    // The socket's nonce is the same key.
    let mut socket = Socket::of(&bob).await;
    let ack = socket.post(room, &key, "once").await;
    assert_eq!(
        (&ack["event"], &ack["id"], &ack["seq"]),
        (&json!("posted"), &first["id"], &first["seq"])
    );
    let refusal = socket.post(room, &key, "twice").await;
    assert_eq!(
        (&refusal["event"], &refusal["code"]),
        (&json!("error"), &json!("idempotency_mismatch"))
    );
    // It survives edit and deletion, by the original body.
    let one = format!("/api/v1/messages/{}", first["id"]);
    bob.patch(&one, json!({"body": "edited"})).await.expect(200);
    let again = keyed(&bob, &path, &key, json!({"body": "once"}))
        .await
        .expect(200)
        .json();
    assert_eq!(again["body"], "edited", "the message as it is now");
    keyed(&bob, &path, &key, json!({"body": "edited"}))
        .await
        .refused(409, "idempotency_mismatch");
    bob.delete(&one).await.expect(204);
    let again = keyed(&bob, &path, &key, json!({"body": "once"}))
        .await
        .expect(200)
        .json();
    assert!(again["body"].is_null());
    for wrong in ["x", "", "12345", &"a".repeat(129), "null"] {
        let answer = keyed(&bob, &path, wrong, json!({"body": "x"})).await;
        assert_eq!(answer.status, 400, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_posts_with_one_key_are_one_message() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let (bob, key) = (server.bob(), uuid());
    let posts = (0..50).map(|_| keyed(&bob, &path, &key, json!({"body": "once"})));
    let answers = join_all(posts).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    let ids: Vec<Value> = answers
        .iter()
        .map(|answer| answer.json()["id"].clone())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(bob.get(&path).await.expect(200).items().len(), 1);
    assert_eq!(
        bob.get(&format!("/api/v1/rooms/{room}"))
            .await
            .expect(200)
            .json()["head"],
        2
    );
}

#[tokio::test]
async fn only_the_author_edits_and_a_stale_edit_is_refused() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let (bob, eve) = (server.bob(), server.eve());
    let posted = bob.post(&path, json!({"body": "frist"})).await.expect(201);
    let tag = posted.header("etag").to_owned();
    let one = format!("/api/v1/messages/{}", posted.json()["id"]);
    eve.patch(&one, json!({"body": "eve's"}))
        .await
        .refused(403, "forbidden");
    server
        .ada()
        .patch(&one, json!({"body": "ada's"}))
        .await
        .refused(403, "forbidden");

    let with = |tag: String, body: &str| {
        bob.ask(Method::PATCH, &one)
            .json(&json!({"body": body}))
            .header("if-match", &tag)
            .send()
    };
    let edited = with(tag.clone(), "first").await.expect(200);
    assert_eq!(edited.json()["body"], "first");
    assert!(edited.json()["edited_at"].is_string());
    assert_eq!(
        edited.json()["seq"],
        posted.json()["seq"],
        "seq is where it was posted"
    );
    with(tag, "late").await.refused(412, "stale");
    with("\"0-0\"".to_owned(), "late")
        .await
        .refused(412, "stale");
    with("*".to_owned(), "any").await.expect(200);
    with("nonsense".to_owned(), "x").await.expect(400);
    for body in [
        json!({"body": ""}),
        json!({"body": "x".repeat(1001)}),
        json!({"body": "a\u{0}"}),
        json!({}),
    ] {
        bob.patch(&one, body).await.expect(400);
    }
    // Two edits of one version: one of them is told.
    let tag = bob.get(&one).await.expect(200).header("etag").to_owned();
    let (a, b) = tokio::join!(with(tag.clone(), "a"), with(tag, "b"));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let log = bob
        .get(&format!("/api/v1/rooms/{room}/events"))
        .await
        .expect(200)
        .items();
    let edits = log
        .iter()
        .filter(|event| event["event"] == "message.edited")
        .count();
    assert_eq!(
        edits, 3,
        "each accepted edit is an event, no refused one is"
    );
    // The page's own form has the same rule.
    let page = server.browser_of("bob");
    let id = posted.json()["id"].clone();
    let form = page
        .get(&format!("/messages/{id}/edit"))
        .await
        .expect(200)
        .text();
    let version = form
        .split("name=\"version\"")
        .nth(1)
        .and_then(|rest| rest.split("value=\"").nth(1))
        .unwrap();
    let version = version.split('"').next().unwrap().to_owned();
    let edit = |version: String| {
        let path = format!("/messages/{id}/edit");
        let page = page.clone();
        async move {
            page.post_form(&path, &[("body", "by form"), ("version", &version)])
                .await
        }
    };
    edit(version.clone()).await.expect(303);
    edit(version).await.expect(412);
    server
        .browser_of("eve")
        .post_form(&format!("/messages/{id}/edit"), &[("body", "x")])
        .await
        .expect(403);
}

#[tokio::test]
async fn a_deleted_message_is_a_tombstone() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let (bob, eve) = (server.bob(), server.eve());
    let said = bob.say(room, "regret").await;
    let reply = eve
        .post(&path, json!({"body": "really?", "reply_to": said["id"]}))
        .await
        .expect(201)
        .json();
    assert_eq!(reply["quote"]["body"], "regret");
    let one = format!("/api/v1/messages/{}", said["id"]);
    eve.delete(&one).await.refused(403, "forbidden");
    bob.delete(&one).await.expect(204);
    bob.delete(&one).await.expect(204);
    let tombstone = eve.get(&one).await.expect(200).json();
    assert!(tombstone["body"].is_null() && tombstone["html"].is_null());
    assert!(tombstone["deleted_at"].is_string());
    assert_eq!(tombstone["seq"], said["seq"]);
    bob.patch(&one, json!({"body": "back"}))
        .await
        .refused(409, "conflict");
    let reply = eve
        .get(&format!("/api/v1/messages/{}", reply["id"]))
        .await
        .expect(200)
        .json();
    assert!(reply["quote"]["body"].is_null(), "{reply}");
    let log = bob
        .get(&format!("/api/v1/rooms/{room}/events"))
        .await
        .expect(200)
        .items();
    assert_eq!(
        log.iter()
            .filter(|event| event["event"] == "message.deleted")
            .count(),
        1
    );
    // Those who keep order may delete what others said.
    let eves = eve.say(room, "spam").await;
    bob.delete(&format!("/api/v1/messages/{}", eves["id"]))
        .await
        .expect(204);
    let eves = eve.say(server.bob().lobby().await, "spam").await;
    bob.delete(&format!("/api/v1/messages/{}", eves["id"]))
        .await
        .refused(403, "forbidden");
    server
        .ada()
        .delete(&format!("/api/v1/messages/{}", eves["id"]))
        .await
        .expect(204);
}

#[tokio::test]
async fn edit_and_delete_at_once_end_deleted() {
    let server = Server::start();
    let (room, _) = room(&server).await;
    let bob = server.bob();
    for round in 0..10 {
        let said = bob.say(room, "now or never").await;
        let one = format!("/api/v1/messages/{}", said["id"]);
        let (edit, deletion) =
            tokio::join!(bob.patch(&one, json!({"body": "edited"})), bob.delete(&one));
        assert!(
            matches!(edit.status, 200 | 409),
            "round {round}: {}",
            edit.text()
        );
        deletion.expect(204);
        assert!(
            bob.get(&one).await.expect(200).json()["body"].is_null(),
            "round {round}: no resurrection"
        );
    }
}

#[tokio::test]
async fn a_reply_names_a_message_of_the_same_room() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let (bob, lobby) = (server.bob(), server.bob().lobby().await);
    let here = bob.say(room, "here").await;
    let there = bob.say(lobby, "there").await;
    let reply = bob
        .post(&path, json!({"body": "a", "reply_to": here["id"]}))
        .await
        .expect(201)
        .json();
    assert_eq!(reply["reply_to"], here["id"]);
    assert_eq!(reply["quote"]["author"]["username"], "bob");
    for wrong in [there["id"].clone(), json!(999_999), json!(-1), json!(0)] {
        let answer = bob
            .post(&path, json!({"body": "a", "reply_to": wrong}))
            .await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
    // What a hidden room says cannot be fetched by answering it.
    let hidden = bob.make_room("Secret", "closed").await["id"]
        .as_i64()
        .unwrap();
    let secret = bob.say(hidden, "the combination is 1234").await;
    let answer = server
        .eve()
        .post(&path, json!({"body": "a", "reply_to": secret["id"]}))
        .await
        .expect(400);
    assert!(!answer.text().contains("1234"));
    let absent = server
        .eve()
        .post(&path, json!({"body": "a", "reply_to": 999_999}))
        .await
        .expect(400);
    assert_eq!(answer.text(), absent.text());
}

#[tokio::test]
async fn the_page_posts_without_scripting_and_with() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let sent = bob
        .post_form("/rooms/lobby/messages", &[("body", "by form")])
        .await
        .expect(303);
    assert!(sent.header("location").starts_with("/rooms/lobby/"));
    let scripted = |fields: &[(&str, &str)]| {
        bob.ask(Method::POST, "/rooms/lobby/messages")
            .form(fields)
            .header("hx-request", "true")
            .send()
    };
    let key = uuid();
    let answer = scripted(&[("body", "by script"), ("nonce", &key)])
        .await
        .expect(201);
    assert!(answer.body.is_empty());
    let seq: i64 = answer.header("parlour-seq").parse().unwrap();
    let again = scripted(&[("body", "by script"), ("nonce", &key)]).await;
    assert!(again.status < 300, "{}", again.status);
    assert_eq!(again.header("parlour-seq"), seq.to_string());
    let long = "x".repeat(1001);
    let refused = scripted(&[("body", &long), ("nonce", &uuid())]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("data-code=\"too_long\"") && refused.text().contains("1000"));
    assert!(refused.text().contains("class=\"refusal\""));
    // Without scripting the page comes back with what was typed.
    let page = bob
        .post_form("/rooms/lobby/messages", &[("body", &long)])
        .await
        .expect(422)
        .text();
    assert!(page.contains(&long) && page.contains("1000"));
    let page = bob.get("/rooms/lobby/").await.expect(200).text();
    assert_eq!(page.matches("by script").count(), 1, "once");
    let fragment = bob
        .get(&format!("/rooms/lobby/timeline?around={seq}"))
        .await
        .expect(200)
        .text();
    assert!(
        fragment.trim_start().starts_with("<ol id=\"messages\"") && fragment.contains("by form")
    );
    let link = bob
        .get(&format!("/messages/{}/", answer.header("parlour-message")))
        .await
        .expect(303);
    assert!(
        link.header("location")
            .starts_with(&format!("/rooms/lobby/?around={seq}"))
    );
}
