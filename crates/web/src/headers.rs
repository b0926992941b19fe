//! Headers that every answer carries.
//!
//! Not the place for what one route decides (`ETag`, `Location`). A route that sets
//! `Cache-Control` keeps its own; everything else may be personal and says so.

use http::header::{CACHE_CONTROL, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY};
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing inline, nothing from elsewhere, no frame around us. `'self'` in connect-src
/// covers the page's own sockets.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Adds what every answer carries.
pub(crate) fn apply(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // `no-referrer` would make the Origin of a form `null`, and the same-site check fail.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if is_https {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        );
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    if headers.get(CACHE_CONTROL).is_some_and(is_private) {
        vary_by_cookie(headers);
    }
}

/// One line, also beside what a route varies by: some caches read only the first.
fn vary_by_cookie(headers: &mut HeaderMap) {
    let own = headers.get(VARY).and_then(|own| own.to_str().ok());
    let all = match own {
        Some(own) => HeaderValue::try_from(format!("Cookie, {own}")),
        None => Ok(HeaderValue::from_static("Cookie")),
    };
    // What was a header value stays one.
    if let Ok(all) = all {
        headers.insert(VARY, all);
    }
}

fn is_private(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"private")
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, VARY};
    use http::{HeaderMap, HeaderValue};

    use super::apply;

    #[test]
    fn answers_are_private_unless_a_route_says_otherwise() {
        let mut page = HeaderMap::new();
        apply(&mut page, true);
        assert_eq!(page[CACHE_CONTROL], "private, no-cache");
        assert_eq!(page[VARY], "Cookie");
        assert!(page.contains_key(STRICT_TRANSPORT_SECURITY));

        let mut fragment = HeaderMap::new();
        fragment.insert(VARY, HeaderValue::from_static("HX-Request"));
        apply(&mut fragment, false);
        assert_eq!(fragment[VARY], "Cookie, HX-Request");

        let mut asset = HeaderMap::new();
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        asset.insert(CACHE_CONTROL, forever.clone());
        apply(&mut asset, false);
        assert_eq!(asset[CACHE_CONTROL], forever);
        assert!(!asset.contains_key(VARY));
        assert!(!asset.contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
