//! Who a request comes from: cookies for browsers, tokens for programs.
//!
//! The API's handlers take [`Signed`], pages ask [`session_actor`]; what the Actor may do is
//! `domain::policy`'s business. With a token in the request the API looks at no cookie, and
//! pages never look at tokens.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use chat::Error;
use chat::accounts::{Device, SignedIn};
use domain::Actor;
use http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::csrf::is_bearer;
use crate::hosts::Client;
use crate::problem::Problem;
use crate::state::App;
use crate::turns::Turn;

/// The session's cookie. By TLS its name promises Secure, Path=/ and no Domain, which a
/// sister site cannot forge.
const SESSION: (&str, &str) = ("parlour", "__Host-parlour");
/// The mark of a browser that has signed in before.
const KNOWN: (&str, &str) = ("parlour-known", "__Host-parlour-known");
/// How long a browser keeps its mark.
const KNOWN_S: i64 = 400 * 24 * 60 * 60;

/// Whoever uses the API: by token, else by cookie. Refused with 401. Handlers keep the
/// turn until they are done; without rate limits there is none.
pub(crate) struct Signed(pub(crate) Actor, pub(crate) Option<Turn>);

impl FromRequestParts<App> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let actor = match bearer(&parts.headers)? {
            Some(token) => app.chat.actor_of_token(token).await?,
            None => session_actor(app, &parts.headers, &client(parts)).await?,
        };
        let turn = turn(app, &actor).await?;
        Ok(Self(actor, turn))
    }
}

/// The actor's turn, waited for; without rate limits there is none.
///
/// # Errors
/// 429 when too many of their requests wait already.
pub(crate) async fn turn(app: &App, actor: &Actor) -> Result<Option<Turn>, Problem> {
    match actor.user() {
        Some(user) if app.chat.settings().rate_limits => Ok(Some(app.turns.take(user).await?)),
        _ => Ok(None),
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(client(parts))
    }
}

/// Who asks. The gate puts it into every request; without the gate nothing is served.
pub(crate) fn client(parts: &Parts) -> Client {
    let found = parts.extensions.get::<Client>().cloned();
    found.unwrap_or_else(Client::nobody)
}

/// Who the session cookie stands for. Tokens are not looked at: this is for pages.
///
/// # Errors
/// `Unauthorized` without a cookie that is good.
pub(crate) async fn session_actor(
    app: &App,
    headers: &HeaderMap,
    client: &Client,
) -> chat::Result<Actor> {
    let secret = cookie(headers, SESSION, client.is_https).ok_or(Error::Unauthorized)?;
    let address = limit_key(client.address);
    app.chat.actor_of_session(secret, &address).await
}

/// The token of `Authorization: Bearer`.
///
/// # Errors
/// 401 when there is one that cannot be right; it must not fall back to a cookie.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut lines = headers.get_all(AUTHORIZATION).iter().filter(|line| {
        // A bare "Bearer" is a program whose token got lost, not a browser.
        is_bearer(line) || line.as_bytes().eq_ignore_ascii_case(b"bearer")
    });
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Problem::unauthorized());
    }
    let token = line
        .to_str()
        .ok()
        .and_then(|line| line.get(7..))
        .map(str::trim);
    match token {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        _ => Err(Problem::unauthorized()),
    }
}

/// The first cookie of that name.
fn cookie<'a>(headers: &'a HeaderMap, names: (&str, &str), is_https: bool) -> Option<&'a str> {
    let name = if is_https { names.1 } else { names.0 };
    headers.get_all(COOKIE).iter().find_map(|line| {
        line.to_str().ok()?.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name && !value.is_empty()).then_some(value)
        })
    })
}

/// The address as limits count it: an IPv6 household owns a whole /64.
pub(crate) fn limit_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Where a sign-in comes from.
pub(crate) fn device(client: &Client, headers: &HeaderMap) -> Device {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    Device {
        agent: agent.unwrap_or("").chars().take(200).collect(),
        address: limit_key(client.address),
        known_mark: cookie(headers, KNOWN, client.is_https).map(str::to_owned),
    }
}

