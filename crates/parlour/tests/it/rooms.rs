//! Rooms: making, finding, joining, changing, leaving; and those that stay hidden.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, Socket};

async fn join(client: &Client, room: &Value) -> Answer {
    client
        .ask(
            Method::PUT,
            &format!("/api/v1/rooms/{}/members/me", room["id"]),
        )
        .send()
        .await
}

async fn leave(client: &Client, room: &Value) -> Answer {
    client
        .delete(&format!("/api/v1/rooms/{}/members/me", room["id"]))
        .await
}

#[tokio::test]
async fn people_make_find_join_and_leave_open_rooms() {
    let server = Server::start();
    let (bob, eve) = (server.bob(), server.eve());
    let room = bob.make_room("Gärten & Höfe", "open").await;
    assert_eq!(room["slug"], "gärten-höfe");
    assert_eq!(
        (&room["joined"], &room["member_count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(
        (&room["kind"], &room["topic"]),
        (&json!("open"), &json!(""))
    );

    let path = format!("/api/v1/rooms/{}", room["id"]);
    let seen = eve.get(&path).await.expect(200).json();
    assert_eq!(
        (&seen["joined"], &seen["name"]),
        (&json!(false), &json!("Gärten & Höfe"))
    );
    let found = eve
        .get("/api/v1/rooms?query=g%C3%A4rt")
        .await
        .expect(200)
        .items();
    assert_eq!(found.len(), 1);
    assert!(
        eve.get("/api/v1/rooms?joined=true")
            .await
            .expect(200)
            .items()
            .iter()
            .all(|room| room["slug"] == "lobby")
    );

    // Leaving what one is not in changes nothing; joining twice is joining once.
    assert!(matches!(leave(&eve, &room).await.status, 204 | 403));
    let joined = join(&eve, &room).await.expect(200).json();
    assert_eq!(
        (&joined["joined"], &joined["member_count"]),
        (&json!(true), &json!(2))
    );
    let head = joined["head"].clone();
    assert_eq!(
        join(&eve, &room).await.expect(200).json()["head"],
        head,
        "no second event"
    );
    let members = bob
        .get(&format!("{path}/members"))
        .await
        .expect(200)
        .items();
    let roles: Vec<(&str, &str)> = members
        .iter()
        .map(|member| {
            (
                member["user"]["username"].as_str().unwrap(),
                member["role"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(roles, [("bob", "owner"), ("eve", "member")]);
    leave(&eve, &room).await.expect(204);
    assert_eq!(eve.get(&path).await.expect(200).json()["joined"], false);

    let events = bob.get(&format!("{path}/events")).await.expect(200).items();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["member.joined", "member.joined", "member.left"]);
    // A page for people, too.
    let page = server
        .browser_of("eve")
        .get("/rooms/")
        .await
        .expect(200)
        .text();
    assert!(
        page.contains("Gärten &amp; Höfe") || page.contains("Gärten &#38; Höfe"),
        "listed and escaped"
    );
    server
        .browser_of("eve")
        .get("/rooms/g%C3%A4rten-h%C3%B6fe/")
        .await
        .expect(200);
}

#[tokio::test]
async fn slugs_are_unique_and_kept() {
    let server = Server::start();
    let bob = server.bob();
    for (name, slug) in [
        ("Garden", "garden"),
        ("garden", "garden-2"),
        ("ＧＡＲＤＥＮ!", "garden-3"),
        ("../../etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("Lobby", "lobby-2"),
    ] {
        assert_eq!(bob.make_room(name, "open").await["slug"], slug, "{name}");
    }
    for name in ["🦀🦀", "123", "--", "…"] {
        let room = bob.make_room(name, "open").await;
        assert_eq!(room["slug"], format!("room-{}", room["id"]), "{name}");
    }
    let garden = bob
        .get("/api/v1/rooms?query=garden&limit=1")
        .await
        .expect(200)
        .items()[0]
        .clone();
    let path = format!("/api/v1/rooms/{}", garden["id"]);
    let renamed = bob
        .patch(&path, json!({"name": "Park", "topic": "benches"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&renamed["name"], &renamed["slug"], &renamed["topic"]),
        (&json!("Park"), &garden["slug"], &json!("benches"))
    );
    let again = bob.make_room("Garden", "open").await;
    assert_ne!(
        again["slug"], garden["slug"],
        "an address is never given to another room"
    );
}

#[tokio::test]
async fn only_those_who_keep_a_room_change_it() {
    let server = Server::start();
    let (bob, eve) = (server.bob(), server.eve());
    let room = bob.make_room("Garden", "open").await;
    let path = format!("/api/v1/rooms/{}", room["id"]);
    eve.patch(&path, json!({"name": "Eve's"}))
        .await
        .refused(403, "forbidden");
    join(&eve, &room).await.expect(200);
    eve.patch(&path, json!({"topic": "mine"}))
        .await
        .refused(403, "forbidden");
    server
        .browser_of("eve")
        .post_form("/rooms/garden/settings", &[("name", "x"), ("topic", "")])
        .await
        .expect(403);
    for body in [
        json!({"name": ""}),
        json!({"name": "\u{200b} \u{3164}"}),
        json!({"name": "x".repeat(81)}),
        json!({"topic": "y".repeat(251)}),
        json!({"name": "a\u{202e}b"}),
        json!({"name": "a\u{0}b"}),
        json!({"name": 5}),
        json!({"slug": "other"}),
        json!({"kind": "closed"}),
        json!({"head": 0}),
        json!({"member_count": 9}),
        json!([]),
    ] {
        let status = bob.patch(&path, body.clone()).await.status;
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(bob.get(&path).await.expect(200).json()["name"], "Garden");
    bob.patch(&path, json!({"name": "x".repeat(80)}))
        .await
        .expect(200);
    server
        .ada()
        .patch(&path, json!({"name": "Ada may"}))
        .await
        .expect(200);
    let name = eve.get(&path).await.expect(200).json()["name"].clone();
    assert_eq!(name, "Ada may");
}

#[tokio::test]
async fn the_lobby_stays_as_it_is() {
    let server = Server::start();
    let lobby = server
        .bob()
        .get("/api/v1/rooms?query=lobby")
        .await
        .expect(200)
        .items()[0]
        .clone();
    for client in [server.ada(), server.bob()] {
        let left = leave(&client, &lobby).await;
        left.refused(403, "forbidden");
        assert_eq!(
            client
                .delete(&format!("/api/v1/rooms/{}", lobby["id"]))
                .await
                .status,
            405
        );
    }
    server
        .browser_of("bob")
        .post_form("/rooms/lobby/leave", &[])
        .await
        .expect(403);
    let path = format!("/api/v1/rooms/{}", lobby["id"]);
    server
        .bob()
        .patch(&path, json!({"name": "Bob's"}))
        .await
        .refused(403, "forbidden");
    server
        .ada()
        .patch(&path, json!({"topic": "Welcome"}))
        .await
        .expect(200);
    // Everyone who signs up is in it.
    let form = [
        ("username", "carla"),
        ("password", crate::support::PASSWORD),
        ("password_confirm", crate::support::PASSWORD),
    ];
    let carla = server.stranger().like_a_browser();
    carla.post_form("/signup/", &form).await.expect(303);
    let rooms = carla
        .get("/api/v1/rooms?joined=true")
        .await
        .expect(200)
        .items();
    assert_eq!(rooms.len(), 1);
    assert_eq!(rooms[0]["slug"], "lobby");
}

#[tokio::test]
async fn a_refused_room_form_keeps_what_was_typed() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let refused = bob
        .post_form(
            "/rooms/",
            &[("name", &"x".repeat(81)), ("topic", "kept topic")],
        )
        .await
        .expect(422);
    assert!(refused.text().contains("kept topic") && refused.text().contains("80"));
    bob.post_form("/rooms/", &[("name", "Garden"), ("topic", "")])
        .await
        .expect(303);
    bob.post_form("/rooms/garden/leave", &[]).await;
    bob.post_form("/rooms/garden/join", &[]).await.expect(303);
}

/// An answer without what differs from one second to the next.
fn shown(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status, headers.collect(), answer.text())
}

#[tokio::test]
async fn a_closed_room_does_not_exist_for_those_outside() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.make_room("Surprise party", "closed").await;
    let id = room["id"].as_i64().unwrap();
    let said = bob.say(id, "the cake is in the cellar").await;
    let message = said["id"].as_i64().unwrap();
    let nowhere = 999_999;

    // Also for the owner of the house: what is said there is its members' business.
    for name in ["eve", "ada", "olga"] {
        let (api, page) = (server.token_of(name), server.browser_of(name));
        for (method, path, body) in [
            (Method::GET, "/api/v1/rooms/{room}", None),
            (Method::GET, "/api/v1/rooms/{room}/members", None),
            (Method::GET, "/api/v1/rooms/{room}/messages", None),
            (Method::GET, "/api/v1/rooms/{room}/messages?around=2", None),
            (Method::GET, "/api/v1/rooms/{room}/events", None),
            (
                Method::PATCH,
                "/api/v1/rooms/{room}",
                Some(json!({"name": "x"})),
            ),
            (Method::PUT, "/api/v1/rooms/{room}/members/me", None),
            (Method::DELETE, "/api/v1/rooms/{room}/members/me", None),
            (
                Method::POST,
                "/api/v1/rooms/{room}/messages",
                Some(json!({"body": "x"})),
            ),
            (
                Method::PUT,
                "/api/v1/rooms/{room}/read",
                Some(json!({"seq": 1})),
            ),
            (
                Method::PUT,
                "/api/v1/rooms/{room}/unread",
                Some(json!({"seq": 1})),
            ),
            (Method::GET, "/api/v1/messages/{message}", None),
            (
                Method::PATCH,
                "/api/v1/messages/{message}",
                Some(json!({"body": "x"})),
            ),
            (Method::DELETE, "/api/v1/messages/{message}", None),
        ] {
            let at = |room: i64, message: i64| {
                let path = path
                    .replace("{room}", &room.to_string())
                    .replace("{message}", &message.to_string());
                let ask = api.ask(method.clone(), &path);
                match &body {
                    Some(body) => ask.json(body).send(),
                    None => ask.send(),
                }
            };
            let hidden = at(id, message).await.refused(404, "not_found");
            let absent = at(nowhere, nowhere).await.refused(404, "not_found");
            assert_eq!(shown(&hidden), shown(&absent), "{name}: {method} {path}");
        }
        for path in [
            "/rooms/{slug}/",
            "/rooms/{slug}/timeline",
            "/rooms/{slug}/members",
            "/rooms/{slug}/settings",
            "/messages/{message}/",
            "/messages/{message}/edit",
            "/messages/{message}/delete",
        ] {
            let at = |slug: &str, message: i64| {
                page.ask(
                    Method::GET,
                    &path
                        .replace("{slug}", slug)
                        .replace("{message}", &message.to_string()),
                )
                .send()
            };
            let hidden = at("surprise-party", message).await;
            let absent = at("no-such-room", nowhere).await;
            assert_eq!(hidden.status, 404, "{name}: {path}");
            assert_eq!(shown(&hidden), shown(&absent), "{name}: {path}");
            assert!(
                !hidden.text().to_lowercase().contains("surprise party")
                    && !hidden.text().contains("cellar")
            );
        }
        for path in [
            "/rooms/surprise-party/messages",
            "/rooms/surprise-party/join",
            "/rooms/surprise-party/leave",
        ] {
            page.post_form(path, &[("body", "x")]).await.expect(404);
        }
        for list in [
            "/api/v1/rooms?limit=100",
            "/api/v1/rooms?query=party",
            "/rooms/",
            "/sidebar",
        ] {
            let client = if list.starts_with("/api") {
                &api
            } else {
                &page
            };
            assert!(
                !client
                    .get(list)
                    .await
                    .expect(200)
                    .text()
                    .contains("Surprise"),
                "{name}: {list}"
            );
        }
    }
    // Without a session nothing of it shows either.
    let permalink = server
        .stranger()
        .get(&format!("/messages/{message}/"))
        .await
        .expect(303);
    assert!(permalink.header("location").starts_with("/login/"));
    let login = server
        .stranger()
        .get(permalink.header("location"))
        .await
        .expect(200)
        .text();
    assert!(!login.to_lowercase().contains("surprise") && !login.contains("cellar"));
    server
        .stranger()
        .get(&format!("/api/v1/messages/{message}"))
        .await
        .refused(401, "unauthorized");
    assert_eq!(
        bob.get(&format!("/api/v1/rooms/{id}"))
            .await
            .expect(200)
            .json()["head"],
        said["seq"]
    );
}

#[tokio::test]
async fn a_socket_learns_nothing_of_a_closed_room() {
    let server = Server::start();
    let room = server.bob().make_room("Surprise party", "closed").await["id"]
        .as_i64()
        .unwrap();
    let lobby = server.eve().lobby().await;
    let mut eve = Socket::of(&server.eve()).await;
    let mut bob = Socket::of(&server.bob()).await;
    eve.subscribe(lobby).await;
    bob.subscribe(room).await;
    let mut texts = Vec::new();
    for id in [room, 999_999] {
        for op in [
            json!({"op": "subscribe", "room": id}),
            json!({"op": "subscribe", "room": id, "after": 0, "epoch": eve.ready["epoch"]}),
            json!({"op": "read", "room": id, "seq": 1}),
            json!({"op": "post", "room": id, "nonce": crate::support::uuid(), "body": "x"}),
        ] {
            eve.say(op.clone()).await;
            let mut error = eve.event("error").await;
            assert_eq!(error["code"], "not_found", "{op}: {error}");
            if op["op"] == "post" {
                assert_eq!(error["re"], op["nonce"]);
                error["re"] = json!("nonce");
            }
            texts.push(error.to_string());
        }
        // Typing for a room one is not in is dropped without a word.
        eve.say(json!({"op": "typing", "room": id})).await;
        eve.say(json!({"op": "unsubscribe", "room": id})).await;
    }
    assert_eq!(
        texts[..4],
        texts[4..],
        "hidden and absent are told apart by nothing"
    );
    server.bob().say(room, "the cake is in the cellar").await;
    bob.event("message.posted").await;
    // What comes after in the lobby proves that nothing came before.
    server.bob().say(lobby, "hello").await;
    let seen = eve.event("message.posted").await;
    assert_eq!(seen["room"], lobby);
    let all = eve.fence().await;
    assert!(!json!(all).to_string().contains("cellar"), "{all:?}");
    assert!(all.iter().all(|event| event["room"] != room), "{all:?}");
    let seen = bob.fence().await;
    assert!(!json!(seen).to_string().contains("typing"), "{seen:?}");
}

#[tokio::test]
async fn lists_go_on_where_they_stopped() {
    let server = Server::start();
    let bob = server.bob();
    for n in 0..25 {
        bob.make_room(&format!("Room {n:02}"), "open").await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/rooms?limit=10".to_owned();
    loop {
        let page = bob.get(&path).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        names.extend(
            items
                .iter()
                .map(|room| room["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/rooms?limit=10&cursor={next}");
    }
    assert_eq!(names.len(), 26);
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| name.to_lowercase());
    sorted.dedup();
    assert_eq!(names, sorted, "by name, each once");
    let cursor = bob.get("/api/v1/rooms?limit=10").await.expect(200).json()["next"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        format!("/api/v1/users?cursor={cursor}"),
        format!("/api/v1/rooms?joined=true&cursor={cursor}"),
        format!("/api/v1/rooms?cursor={}", &cursor[2..]),
        "/api/v1/rooms?cursor=".to_owned(),
        "/api/v1/rooms?limit=0".to_owned(),
        "/api/v1/rooms?limit=101".to_owned(),
        "/api/v1/rooms?limit=-1".to_owned(),
        "/api/v1/rooms?limit=1e9".to_owned(),
        "/api/v1/rooms?limit=10&limit=20".to_owned(),
        "/api/v1/rooms?unknown=1".to_owned(),
        "/api/v1/rooms?joined=perhaps".to_owned(),
    ] {
        let answer = bob.get(&path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
}
