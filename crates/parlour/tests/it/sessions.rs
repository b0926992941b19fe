//! Browser sessions: their cookies, their list, their end.

use serde_json::json;

use crate::support::{Client, PASSWORD, Server, Socket, until};

async fn log_in(browser: &Client, name: &str) -> crate::support::Answer {
    browser
        .post_form("/login/", &[("username", name), ("password", PASSWORD)])
        .await
        .expect(303)
}

#[tokio::test]
async fn a_log_in_gives_a_fresh_cookie_that_scripts_cannot_read() {
    let server = Server::start();
    // What somebody planted in the browser before is not what counts afterwards.
    let planted = "A".repeat(43);
    let browser = server
        .stranger()
        .like_a_browser()
        .with_cookie("parlour", &planted);
    let answer = log_in(&browser, "bob").await;
    let cookie = browser.cookie("parlour").unwrap();
    assert_ne!(cookie, planted);
    assert!(cookie.len() >= 43, "at least 128 bits");
    let line = answer
        .set_cookies()
        .into_iter()
        .find(|line| line.starts_with("parlour="))
        .unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(line.contains(attribute), "{line}");
    }
    assert!(
        !line.contains("Domain") && !line.contains("Secure"),
        "{line}"
    );
    let again = server.stranger().like_a_browser();
    log_in(&again, "bob").await;
    assert_ne!(
        again.cookie("parlour").unwrap(),
        cookie,
        "every log-in has its own"
    );
    // A forged one is nobody's, whoever's it looks like.
    let forged = server.stranger().with_cookie("parlour", &planted);
    forged.get("/api/v1/me").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn by_tls_cookies_are_secure_and_bound_to_the_host() {
    let server = Server::with()
        .set("PARLOUR_BASE_URL", "https://chat.example.org")
        .set("PARLOUR_TRUSTED_PROXIES", "127.0.0.1")
        .start();
    let form = [("username", "bob"), ("password", PASSWORD)];
    let answer = server
        .stranger()
        .ask(hyper::Method::POST, "/login/")
        .form(&form)
        .header("host", "chat.example.org")
        .header("x-forwarded-proto", "https")
        .header("origin", "https://chat.example.org")
        .send()
        .await
        .expect(303);
    let lines = answer.set_cookies();
    let line = lines
        .iter()
        .find(|line| line.starts_with("__Host-parlour="))
        .expect("the prefix");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.contains(attribute), "{line}");
    }
    assert!(
        answer
            .header("strict-transport-security")
            .contains("max-age=63072000")
    );
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let laptop = server
        .stranger()
        .like_a_browser()
        .with_header("user-agent", "Laptop/1");
    log_in(&laptop, "bob").await;
    let phone = server
        .stranger()
        .like_a_browser()
        .with_header("user-agent", "Phone/1");
    log_in(&phone, "bob").await;
    let sessions = bob.get("/api/v1/sessions").await.expect(200).items();
    assert_eq!(sessions.len(), 3, "{sessions:?}");
    let current = sessions
        .iter()
        .filter(|session| session["current"] == true)
        .count();
    assert_eq!(current, 1);
    let of = |agent: &str| {
        sessions
            .iter()
            .find(|session| session["agent"] == agent)
            .unwrap()["id"]
            .clone()
    };
    let page = bob.get("/settings/").await.expect(200).text();
    assert!(page.contains("Laptop/1") && page.contains("Phone/1"));

    let path = format!("/api/v1/sessions/{}", of("Laptop/1"));
    server
        .browser_of("eve")
        .ask(hyper::Method::DELETE, &path)
        .send()
        .await
        .refused(404, "not_found");
    laptop.get("/settings/").await.expect(200);
    let mut socket = Socket::of_page(&laptop).await;
    bob.post_form(&format!("/settings/sessions/{}/end", of("Laptop/1")), &[])
        .await
        .expect(303);
    assert_eq!(socket.closed().await, 4401);
    laptop.get("/settings/").await.expect(303);
    laptop.get("/api/v1/me").await.refused(401, "unauthorized");

    phone.get("/settings/").await.expect(200);
    let mut socket = Socket::of_page(&phone).await;
    let mut own = Socket::of_page(&bob).await;
    bob.post_form("/settings/sessions/end-others", &[])
        .await
        .expect(303);
    assert_eq!(socket.closed().await, 4401);
    phone.get("/settings/").await.expect(303);
    bob.get("/settings/").await.expect(200);
    own.say(json!({"op": "ping"})).await;
    own.event("pong").await;
    assert_eq!(
        bob.get("/api/v1/sessions").await.expect(200).items().len(),
        1
    );
}

