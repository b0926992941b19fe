//! Whether a request that changes something comes from this site.
//!
//! The check of Go's `CrossOriginProtection` and tower-http's layer of that name: the
//! browser's own `Sec-Fetch-Site`, else `Origin` against the request's origin. A request
//! with neither comes from no browser, so no one's cookie rides on it unasked. A layer was
//! not used because the origin is known from [`Client`] here, proxies included.

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};

use crate::hosts::Client;
use crate::problem::Problem;

/// Refuses a cross-site request that could change something.
///
/// # Errors
/// 403 `cross_site`.
pub(crate) fn check(method: &Method, headers: &HeaderMap, client: &Client) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    // A browser sends no Bearer of its own accord, and another site's script cannot add one
    // without a preflight, which nothing here answers. Basic is different: browsers repeat
    // it by themselves.
    if headers.get(AUTHORIZATION).is_some_and(is_bearer) {
        return Ok(());
    }
    if is_same_site(headers, client) {
        return Ok(());
    }
    tracing::info!(client.address = %client.address, "refused a request from another site");
    Err(Problem::cross_site())
}

/// Whether an `Authorization` header carries a token.
pub(crate) fn is_bearer(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn is_same_site(headers: &HeaderMap, client: &Client) -> bool {
    // `same-site` is refused too: another application on a sister domain is not this one.
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| client.owns(origin)),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

    use super::check;
    use crate::hosts::Hosts;
    use crate::settings::Settings;

    #[test]
    fn changes_are_taken_from_this_site_alone() {
        let hosts = Hosts::new(&Settings::new("127.0.0.1:8000".parse().unwrap()));
        for (method, headers, expected) in [
            ("POST", &[][..], true),
            ("POST", &[("sec-fetch-site", "same-origin")], true),
            ("POST", &[("sec-fetch-site", "none")], true),
            ("POST", &[("sec-fetch-site", "same-site")], false),
            ("POST", &[("sec-fetch-site", "cross-site")], false),
            (
                "POST",
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://localhost:8000"),
                ],
                false,
            ),
            ("POST", &[("origin", "http://localhost:8000")], true),
            ("POST", &[("origin", "http://localhost:8001")], false),
            ("POST", &[("origin", "https://localhost:8000")], false),
            ("POST", &[("origin", "null")], false),
            ("PUT", &[("origin", "http://evil.example")], false),
            ("PATCH", &[("origin", "http://evil.example")], false),
            ("DELETE", &[("origin", "http://evil.example")], false),
            ("PROPFIND", &[("origin", "http://evil.example")], false),
            (
                "DELETE",
                &[
                    ("origin", "http://evil.example"),
                    ("authorization", "Bearer x"),
                ],
                true,
            ),
            (
                "DELETE",
                &[
                    ("origin", "http://evil.example"),
                    ("authorization", "Basic x"),
                ],
                false,
            ),
            ("GET", &[("origin", "http://evil.example")], true),
            ("HEAD", &[("sec-fetch-site", "cross-site")], true),
        ] {
            let mut map = HeaderMap::new();
            map.insert("host", HeaderValue::from_static("localhost:8000"));
            for (name, value) in headers {
                map.insert(
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_static(value),
                );
            }
            let peer = "127.0.0.1".parse().unwrap();
            let client = hosts
                .client(&Uri::from_static("/"), &map, peer, false)
                .unwrap();
            let method: Method = method.parse().unwrap();
            let got = check(&method, &map, &client).is_ok();
            assert_eq!(got, expected, "{method} {headers:?}");
        }
    }
}
