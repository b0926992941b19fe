//! A house without an owner, and how it gets exactly one.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{PASSWORD, Server, Socket};

const OWNER: [(&str, &str); 3] = [
    ("username", "ada"),
    ("password", PASSWORD),
    ("password_confirm", PASSWORD),
];

#[tokio::test]
async fn nothing_but_setting_up_works_before_there_is_an_owner() {
    let server = Server::with().empty().start();
    let stranger = server.stranger();
    for path in [
        "/",
        "/rooms/lobby/",
        "/login/",
        "/signup/",
        "/settings/",
        "/admin/",
    ] {
        let answer = stranger.get(path).await.expect(303);
        assert_eq!(answer.header("location"), "/setup", "{path}");
    }
    for path in ["/api/v1/me", "/api/v1/rooms", "/api/v1/rooms/1/messages"] {
        stranger.get(path).await.refused(503, "setup_required");
    }
    let asked = json!({"username": "ada", "password": PASSWORD, "name": "x"});
    stranger
        .post("/api/v1/tokens", asked)
        .await
        .refused(503, "setup_required");
    let refusal = Socket::open(&stranger, "/api/v1/socket", &[])
        .await
        .err()
        .unwrap();
    assert_eq!(refusal.status, 503);
    stranger.get("/healthz").await.expect(200);
    stranger.get("/readyz").await.expect(200);
    stranger.get("/setup").await.expect(200);

    server
        .stranger()
        .post_form("/setup", &OWNER)
        .await
        .expect(303);
    stranger.get("/setup").await.expect(404);
    let second = [
        ("username", "bob"),
        ("password", PASSWORD),
        ("password_confirm", PASSWORD),
    ];
    stranger.post_form("/setup", &second).await.expect(404);
    stranger.get("/login/").await.expect(200);
    stranger
        .get("/api/v1/me")
        .await
        .refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_set_ups_at_once_make_one_owner() {
    let server = Server::with().empty().start();
    let attempts = (0..50).map(|n| {
        let browser = server.stranger().like_a_browser();
        async move {
            let name = format!("ada{n}");
            let form = [
                ("username", name.as_str()),
                ("password", PASSWORD),
                ("password_confirm", PASSWORD),
            ];
            let answer = browser.post_form("/setup", &form).await;
            (browser, answer)
        }
    });
    let outcomes = join_all(attempts).await;
    let mut owners = Vec::new();
    for (browser, answer) in outcomes {
        match answer.status {
            303 => owners.push(browser),
            // Late ones find no such page, or are asked to wait for their turn at hashing.
            404 | 429 => assert!(browser.cookie("parlour").is_none()),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(owners.len(), 1, "exactly one owner");
    let me = owners[0].get("/api/v1/me").await.expect(200).json();
    assert_eq!(me["role"], "owner");
    let people = owners[0].get("/api/v1/users").await.expect(200).items();
    assert_eq!(people.len(), 1, "the others made nobody: {people:?}");
}

#[tokio::test]
async fn a_refused_set_up_says_why_and_keeps_what_was_typed() {
    let server = Server::with().empty().start();
    let browser = server.stranger().like_a_browser();
    for (name, password, confirm, word) in [
        ("", PASSWORD, PASSWORD, "username"),
        ("admin", PASSWORD, PASSWORD, "reserved"),
        ("ada", "short", "short", "8"),
        ("ada", "12345678901", "12345678901", "digits"),
        ("ada", "password123", "password123", "guessed"),
        ("ada", PASSWORD, "something else entirely", "password"),
    ] {
        let form = [
            ("username", name),
            ("password", password),
            ("password_confirm", confirm),
        ];
        let answer = browser.post_form("/setup", &form).await.expect(422);
        let page = answer.text();
        assert!(
            page.contains(word),
            "{name:?}, {password:?}: the page lacks {word:?}"
        );
        assert!(
            page.contains(&format!("value=\"{name}\"")) || name.is_empty(),
            "{name:?} is kept"
        );
        assert!(!page.contains(password), "a password is never shown again");
        assert!(browser.cookie("parlour").is_none());
    }
    browser.post_form("/setup", &OWNER).await.expect(303);
    browser.get("/rooms/lobby/").await.expect(200);
}

#[tokio::test]
async fn off_loopback_set_up_asks_for_the_code_of_the_log() {
    let mut server = Server::with()
        .empty()
        .set("PARLOUR_LISTEN", "0.0.0.0:0")
        .listens_itself()
        .start();
    let stranger = server.stranger();
    let without = stranger
        .post_form("/setup", &OWNER)
        .await
        .expect(422)
        .text();
    assert!(without.contains("code"), "the page asks for the code");
    let mut form = OWNER.to_vec();
    form.push(("code", "000000"));
    stranger.post_form("/setup", &form).await.expect(422);
    let log = server.log();
    let code = log
        .split("enter the code ")
        .nth(1)
        .expect("the code is in the log");
    let code: String = code
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let mut form = OWNER.to_vec();
    form.push(("code", &code));
    stranger.post_form("/setup", &form).await.expect(303);
    assert!(server.is_alive());
}