#[tokio::test]
async fn logging_out_kills_the_cookie_and_its_sockets() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let cookie = bob.cookie("parlour").unwrap();
    let mut page = Socket::of_page(&bob).await;
    let mut api = Socket::of(&server.bob()).await;
    let answer = bob.post_form("/logout/", &[]).await.expect(303);
    let line = answer
        .set_cookies()
        .into_iter()
        .find(|line| line.starts_with("parlour="))
        .unwrap();
    assert!(line.contains("Max-Age=0"), "{line}");
    assert_eq!(page.closed().await, 4401);
    let replay = server
        .stranger()
        .like_a_browser()
        .with_cookie("parlour", &cookie);
    replay.get("/api/v1/me").await.refused(401, "unauthorized");
    replay.get("/settings/").await.expect(303);
    let origin = replay.origin();
    let refused = Socket::open(&replay, "/ws", &[("origin", &origin)])
        .await
        .err()
        .unwrap();
    assert_eq!(refused.status, 401);
    // The token is another thing and stays.
    api.say(json!({"op": "ping"})).await;
    api.event("pong").await;
}

#[tokio::test]
async fn a_link_to_the_log_out_asks_first() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let ask = |headers: &[(&str, &str)]| {
        let mut ask = bob
            .ask(hyper::Method::GET, "/logout/")
            .without("sec-fetch-site");
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.send()
    };
    let navigation = [
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
    ];
    let with = |site: &'static str| {
        let mut headers = navigation.to_vec();
        headers.push(("sec-fetch-site", site));
        headers
    };
    for headers in [
        vec![],
        with("cross-site"),
        with("same-site"),
        vec![
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "image"),
            ("sec-fetch-mode", "no-cors"),
        ],
        vec![
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
        ],
    ] {
        let page = ask(&headers).await.expect(200).text();
        assert!(
            page.contains("action=\"/logout/\""),
            "{headers:?}: a button"
        );
        bob.get("/settings/").await.expect(200);
    }
    ask(&with("same-origin")).await.expect(303);
    bob.get("/settings/").await.expect(303);

    let eve = server.browser_of("eve");
    let typed = eve
        .ask(hyper::Method::GET, "/logout/")
        .header("sec-fetch-site", "none");
    typed.send().await.expect(303);
    eve.get("/settings/").await.expect(303);
}

#[tokio::test]
async fn sessions_and_tokens_outlive_a_restart() {
    let mut server = Server::start();
    let (bob, token) = (server.browser_of("bob"), server.bob());
    bob.get("/settings/").await.expect(200);
    let (status, _) = server.stop();
    assert!(status.success());
    server.run();
    let address = server.address();
    bob.at(address).get("/settings/").await.expect(200);
    token.at(address).get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn another_secret_signs_everyone_out_and_loses_nothing() {
    let mut server = Server::start();
    let lobby = server.bob().lobby().await;
    server.bob().say(lobby, "kept").await;
    server.stop();
    server.set("PARLOUR_SECRET_KEY", "an entirely different key 123");
    server.run();
    server
        .bob()
        .get("/api/v1/me")
        .await
        .refused(401, "unauthorized");
    server.browser_of("bob").get("/settings/").await.expect(303);
    let browser = server.stranger().like_a_browser();
    log_in(&browser, "bob").await;
    let path = format!("/api/v1/rooms/{lobby}/messages");
    let messages = browser.get(&path).await.expect(200).items();
    assert_eq!(messages.last().unwrap()["body"], "kept");
}

#[tokio::test]
async fn what_the_shell_does_reaches_open_sockets() {
    let server = Server::start();
    let mut socket = Socket::of(&server.bob()).await;
    let (status, said) =
        crate::support::command(server.data(), &["users", "deactivate", "bob"], "");
    assert!(status.success(), "{said}");
    assert_eq!(socket.closed().await, 4401);
    until("bob is out", async || {
        (server.bob().get("/api/v1/me").await.status == 401).then_some(())
    })
    .await;
    server.eve().get("/api/v1/me").await.expect(200);
}
