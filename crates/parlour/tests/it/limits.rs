//! Rate limits: they hold, they say for how long, and they stop nobody else.

use std::time::Instant;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::support::{PASSWORD, Server, Socket, uuid};

fn limited() -> Server {
    Server::with().set("PARLOUR_RATE_LIMITS", "on").start()
}

#[tokio::test]
async fn a_flood_of_messages_is_slowed_and_others_are_not() {
    let server = limited();
    let lobby = server.bob().lobby().await;
    let path = format!("/api/v1/rooms/{lobby}/messages");
    let mut statuses = Vec::new();
    for n in 0..14 {
        let answer = server
            .bob()
            .post(&path, json!({"body": format!("{n}")}))
            .await;
        if answer.status == 429 {
            answer.clone().refused(429, "rate_limited");
        }
        statuses.push(answer.status);
    }
    assert_eq!(&statuses[..10], &[201; 10], "ten at once");
    assert!(statuses.contains(&429), "{statuses:?}");
    server
        .eve()
        .post(&path, json!({"body": "eve is not slowed"}))
        .await
        .expect(201);
    let mut socket = Socket::of(&server.bob()).await;
    let mut refusal = json!(null);
    for _ in 0..12 {
        refusal = socket.post(lobby, &uuid(), "more").await;
        if refusal["event"] == "error" {
            break;
        }
    }
    assert_eq!(refusal["code"], "rate_limited", "{refusal}");
    assert!(refusal["retry_after"].as_i64().unwrap() >= 1, "{refusal}");
    let fragment = server
        .browser_of("bob")
        .ask(Method::POST, "/rooms/lobby/messages")
        .form(&[("body", "x")]);
    let fragment = fragment.header("hx-request", "true").send().await;
    if fragment.status == 429 {
        assert!(!fragment.header("retry-after").is_empty());
        assert!(fragment.text().contains("data-code=\"rate_limited\""));
    }
}

#[tokio::test]
async fn guessing_at_an_account_is_slowed_but_not_for_a_known_browser() {
    let server = limited();
    let known = server.stranger().like_a_browser();
    known
        .post_form("/login/", &[("username", "bob"), ("password", PASSWORD)])
        .await
        .expect(303);
    known.post_form("/logout/", &[]).await.expect(303);
    assert!(known.cookie("parlour").is_none() && known.cookie("parlour-known").is_some());
    let guess = |ip: &'static str, password: &'static str| {
        let asked = server
            .stranger()
            .ask(Method::POST, "/login/")
            .form(&[("username", "bob"), ("password", password)]);
        asked.header("x-forwarded-for", ip).send()
    };
    // Who changes the forwarded address without being a proxy is still the same one.
    for ip in ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4", "5.5.5.5"] {
        guess(ip, "wrong-password").await.expect(422);
    }
    let slowed = guess("6.6.6.6", PASSWORD).await.expect(429);
    let wait: u64 = slowed.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    let asked = json!({"username": "BOB", "password": PASSWORD, "name": "t"});
    server
        .stranger()
        .post("/api/v1/tokens", asked)
        .await
        .refused(429, "rate_limited");
    // An unknown name is slowed in the same way, so that it tells nothing.
    for n in 0..6 {
        let form = [("username", "nobody-here"), ("password", "wrong-password")];
        let answer = server.stranger().post_form("/login/", &form).await;
        assert_eq!(answer.status, if n < 5 { 422 } else { 429 });
    }
    // Strangers cannot lock the owner of the account out of their own browser.
    known
        .post_form("/login/", &[("username", "bob"), ("password", PASSWORD)])
        .await
        .expect(303);
    server
        .stranger()
        .post_form("/login/", &[("username", "eve"), ("password", PASSWORD)])
        .await
        .expect(303);
}

#[tokio::test]
async fn failed_sign_ins_are_remembered_over_a_restart() {
    let mut server = limited();
    for _ in 0..5 {
        server
            .stranger()
            .post_form("/login/", &[("username", "bob"), ("password", "wrong-one")])
            .await
            .expect(422);
    }
    server.stop();
    server.run();
    server
        .stranger()
        .post_form("/login/", &[("username", "bob"), ("password", PASSWORD)])
        .await
        .expect(429);
}

#[tokio::test]
async fn sign_ups_of_an_address_are_counted() {
    let server = limited();
    let mut made = 0;
    for n in 0..22 {
        let name = format!("person{n}");
        let form = [
            ("username", &*name),
            ("password", PASSWORD),
            ("password_confirm", PASSWORD),
        ];
        match server.stranger().post_form("/signup/", &form).await.status {
            303 => made += 1,
            429 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(made, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_log_ins_at_once_do_not_stop_the_chat() {
    let server = Server::start();
    let lobby = server.bob().lobby().await;
    let storm = join_all((0..100).map(|_| {
        let stranger = server.stranger();
        async move {
            stranger
                .post_form("/login/", &[("username", "bob"), ("password", "wrong-one")])
                .await
                .status
        }
    }));
    let storm = tokio::spawn(storm);
    let mut slowest = 0;
    for n in 0..20 {
        let began = Instant::now();
        server
            .eve()
            .say(lobby, &format!("during the storm {n}"))
            .await;
        slowest = slowest.max(began.elapsed().as_millis());
    }
    let statuses = storm.await.unwrap();
    assert!(
        statuses.iter().all(|status| matches!(status, 422 | 429)),
        "{statuses:?}"
    );
    assert!(slowest < 1500, "a message took {slowest} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_cannot_take_the_server_for_themselves() {
    let server = limited();
    let lobby = server.bob().lobby().await;
    let path = format!("/api/v1/rooms/{lobby}/messages?limit=100");
    let greedy = join_all((0..200).map(|_| {
        let (bob, path) = (server.bob(), path.clone());
        async move { bob.get(&path).await }
    }));
    let greedy = tokio::spawn(greedy);
    for _ in 0..5 {
        let began = Instant::now();
        server.eve().get(&path).await.expect(200);
        assert!(began.elapsed().as_millis() < 1500, "{:?}", began.elapsed());
    }
    for answer in greedy.await.unwrap() {
        if answer.status != 200 {
            answer.refused(429, "rate_limited");
        }
    }
}
