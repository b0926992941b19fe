//! Every route × every kind of caller. The table below is written by hand, apart from the
//! product's own: a route that is in one and not in the other fails the test.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, Server, Socket};

/// Who may use a route, as this test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Everybody.
    Anyone,
    /// Nobody: the house has an owner, and this is no developer's server.
    Nobody,
    /// Whoever is signed in.
    Signed,
    /// Whoever may read the room or message named; in an open room the whole house.
    Read,
    /// As `Read`, but only those who keep the room, or the house.
    Keep,
    /// As `Read`, but only the author.
    Write,
    /// As `Read`, but only the author and those who tidy up.
    Tidy,
    /// Whose session or token it is.
    Own,
    /// Administrators and the owner.
    Console,
    /// Whoever is signed in, by an upgrade.
    Socket,
}

use May::{Anyone, Console, Keep, Nobody, Own, Read, Signed, Tidy, Write};

/// Those that end a caller's own sessions stand last.
const TABLE: &[(&str, &str, May)] = &[
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/assets/{*path}", Anyone),
    ("GET", "/api/openapi.json", Anyone),
    ("GET", "/api/docs", Anyone),
    ("GET", "/setup", Nobody),
    ("POST", "/setup", Nobody),
    ("GET", "/debug/ws-echo", Nobody),
    ("GET", "/login/", Anyone),
    ("GET", "/signup/", Anyone),
    ("GET", "/register/", Anyone),
    ("GET", "/logout/", Anyone),
    ("GET", "/reset/{secret}", Anyone),
    ("POST", "/login/", Anyone),
    ("POST", "/signup/", Anyone),
    ("POST", "/register/", Anyone),
    ("POST", "/reset/{secret}", Anyone),
    ("POST", "/api/v1/tokens", Anyone),
    ("GET", "/", Signed),
    ("GET", "/sidebar", Signed),
    ("GET", "/rooms/", Signed),
    ("POST", "/rooms/", Signed),
    ("GET", "/settings/", Signed),
    ("POST", "/settings/name", Signed),
    ("POST", "/settings/password", Signed),
    ("POST", "/settings/tokens", Signed),
    ("GET", "/api/v1/me", Signed),
    ("GET", "/api/v1/users", Signed),
    ("GET", "/api/v1/users/{username}", Signed),
    ("GET", "/api/v1/tokens", Signed),
    ("GET", "/api/v1/sessions", Signed),
    ("GET", "/api/v1/rooms", Signed),
    ("POST", "/api/v1/rooms", Signed),
    ("GET", "/rooms/{slug}/", Read),
    ("GET", "/rooms/{slug}/main", Read),
    ("GET", "/rooms/{slug}/timeline", Read),
    ("GET", "/rooms/{slug}/members", Read),
    ("POST", "/rooms/{slug}/join", Read),
    ("POST", "/rooms/{slug}/messages", Read),
    ("GET", "/rooms/{slug}/settings", Keep),
    ("POST", "/rooms/{slug}/settings", Keep),
    ("GET", "/messages/{id}/", Read),
    ("GET", "/messages/{id}/edit", Write),
    ("POST", "/messages/{id}/edit", Write),
    ("GET", "/messages/{id}/delete", Tidy),
    ("POST", "/messages/{id}/delete", Tidy),
    ("GET", "/api/v1/rooms/{id}", Read),
    ("PATCH", "/api/v1/rooms/{id}", Keep),
    ("GET", "/api/v1/rooms/{id}/members", Read),
    ("PUT", "/api/v1/rooms/{id}/members/me", Read),
    ("GET", "/api/v1/rooms/{id}/messages", Read),
    ("POST", "/api/v1/rooms/{id}/messages", Read),
    ("GET", "/api/v1/rooms/{id}/events", Read),
    ("PUT", "/api/v1/rooms/{id}/read", Read),
    ("PUT", "/api/v1/rooms/{id}/unread", Read),
    ("GET", "/api/v1/messages/{id}", Read),
    ("PATCH", "/api/v1/messages/{id}", Write),
    ("DELETE", "/api/v1/messages/{id}", Tidy),
    ("GET", "/admin/", Console),
    ("POST", "/admin/people/{username}/reset", Console),
    ("POST", "/admin/people/{username}/deactivate", Console),
    ("POST", "/admin/people/{username}/reactivate", Console),
    ("POST", "/api/v1/users/{username}/password-reset", Console),
    ("PUT", "/api/v1/users/{username}/state", Console),
    ("GET", "/ws", May::Socket),
    ("GET", "/api/v1/socket", May::Socket),
    ("POST", "/settings/tokens/{id}/delete", Own),
    ("DELETE", "/api/v1/tokens/{id}", Own),
    ("POST", "/settings/sessions/{id}/end", Own),
    ("DELETE", "/api/v1/sessions/{id}", Own),
    ("POST", "/rooms/{slug}/leave", Read),
    ("DELETE", "/api/v1/rooms/{id}/members/me", Read),
    ("POST", "/settings/sessions/end-others", Signed),
    ("DELETE", "/api/v1/sessions", Signed),
    ("POST", "/logout/", Anyone),
];

