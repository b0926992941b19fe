//! What other sites try with a signed-in browser: forms, scripts, sockets.

use hyper::Method;
use serde_json::json;

use crate::support::{Server, Socket};

/// One try of another site.
struct Try {
    what: &'static str,
    headers: &'static [(&'static str, &'static str)],
    is_allowed: bool,
}

/// `ORIGIN` is replaced by the site's own, `PORT` by its port.
const TRIES: &[Try] = &[
    Try {
        what: "own page",
        headers: &[("sec-fetch-site", "same-origin"), ("origin", "ORIGIN")],
        is_allowed: true,
    },
    Try {
        what: "own page, older browser",
        headers: &[("origin", "ORIGIN")],
        is_allowed: true,
    },
    Try {
        what: "typed",
        headers: &[("sec-fetch-site", "none")],
        is_allowed: true,
    },
    Try {
        what: "no browser",
        headers: &[],
        is_allowed: true,
    },
    Try {
        what: "foreign form",
        headers: &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://evil.example"),
        ],
        is_allowed: false,
    },
    Try {
        what: "foreign form without origin",
        headers: &[("sec-fetch-site", "cross-site")],
        is_allowed: false,
    },
    Try {
        what: "sister site",
        headers: &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://sister.example"),
        ],
        is_allowed: false,
    },
    Try {
        what: "foreign origin alone",
        headers: &[("origin", "http://evil.example")],
        is_allowed: false,
    },
    Try {
        what: "sandboxed frame",
        headers: &[("origin", "null")],
        is_allowed: false,
    },
    Try {
        what: "another port",
        headers: &[("origin", "http://127.0.0.1:1")],
        is_allowed: false,
    },
    Try {
        what: "another scheme",
        headers: &[("origin", "https://127.0.0.1:PORT")],
        is_allowed: false,
    },
    Try {
        what: "look-alike suffix",
        headers: &[("origin", "http://127.0.0.1:PORT.evil.example")],
        is_allowed: false,
    },
    Try {
        what: "look-alike user",
        headers: &[("origin", "http://127.0.0.1:PORT@evil.example")],
        is_allowed: false,
    },
    Try {
        what: "empty origin",
        headers: &[("origin", "")],
        is_allowed: false,
    },
    Try {
        what: "another name of the same machine",
        headers: &[("origin", "http://localhost:PORT")],
        is_allowed: false,
    },
    Try {
        what: "odd word",
        headers: &[("sec-fetch-site", "sAmE-origin")],
        is_allowed: false,
    },
];

fn filled(server: &Server, value: &str) -> String {
    let address = server.address();
    value
        .replace("ORIGIN", &format!("http://{address}"))
        .replace("PORT", &address.port().to_string())
}

#[tokio::test]
async fn other_sites_change_nothing_with_a_borrowed_cookie() {
    let server = Server::start();
    let lobby = server.bob().lobby().await;
    let cookie = server.browser_of("bob").cookie("parlour").unwrap();
    let bare = server.stranger().with_cookie("parlour", &cookie);
    let count = async || {
        let path = format!("/api/v1/rooms/{lobby}/messages?limit=100");
        server.bob().get(&path).await.expect(200).items().len()
    };
    for attempt in TRIES {
        let before = count().await;
        let with = |mut ask: crate::support::http::Ask| {
            for (name, value) in attempt.headers {
                ask = ask.header(name, &filled(&server, value));
            }
            ask
        };
        let form = with(
            bare.ask(Method::POST, "/rooms/lobby/messages")
                .form(&[("body", attempt.what)]),
        );
        let form = form.send().await;
        let path = format!("/api/v1/rooms/{lobby}/messages");
        let json = json!({"body": attempt.what});
        let api = with(bare.ask(Method::POST, &path).json(&json)).send().await;
        // Without asking first, a foreign script can send only this content type.
        let plain = with(
            bare.ask(Method::POST, &path)
                .body("text/plain", json.to_string()),
        )
        .send()
        .await;
        let expected = if attempt.is_allowed {
            (303, 201, 415)
        } else {
            (403, 403, 403)
        };
        assert_eq!(
            (form.status, api.status, plain.status),
            expected,
            "{}",
            attempt.what
        );
        if !attempt.is_allowed {
            api.refused(403, "cross_site");
        }
        let posted = count().await - before;
        assert_eq!(
            posted,
            if attempt.is_allowed { 2 } else { 0 },
            "{}",
            attempt.what
        );
    }
}

#[tokio::test]
async fn every_kind_of_change_is_checked_and_reading_is_not() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let foreign = |method: Method, path: &str| {
        bob.ask(method, path)
            .header("sec-fetch-site", "cross-site")
            .header("origin", "http://evil.example")
            .form(&[])
            .send()
    };
    for path in [
        "/logout/",
        "/settings/name",
        "/settings/password",
        "/settings/sessions/end-others",
        "/settings/tokens",
        "/rooms/",
        "/rooms/lobby/join",
        "/rooms/lobby/leave",
        "/rooms/lobby/settings",
        "/messages/1/edit",
        "/messages/1/delete",
        "/login/",
        "/signup/",
        "/admin/people/eve/deactivate",
        "/reset/x",
    ] {
        let answer = foreign(Method::POST, path).await.expect(403);
        assert!(answer.text().contains("<html"), "{path}: a page for people");
    }
    for (method, path) in [
        (Method::PUT, "/api/v1/rooms/1/members/me"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::PATCH, "/api/v1/messages/1"),
        (Method::POST, "/api/v1/tokens"),
    ] {
        foreign(method, path).await.refused(403, "cross_site");
    }
    bob.get("/settings/").await.expect(200);
    // A link from elsewhere opens the page.
    foreign(Method::GET, "/rooms/lobby/").await.expect(200);
    // Nothing changes by GET.
    for path in [
        "/rooms/lobby/join",
        "/settings/sessions/end-others",
        "/rooms/lobby/messages",
    ] {
        assert_eq!(bob.get(path).await.status, 405, "{path}");
    }
    // No other site may read an answer, and a preflight opens nothing.
    let preflight = bob
        .ask(Method::OPTIONS, "/api/v1/rooms/1/messages")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert!(
        preflight
            .headers
            .get("access-control-allow-origin")
            .is_none()
    );
}

#[tokio::test]
async fn other_sites_open_no_socket() {
    let server = Server::start();
    let cookie = server.browser_of("bob").cookie("parlour").unwrap();
    let bare = server.stranger().with_cookie("parlour", &cookie);
    for path in ["/ws", "/api/v1/socket"] {
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            "https://127.0.0.1:PORT",
            "http://127.0.0.1:PORT.evil.example",
            "http://localhost:PORT",
            "http://127.0.0.1",
            "file://",
        ] {
            let origin = filled(&server, origin);
            let refused = Socket::open(&bare, path, &[("origin", &origin)])
                .await
                .err();
            assert_eq!(
                refused.expect("refused").status,
                403,
                "{path} from {origin}"
            );
        }
        let refused = Socket::open(&bare, path, &[]).await.err().expect("refused");
        assert_eq!(refused.status, 403, "{path}: a cookie without an origin");
        let own = filled(&server, "ORIGIN");
        Socket::open(&bare, path, &[("origin", &own)])
            .await
            .expect("the own page connects");
        let nobody = Socket::open(&server.stranger(), path, &[("origin", &own)])
            .await
            .err()
            .expect("refused");
        assert_eq!(nobody.status, 401, "{path}");
    }
    // A program needs no origin: nobody's browser sends its token unasked.
    Socket::open(&server.bob(), "/api/v1/socket", &[])
        .await
        .expect("a program connects");
}