/// The cookies of a browser that just signed in: its session, and its mark.
pub(crate) fn sign_in_cookies(
    client: &Client,
    signed_in: &SignedIn,
    session_age_ms: i64,
) -> [HeaderValue; 2] {
    let age_s = session_age_ms / 1000;
    [
        set_cookie(SESSION, &signed_in.secret, age_s, client.is_https),
        set_cookie(KNOWN, &signed_in.known_mark, KNOWN_S, client.is_https),
    ]
}

/// Takes the session's cookie away.
pub(crate) fn sign_out_cookie(client: &Client) -> HeaderValue {
    set_cookie(SESSION, "", 0, client.is_https)
}

fn set_cookie(names: (&str, &str), value: &str, age_s: i64, is_https: bool) -> HeaderValue {
    let (name, secure) = if is_https {
        (names.1, "; Secure")
    } else {
        (names.0, "")
    };
    let line = format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
    // Secrets are base64url; a value that is no header would only lose its owner the cookie.
    HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
}

/// Where to go after a log-in: an own path, whatever was asked for.
pub(crate) fn safe_next(next: Option<&str>) -> &str {
    let Some(next) = next else { return "/" };
    let mut chars = next.chars();
    let is_own = chars.next() == Some('/')
        // Browsers read `\` as `/`, so both would name another host.
        && !matches!(chars.next(), Some('/' | '\\'))
        && !next.contains('\\')
        && next.len() <= 2048
        && next.bytes().all(|byte| (0x21..0x7f).contains(&byte))
        // Signing in to be signed out at once would be another site's joke.
        && !next.starts_with("/logout");
    if is_own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE};
    use http::{HeaderMap, HeaderValue};

    use super::{SESSION, bearer, cookie, limit_key, safe_next, set_cookie};

    #[test]
    fn next_leads_to_own_paths_only() {
        for (next, expected) in [
            ("/rooms/lobby/?around=17", "/rooms/lobby/?around=17"),
            ("/", "/"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/a\\..\\b", "/"),
            ("https:evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/\t/evil.example", "/"),
            ("/x\r\nSet-Cookie: a=b", "/"),
            ("rooms/", "/"),
            ("/logout/", "/"),
        ] {
            assert_eq!(safe_next(Some(next)), expected, "{next:?}");
        }
        assert_eq!(safe_next(None), "/");
    }

    #[test]
    fn tokens_are_read_and_never_fall_back() {
        let check = |lines: &[&'static str], expected: Result<Option<&str>, ()>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_static(line));
            }
            assert_eq!(bearer(&headers).map_err(|_| ()), expected, "{lines:?}");
        };
        check(&[], Ok(None));
        check(&["Basic abc"], Ok(None));
        check(&["Bearer abc"], Ok(Some("abc")));
        check(&["bearer  abc "], Ok(Some("abc")));
        check(&["Bearer "], Err(()));
        check(&["Bearer"], Err(()));
        check(&["Bearer a", "Bearer b"], Err(()));
    }

    #[test]
    fn cookies_bear_the_name_of_their_scheme() {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            HeaderValue::from_static("a=b; parlour=plain; __Host-parlour=tls; xparlour=no"),
        );
        assert_eq!(cookie(&headers, SESSION, false), Some("plain"));
        assert_eq!(cookie(&headers, SESSION, true), Some("tls"));
        headers.insert(COOKIE, HeaderValue::from_static("parlour="));
        assert_eq!(cookie(&headers, SESSION, false), None);
        assert_eq!(
            set_cookie(SESSION, "x", 60, true),
            "__Host-parlour=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn households_are_counted_as_one() {
        let check = |address: &str, expected: &str| {
            assert_eq!(limit_key(address.parse().unwrap()), expected);
        };
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        check("203.0.113.9", "203.0.113.9");
        check("::ffff:203.0.113.9", "203.0.113.9");
    }
}