/// Those who call: `dora` has the cookie and token of a closed account.
const CALLERS: &[&str] = &["", "dora", "eve", "olga", "ada", "bob"];

#[test]
fn every_route_is_in_the_table() {
    let registered: BTreeSet<(String, String)> = web::routes()
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    let table: BTreeSet<(String, String)> = TABLE
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(TABLE.len(), table.len(), "no line is double");
    let missing: Vec<_> = registered.difference(&table).collect();
    let gone: Vec<_> = table.difference(&registered).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in this table: {missing:?}; only here: {gone:?}"
    );
}

/// What happened to a request, as far as rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It got through to its function, whatever that said.
    Reached,
    /// Sign in first.
    SignIn,
    /// It may not.
    Forbidden,
    /// There is no such thing.
    Hidden,
}

fn fate(answer: &Answer) -> Fate {
    assert!(answer.status < 500, "{}: {}", answer.status, answer.text());
    match answer.status {
        401 => Fate::SignIn,
        303 if answer.header("location").starts_with("/login/") => Fate::SignIn,
        403 => Fate::Forbidden,
        404 => Fate::Hidden,
        _ => Fate::Reached,
    }
}

/// What must happen to `caller`; `None` when it does not matter here.
fn expected(may: May, caller: &str, is_closed: bool) -> Option<Fate> {
    let is_nobody = matches!(caller, "" | "dora");
    let is_above = matches!(caller, "olga" | "ada");
    let is_bob = caller == "bob";
    let fate = match may {
        Anyone => return None,
        Nobody => Fate::Hidden,
        _ if is_nobody => Fate::SignIn,
        Signed | May::Socket => Fate::Reached,
        Own if is_bob => Fate::Reached,
        Own => Fate::Hidden,
        Console if is_above => Fate::Reached,
        Console => Fate::Forbidden,
        _ if is_bob => Fate::Reached,
        _ if is_closed => Fate::Hidden,
        Read => return None,
        Keep | Tidy if is_above => Fate::Reached,
        Keep | Write | Tidy => Fate::Forbidden,
    };
    Some(fate)
}

/// What the routes name.
struct Scene<'a> {
    server: &'a Server,
    slug: String,
    room: i64,
}

