//! Sign-up, log-in, passwords, reset links, closing an account.

use serde_json::json;

use crate::support::{Client, PASSWORD, Server, Socket, new_token};

async fn sign_up(server: &Server, name: &str, password: &str) -> crate::support::Answer {
    let form = [
        ("username", name),
        ("password", password),
        ("password_confirm", password),
    ];
    server
        .stranger()
        .like_a_browser()
        .post_form("/signup/", &form)
        .await
}

async fn log_in(server: &Server, name: &str, password: &str) -> crate::support::Answer {
    let form = [("username", name), ("password", password)];
    server
        .stranger()
        .like_a_browser()
        .post_form("/login/", &form)
        .await
}

#[tokio::test]
async fn names_are_unique_also_to_the_eye() {
    let server = Server::start();
    for name in [
        "bob",
        "BOB",
        "Bob",
        "b\u{43e}b",
        "bo\u{200b}b",
        "bob.",
        " bob\u{a0}",
        "b\u{3bf}b",
        "ｂｏｂ",
        "b0b",
        "bob\u{202e}",
        "admin",
        "Admin",
        "system",
        "here",
        "room",
        "аdmin",
        "everyone",
        "x",
        &"a".repeat(33),
        "a b",
        "a/b",
        "<b>",
        "a@b",
        "",
        "..",
        "new_groupchat",
    ] {
        let answer = sign_up(&server, name, PASSWORD).await;
        assert_eq!(answer.status, 422, "{name:?} must be refused");
        assert!(answer.set_cookies().is_empty(), "{name:?}");
    }
    for name in ["carla", "Κώστας", "田中", &"n".repeat(32)] {
        sign_up(&server, name, PASSWORD).await.expect(303);
    }
    // The names people can write down lead to the same account.
    log_in(&server, "CARLA", PASSWORD).await.expect(303);
}

