//! Which hosts are answered, whose forwarded headers count, what every answer carries,
//! which methods and addresses exist.

use std::collections::BTreeMap;

use hyper::Method;

use crate::support::raw::Wire;
use crate::support::{PASSWORD, Server, browser};

#[tokio::test]
async fn only_own_hosts_are_answered() {
    let server = Server::start();
    let port = server.address().port();
    for (host, expected) in [
        ("localhost".to_owned(), 303),
        (format!("127.0.0.1:{port}"), 303),
        (format!("LOCALHOST:{port}"), 303),
        ("[::1]".to_owned(), 303),
        ("evil.example".to_owned(), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
        ("localhost.evil.example".to_owned(), 421),
        ("192.168.0.1".to_owned(), 421),
    ] {
        let answer = server
            .stranger()
            .ask(Method::GET, "/")
            .header("host", &host)
            .send()
            .await;
        assert_eq!(answer.status, expected, "{host}");
        let api = server
            .bob()
            .ask(Method::GET, "/api/v1/me")
            .header("host", &host)
            .send()
            .await;
        if expected == 421 {
            api.refused(421, "misdirected");
        } else {
            api.expect(200);
        }
        // Health is asked under any name.
        server
            .stranger()
            .ask(Method::GET, "/healthz")
            .header("host", &host)
            .send()
            .await
            .expect(200);
    }
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: local host\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        let mut wire = Wire::connect(server.address()).await;
        wire.send(head.as_bytes()).await;
        let answer = wire.head().await;
        let is_refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 421");
        assert!(is_refused, "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn forwarded_headers_count_only_from_trusted_proxies() {
    let address_of = async |server: &Server, forwarded: &str| {
        let browser = server.stranger().like_a_browser();
        let form = [("username", "bob"), ("password", PASSWORD)];
        let ask = browser
            .ask(Method::POST, "/login/")
            .form(&form)
            .header("x-forwarded-for", forwarded);
        ask.header("x-forwarded-proto", "https")
            .header("x-real-ip", "9.9.9.9")
            .without("origin")
            .send()
            .await
    };
    let own_session = async |server: &Server, cookie: (&str, String)| {
        let line = format!("{}={}", cookie.0, cookie.1);
        let ask = server
            .stranger()
            .ask(Method::GET, "/api/v1/sessions")
            .header("cookie", &line);
        let ask = ask
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-proto", "https");
        let sessions = ask.send().await.expect(200).items();
        sessions
            .into_iter()
            .find(|session| session["current"] == true)
            .unwrap()["address"]
            .clone()
    };
    let cookie_of = |answer: &crate::support::Answer, name: &'static str| {
        let lines = answer.set_cookies();
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("{name}=")))
            .expect(name);
        (name, line.split(['=', ';']).nth(1).unwrap().to_owned())
    };

    let plain = Server::start();
    let answer = address_of(&plain, "203.0.113.7").await.expect(303);
    assert_eq!(
        answer.header("strict-transport-security"),
        "",
        "anyone can say https"
    );
    assert_eq!(
        own_session(&plain, cookie_of(&answer, "parlour")).await,
        "127.0.0.1"
    );

    let proxied = Server::with()
        .set("PARLOUR_TRUSTED_PROXIES", "127.0.0.0/8")
        .start();
    // The proxy appends; what stands further left is whatever the visitor wrote.
    let answer = address_of(&proxied, "6.6.6.6, 203.0.113.7")
        .await
        .expect(303);
    assert_eq!(
        own_session(&proxied, cookie_of(&answer, "__Host-parlour")).await,
        "203.0.113.7"
    );
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    for path in [
        "/rooms/lobby/",
        "/rooms/",
        "/settings/",
        "/rooms/lobby/timeline",
        "/sidebar",
        "/login/",
        "/no/such/page",
        "/api/v1/me",
        "/api/v1/rooms",
        "/api/v1/nothing",
        "/healthz",
        "/api/docs",
        "/api/openapi.json",
        "/admin/",
    ] {
        let answer = bob.get(path).await;
        let policy = answer.header("content-security-policy").to_owned();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        let cache = answer.header("cache-control").to_owned();
        let is_personal = !matches!(path, "/healthz" | "/api/docs" | "/api/openapi.json");
        if is_personal {
            assert!(cache.starts_with("private"), "{path}: {cache}");
            assert!(
                answer.header("vary").to_lowercase().contains("cookie"),
                "{path}"
            );
        }
        assert!(
            !answer.text().contains("<script>") && !answer.text().contains(" onclick="),
            "{path}"
        );
    }
    let page = bob.get("/rooms/lobby/").await.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let again = bob
        .ask(Method::GET, "/rooms/lobby/")
        .header("if-none-match", page.header("etag"));
    let again = again.send().await;
    assert!(matches!(again.status, 200 | 304), "{}", again.status);
    // The validator is of one person's page: it never lets another's through.
    let eve = server
        .browser_of("eve")
        .ask(Method::GET, "/rooms/lobby/")
        .header("if-none-match", page.header("etag"));
    eve.send().await.expect(200);
}