impl Scene<'_> {
    /// The address with everything filled in. Messages, sessions and tokens are bob's, and
    /// fresh, because some routes end them.
    async fn filled(&self, path: &str) -> String {
        let bob = self.server.bob();
        let mut path = path
            .replace("{slug}", &self.slug)
            .replace("{secret}", "AAAA")
            .replace("{*path}", "none.css")
            .replace("{username}", "victim");
        if path.contains("/rooms/{id}") {
            path = path.replace("{id}", &self.room.to_string());
        }
        if path.contains("/messages/{id}") {
            path = path.replace("{id}", &bob.say(self.room, "bob's").await["id"].to_string());
        }
        if path.contains("/tokens/{id}") {
            let asked = json!({"username": "bob", "password": PASSWORD, "name": "t"});
            let made = self
                .server
                .stranger()
                .post("/api/v1/tokens", asked)
                .await
                .expect(201)
                .json();
            path = path.replace("{id}", &made["id"].to_string());
        }
        if path.contains("/sessions/{id}") {
            let browser = self.server.stranger().like_a_browser();
            browser
                .post_form("/login/", &[("username", "bob"), ("password", PASSWORD)])
                .await
                .expect(303);
            let sessions = browser.get("/api/v1/sessions").await.expect(200).items();
            let own = sessions
                .iter()
                .find(|session| session["current"] == true)
                .unwrap();
            path = path.replace("{id}", &own["id"].to_string());
        }
        path
    }

    fn caller(&self, name: &str, is_api: bool) -> Client {
        match (name, is_api) {
            ("", true) => self.server.stranger(),
            ("", false) => self.server.stranger().like_a_browser(),
            (name, true) => self.server.token_of(name),
            (name, false) => self.server.browser_of(name),
        }
    }

    async fn try_it(&self, method: &str, path: &str, may: May, caller: &str) -> Fate {
        let is_api = path.starts_with("/api/");
        let client = self.caller(caller, is_api);
        if may == May::Socket {
            let origin = client.origin();
            return match Socket::open(&client, path, &[("origin", &origin)]).await {
                Ok(_) => Fate::Reached,
                Err(refusal) if refusal.status == 401 => Fate::SignIn,
                Err(refusal) => panic!("{path} as {caller}: {refusal:?}"),
            };
        }
        let method: Method = method.parse().unwrap();
        let ask = client.ask(method.clone(), &self.filled(path).await);
        let has_json = is_api && matches!(method, Method::POST | Method::PATCH | Method::PUT);
        let ask = if has_json && !path.ends_with("/me") && !path.ends_with("-reset") {
            ask.json(&body_of(path))
        } else if method == Method::POST && !is_api {
            ask.form(&[
                ("body", "x"),
                ("name", "Name"),
                ("topic", ""),
                ("display_name", "Name"),
            ])
        } else {
            ask
        };
        fate(&ask.send().await)
    }
}

fn body_of(path: &str) -> serde_json::Value {
    match path {
        _ if path.ends_with("/messages") => json!({"body": "x"}),
        _ if path.contains("/messages/") => json!({"body": "x"}),
        _ if path.ends_with("/read") || path.ends_with("/unread") => json!({"seq": 1}),
        _ if path.ends_with("/state") => json!({"state": "active"}),
        _ if path.ends_with("/rooms") => json!({"name": "New"}),
        _ if path.ends_with("{id}") => json!({"topic": "t"}),
        _ => json!({}),
    }
}

async fn check(kind: &str) {
    let server = Server::start();
    let form = [
        ("username", "victim"),
        ("password", PASSWORD),
        ("password_confirm", PASSWORD),
    ];
    server
        .stranger()
        .like_a_browser()
        .post_form("/signup/", &form)
        .await
        .expect(303);
    let is_closed = kind == "closed";
    for (method, path, may) in TABLE {
        let is_of_a_room = path.contains("{slug}")
            || path.contains("rooms/{id}")
            || path.contains("messages/{id}");
        if is_closed && !is_of_a_room {
            continue; // the other test does these
        }
        for caller in CALLERS {
            // Those who leave are out: a fresh room for each.
            let room = server.bob().make_room("Den", kind).await;
            let scene = Scene {
                server: &server,
                slug: crate::support::http::escape(room["slug"].as_str().unwrap()),
                room: room["id"].as_i64().unwrap(),
            };
            let got = scene.try_it(method, path, *may, caller).await;
            let leaves = path.ends_with("/leave") || (*method == "DELETE" && path.ends_with("/me"));
            if leaves && *caller == "bob" {
                continue; // the only owner may have to stay
            }
            match expected(*may, caller, is_closed) {
                Some(expected) => assert_eq!(
                    got, expected,
                    "{method} {path} as {caller:?} in a {kind} room"
                ),
                None if matches!(may, Anyone) => {
                    assert_ne!(got, Fate::Forbidden, "{method} {path} as {caller:?}")
                }
                None => assert!(
                    matches!(got, Fate::Reached | Fate::Forbidden),
                    "{method} {path} as {caller:?}: an open room is no secret"
                ),
            }
            if is_of_a_room
                && *may == Read
                && *method == "GET"
                && !is_closed
                && !matches!(*caller, "" | "dora")
            {
                assert_eq!(got, Fate::Reached, "{method} {path} as {caller:?}");
            }
        }
    }
}

#[tokio::test]
async fn everyone_gets_what_is_theirs_and_nothing_else() {
    check("open").await;
}

#[tokio::test]
async fn nobody_outside_gets_anything_of_a_closed_room() {
    check("closed").await;
}