#[tokio::test]
async fn passwords_are_long_enough_and_never_cut() {
    let server = Server::start();
    let long = "päss-wörd-🦀 ".repeat(8);
    for (password, expected) in [
        ("1234567", 422),
        ("12345678901234567890", 422),
        ("password", 422),
        ("zed-zed-zed", 422),
        (&*"x".repeat(401), 422),
    ] {
        let answer = sign_up(&server, "zed", password).await;
        assert_eq!(answer.status, expected, "{password:?}");
    }
    sign_up(&server, "zed", &long).await.expect(303);
    log_in(&server, "zed", &long).await.expect(303);
    // A hash that stops at 72 bytes would take this one.
    let cut: String = long.chars().take(60).collect();
    assert_eq!(log_in(&server, "zed", &cut).await.status, 422);
    assert_eq!(
        log_in(&server, "zed", &"y".repeat(100_000)).await.status,
        422
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_the_same() {
    let server = Server::start();
    let wrong = log_in(&server, "bob", "wrong-password-1").await;
    let unknown = log_in(&server, "nob", "wrong-password-1").await;
    let closed = log_in(&server, "dora", "wrong-password-1").await;
    let words = |answer: &crate::support::Answer| {
        let page = answer.text();
        ["bob", "nob", "dora"]
            .iter()
            .fold(page, |page, name| page.replace(name, "NAME"))
    };
    for other in [&unknown, &closed] {
        assert_eq!(wrong.status, other.status);
        assert_eq!(words(&wrong), words(other));
    }
    let ask = |name: &str| json!({"username": name, "password": "wrong-password-1", "name": "t"});
    let wrong = server
        .stranger()
        .post("/api/v1/tokens", ask("bob"))
        .await
        .refused(401, "unauthorized");
    let unknown = server
        .stranger()
        .post("/api/v1/tokens", ask("nob"))
        .await
        .refused(401, "unauthorized");
    assert_eq!(wrong.text(), unknown.text());
    // Who knows the password may learn that the account is closed.
    let told = log_in(&server, "dora", PASSWORD).await.expect(403);
    assert!(told.text().contains("closed"));
    assert!(told.set_cookies().is_empty());
    new_token(&server.stranger(), "bob").await;
}

#[tokio::test]
async fn after_log_in_next_leads_to_own_paths_only() {
    let server = Server::start();
    for (next, expected) in [
        ("/rooms/", "/rooms/"),
        ("/rooms/lobby/?around=1", "/rooms/lobby/?around=1"),
        ("", "/"),
        ("//evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https:evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("/logout/", "/"),
    ] {
        let browser = server.stranger().like_a_browser();
        let form = [("username", "bob"), ("password", PASSWORD), ("next", next)];
        let answer = browser.post_form("/login/", &form).await.expect(303);
        assert_eq!(answer.header("location"), expected, "{next:?}");
        assert!(answer.headers.get("a").is_none());
    }
    let asked = server
        .stranger()
        .get("/rooms/lobby/?around=3")
        .await
        .expect(303);
    assert_eq!(
        asked.header("location"),
        "/login/?next=%2Frooms%2Flobby%2F%3Faround%3D3"
    );
    // Somebody signed in already goes straight on, and nowhere else.
    let bob = server.browser_of("bob");
    let on = bob.get("/login/?next=%2F%2Fevil.example").await.expect(303);
    assert_eq!(on.header("location"), "/");
}

#[tokio::test]
async fn registration_can_be_by_invitation_or_closed() {
    for mode in ["invite", "closed"] {
        let server = Server::with().set("PARLOUR_REGISTRATION", mode).start();
        let stranger = server.stranger();
        for path in ["/signup/", "/register/"] {
            let page = stranger.get(path).await.expect(403).text();
            assert!(
                !page.contains("name=\"password\""),
                "{mode}: there is no form to fill in vain"
            );
        }
        assert_eq!(sign_up(&server, "carla", PASSWORD).await.status, 403);
        let login = stranger.get("/login/").await.expect(200).text();
        assert!(
            !login.contains("href=\"/signup/\""),
            "{mode}: nothing leads to a closed door"
        );
        // Those who have an account are not touched.
        log_in(&server, "bob", PASSWORD).await.expect(303);
    }
}

#[tokio::test]
async fn the_reference_field_names_sign_up_too() {
    let server = Server::start();
    let form = [
        ("username", "carla"),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
    ];
    server
        .stranger()
        .like_a_browser()
        .post_form("/register/", &form)
        .await
        .expect(303);
    let wrong = [
        ("username", "carlo"),
        ("password1", PASSWORD),
        ("password2", "something else 9"),
    ];
    server
        .stranger()
        .like_a_browser()
        .post_form("/register/", &wrong)
        .await
        .expect(422);
}

#[tokio::test]
async fn a_changed_password_ends_everything_else() {
    let server = Server::start();
    let here = server.browser_of("bob");
    let elsewhere = server.stranger().like_a_browser();
    elsewhere
        .post_form("/login/", &[("username", "bob"), ("password", PASSWORD)])
        .await
        .expect(303);
    let token = server.bob();
    let mut page = Socket::of_page(&elsewhere).await;
    let mut program = Socket::of(&token).await;
    let eve_token = server.eve();

    let new = "a brand new secret 77";
    let wrong = [
        ("current_password", "no"),
        ("password", new),
        ("password_confirm", new),
    ];
    here.post_form("/settings/password", &wrong)
        .await
        .expect(422);
    token.get("/api/v1/me").await.expect(200);

    let right = [
        ("current_password", PASSWORD),
        ("password", new),
        ("password_confirm", new),
    ];
    here.post_form("/settings/password", &right)
        .await
        .expect(303);
    assert_eq!(page.closed().await, 4401);
    assert_eq!(program.closed().await, 4401);
    token.get("/api/v1/me").await.refused(401, "unauthorized");
    elsewhere.get("/settings/").await.expect(303);
    here.get("/settings/").await.expect(200);
    eve_token.get("/api/v1/me").await.expect(200);
    assert_eq!(log_in(&server, "bob", PASSWORD).await.status, 422);
    log_in(&server, "bob", new).await.expect(303);
}

async fn reset_link(admin: &Client, name: &str) -> String {
    let path = format!("/api/v1/users/{name}/password-reset");
    let made = admin
        .ask(hyper::Method::POST, &path)
        .send()
        .await
        .expect(201)
        .json();
    let url = made["url"].as_str().unwrap();
    url[url.find("/reset/").unwrap()..].to_owned()
}

#[tokio::test]
async fn a_reset_link_works_once_and_ends_every_session() {
    let server = Server::start();
    let olga = server.token_of("olga");
    let first = reset_link(&olga, "bob").await;
    let link = reset_link(&olga, "bob").await;
    let bob = server.browser_of("bob");
    let mut socket = Socket::of(&server.bob()).await;
    let stranger = server.stranger().like_a_browser();
    let new = "found it again 4711";
    let form = [("password", new), ("password_confirm", new)];

    assert_ne!(
        stranger.get(&first).await.status,
        200,
        "a newer link replaces the older"
    );
    stranger.get(&link).await.expect(200);
    stranger.get(&link).await.expect(200);
    stranger
        .post_form(
            &link,
            &[("password", "12345678"), ("password_confirm", "12345678")],
        )
        .await
        .expect(422);
    stranger.post_form(&link, &form).await.expect(303);
    assert_ne!(stranger.post_form(&link, &form).await.status, 303, "once");
    assert_ne!(stranger.get(&link).await.status, 200);
    assert_ne!(
        stranger
            .get("/reset/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
            .await
            .status,
        200
    );

    assert_eq!(socket.closed().await, 4401);
    bob.get("/settings/").await.expect(303);
    server
        .bob()
        .get("/api/v1/me")
        .await
        .refused(401, "unauthorized");
    log_in(&server, "bob", new).await.expect(303);
    assert!(
        !server.log().contains(&link["/reset/".len()..]),
        "the secret is not in the log"
    );
}

#[tokio::test]
async fn only_those_above_reset_and_close_accounts() {
    let server = Server::start();
    let post = |client: Client, path: &'static str| async move {
        client.ask(hyper::Method::POST, path).send().await
    };
    post(server.bob(), "/api/v1/users/eve/password-reset")
        .await
        .refused(403, "forbidden");
    post(server.token_of("olga"), "/api/v1/users/ada/password-reset")
        .await
        .refused(403, "forbidden");
    post(server.token_of("olga"), "/api/v1/users/eve/password-reset")
        .await
        .expect(201);
    post(
        server.token_of("olga"),
        "/api/v1/users/nobody/password-reset",
    )
    .await
    .refused(404, "not_found");
    let close = json!({"state": "deactivated"});
    server
        .bob()
        .put("/api/v1/users/eve/state", close.clone())
        .await
        .refused(403, "forbidden");
    let own = server
        .ada()
        .put("/api/v1/users/ada/state", close.clone())
        .await;
    assert!(matches!(own.status, 403 | 409), "{}", own.text());
    server
        .token_of("olga")
        .put("/api/v1/users/ada/state", close)
        .await
        .refused(403, "forbidden");
    // The Host header does not get into the link that is sent to somebody.
    let spoofed = server
        .token_of("olga")
        .ask(hyper::Method::POST, "/api/v1/users/eve/password-reset")
        .header("host", "evil.example")
        .send()
        .await;
    spoofed.refused(421, "misdirected");
}

#[tokio::test]
async fn a_closed_account_is_out_at_once_and_its_words_stay() {
    let server = Server::start();
    let lobby = server.bob().lobby().await;
    let said = server.bob().say(lobby, "I was here").await;
    let mut program = Socket::of(&server.bob()).await;
    let mut page = Socket::of_page(&server.browser_of("bob")).await;
    let close = json!({"state": "deactivated"});
    server
        .token_of("olga")
        .put("/api/v1/users/bob/state", close)
        .await
        .expect(200);
    assert_eq!(program.closed().await, 4401);
    assert_eq!(page.closed().await, 4401);
    server
        .bob()
        .get("/api/v1/me")
        .await
        .refused(401, "unauthorized");
    assert_eq!(log_in(&server, "bob", PASSWORD).await.status, 403);
    let refused = Socket::open(&server.bob(), "/api/v1/socket", &[])
        .await
        .err()
        .unwrap();
    assert_eq!(refused.status, 401);
    let path = format!("/api/v1/messages/{}", said["id"]);
    assert_eq!(
        server.eve().get(&path).await.expect(200).json()["body"],
        "I was here"
    );

    let open = json!({"state": "active"});
    server
        .token_of("olga")
        .put("/api/v1/users/bob/state", open)
        .await
        .expect(200);
    server
        .bob()
        .get("/api/v1/me")
        .await
        .refused(401, "unauthorized");
    log_in(&server, "bob", PASSWORD).await.expect(303);
}

#[tokio::test]
async fn wrong_tokens_are_nobodys() {
    let server = Server::start();
    let right = server.bob().token().unwrap().to_owned();
    let flipped: String = right
        .chars()
        .map(|c| {
            if c.is_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    for token in [
        "1-",
        "null",
        "undefined",
        "parlour_",
        "0",
        "\u{7f}",
        &right[..right.len() - 1],
        &flipped,
        &format!("{right}x"),
        &right["parlour_".len()..],
        &"a".repeat(4000),
    ] {
        let ask = server.stranger().ask(hyper::Method::GET, "/api/v1/me");
        let Ok(answer) = ask
            .header("authorization", &format!("Bearer {token}"))
            .try_send()
            .await
        else {
            continue; // no header can hold it
        };
        assert!(
            matches!(answer.status, 400 | 401),
            "{token:?}: {}",
            answer.status
        );
    }
    // A broken token does not fall back to the cookie beside it.
    let both = server
        .browser_of("bob")
        .with_header("authorization", "Bearer wrong");
    both.get("/api/v1/me").await.refused(401, "unauthorized");
    let empty = server
        .browser_of("bob")
        .with_header("authorization", "Bearer ");
    empty.get("/api/v1/me").await.refused(401, "unauthorized");
    server.bob().get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn tokens_do_what_their_scopes_say() {
    let server = Server::start();
    let lobby = server.ada().lobby().await;
    let asked =
        json!({"username": "ada", "password": PASSWORD, "name": "reader", "scopes": ["read"]});
    let made = server
        .stranger()
        .post("/api/v1/tokens", asked)
        .await
        .expect(201)
        .json();
    let reader = server
        .stranger()
        .with_token(made["token"].as_str().unwrap());
    reader.get("/api/v1/rooms").await.expect(200);
    let path = format!("/api/v1/rooms/{lobby}/messages");
    reader
        .post(&path, json!({"body": "no"}))
        .await
        .refused(403, "forbidden");
    reader.get("/api/v1/tokens").await.refused(403, "forbidden");
    reader
        .ask(hyper::Method::POST, "/api/v1/users/bob/password-reset")
        .send()
        .await
        .refused(403, "forbidden");

    let listed = server.ada().get("/api/v1/tokens").await.expect(200).text();
    assert!(listed.contains("reader") && !listed.contains(made["token"].as_str().unwrap()));
    // One person's token is not there for another.
    let path = format!("/api/v1/tokens/{}", made["id"]);
    server.bob().delete(&path).await.refused(404, "not_found");
    let mut socket = Socket::of(&reader).await;
    server.ada().delete(&path).await.expect(204);
    assert_eq!(socket.closed().await, 4401);
    reader
        .get("/api/v1/rooms")
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn administrative_acts_leave_a_trace() {
    let server = Server::start();
    let olga = server.token_of("olga");
    let me = olga.get("/api/v1/me").await.expect(200).json();
    reset_link(&olga, "eve").await;
    let close = json!({"state": "deactivated"});
    olga.put("/api/v1/users/eve/state", close.clone())
        .await
        .expect(200);
    server
        .bob()
        .put("/api/v1/users/ada/state", close)
        .await
        .expect(403);
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    let mut query = connection
        .prepare(
            "select actor_id, subject, address, at from audit where actor_id = ?1 order by id desc",
        )
        .unwrap();
    let rows = query.query_map([me["id"].as_i64().unwrap()], |row| {
        let row: (i64, String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(row)
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    // Closing dora's account when the template was made is there too.
    assert!(rows.len() >= 3, "{rows:?}");
    for (_, subject, address, at) in &rows {
        assert!(
            !subject.is_empty() && address == "127.0.0.1" && *at > 1_600_000_000_000,
            "{rows:?}"
        );
    }
}