#[tokio::test]
async fn assets_are_found_and_kept_and_nothing_inline_is_needed() {
    let server = Server::start();
    let page = server
        .browser_of("bob")
        .get("/rooms/lobby/")
        .await
        .expect(200)
        .text();
    let mut seen = BTreeMap::new();
    for element in browser::elements(&page) {
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on"), "<{} {name}=…>", element.name);
            assert_ne!(name, "style", "<{}>", element.name);
            let is_asset = value.starts_with("/assets/");
            if is_asset && matches!(name.as_str(), "src" | "href" | "data-unread-href") {
                seen.insert(
                    value.split('#').next().unwrap().to_owned(),
                    element.name.clone(),
                );
            }
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
    for path in seen.keys() {
        let asset = server.stranger().get(path).await.expect(200);
        let cache = asset.header("cache-control");
        assert!(
            cache.contains("immutable") || cache.contains("public"),
            "{path}: {cache}"
        );
        assert_eq!(asset.header("set-cookie"), "");
    }
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/no.js",
        "/assets/app.js.map",
    ] {
        server.stranger().get(path).await.expect(404);
    }
}

#[tokio::test]
async fn methods_and_addresses_that_do_not_exist_say_so() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let page = bob.get("/no/such/page").await.expect(404);
    assert!(
        page.text().contains("<h1") && page.text().contains("href=\"/\""),
        "a way back"
    );
    bob.get("/api/v1/nothing").await.refused(404, "not_found");
    let wrong = bob
        .ask(Method::DELETE, "/api/v1/rooms")
        .send()
        .await
        .refused(405, "method_not_allowed");
    assert!(wrong.header("allow").contains("GET"));
    bob.ask(Method::TRACE, "/").send().await.expect(405);
    bob.ask(Method::TRACE, "/api/v1/me")
        .send()
        .await
        .refused(405, "method_not_allowed");
    for method in ["PROPFIND", "CONNECT", "BREW", "get"] {
        let mut wire = Wire::connect(server.address()).await;
        wire.send(
            format!("{method} / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await;
        let head = wire.head().await;
        let status: u16 = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        assert!((400..500).contains(&status), "{method}: {head}");
    }
    let head = bob
        .ask(Method::HEAD, "/rooms/lobby/")
        .send()
        .await
        .expect(200);
    assert!(head.body.is_empty());
    for (path, to) in [
        ("/login", "/login/"),
        ("/rooms", "/rooms/"),
        ("/rooms/lobby", "/rooms/lobby/"),
        ("/settings?x=1", "/settings/?x=1"),
    ] {
        let answer = bob.get(path).await;
        if to.is_empty() {
            assert_eq!(answer.status, 404, "{path}");
        } else {
            assert!(
                matches!(answer.status, 301 | 307 | 308),
                "{path}: {}",
                answer.status
            );
            assert_eq!(answer.header("location"), to, "{path}");
        }
    }
    // What curious people look for is not there.
    for path in [
        "/metrics",
        "/debug",
        "/debug/ws-echo",
        "/.git/config",
        "/.env",
        "/parlour.sqlite3",
        "/data/secret",
        "/backup",
        "/parlour.toml",
        "/assets/",
        "/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "//evil.example/",
    ] {
        let answer = bob.get(path).await;
        assert!(
            matches!(answer.status, 404 | 400),
            "{path}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn too_much_of_anything_is_refused_with_its_limit() {
    let server = Server::start();
    let bob = server.bob();
    let path = format!("/api/v1/rooms/{}/messages", bob.lobby().await);
    let large = bob
        .ask(Method::POST, &path)
        .body("application/json", vec![b' '; 1024 * 1024 + 1]);
    let large = large.send().await.refused(413, "payload_too_large");
    assert!(large.text().contains("1048576"), "the limit is named");
    let cookies = "a=b; ".repeat(200);
    let many = server
        .stranger()
        .ask(Method::GET, "/login/")
        .header("cookie", &cookies)
        .send()
        .await;
    many.expect(431);
    let mut long = Wire::connect(server.address()).await;
    long.send(
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
            "y".repeat(64 * 1024)
        )
        .as_bytes(),
    )
    .await;
    let head = long.head().await;
    assert!(
        head.starts_with("HTTP/1.1 431") || head.is_empty(),
        "{head}"
    );
    let mut many = Wire::connect(server.address()).await;
    let headers: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    many.send(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").as_bytes())
        .await;
    let head = many.head().await;
    assert!(
        head.starts_with("HTTP/1.1 431") || head.is_empty(),
        "{head}"
    );
    // Two messages in one, or one whose length is a matter of opinion.
    for body in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "content-length: -1\r\n\r\n",
        "content-length: +5\r\n\r\nabcde",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut wire = Wire::connect(server.address()).await;
        wire.send(format!("POST /login/ HTTP/1.1\r\nhost: localhost\r\n{body}").as_bytes())
            .await;
        wire.finish().await;
        let answers = String::from_utf8_lossy(&wire.rest().await).into_owned();
        let answered = answers.matches("HTTP/1.1 ").count();
        assert!(answered <= 1, "{body:?} is one request: {answers}");
        assert!(
            answered == 0 || answers.starts_with("HTTP/1.1 4"),
            "{body:?}: {answers}"
        );
    }
    bob.get("/api/v1/me").await.expect(200);
}
