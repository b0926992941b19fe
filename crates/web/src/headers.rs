//! Headers that every answer carries.
//!
//! Not the place for what one route decides (`ETag`, `Location`). A route that sets
//! `Cache-Control` keeps its own; everything else may be personal and says so.

use http::header::{CACHE_CONTROL, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
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
    let mut all = "Cookie".to_owned();
    // A page and its fragment share an address, and going back in the history asks nobody.
    if headers.get(CONTENT_TYPE).is_some_and(is_html) {
        all.push_str(", HX-Request");
    }
    for own in headers.get_all(VARY) {
        if let Ok(own) = own.to_str() {
            all.push_str(", ");
            all.push_str(own);
        }
    }
    // What were header values stay one.
    if let Ok(all) = HeaderValue::try_from(all) {
        headers.insert(VARY, all);
    }
}

fn is_html(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"text/html")
}

fn is_private(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"private")
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY, VARY};
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

        let mut compressed = HeaderMap::new();
        compressed.append(VARY, HeaderValue::from_static("HX-Request"));
        compressed.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        apply(&mut compressed, false);
        assert_eq!(compressed[VARY], "Cookie, HX-Request, Accept-Encoding");
        assert_eq!(compressed.get_all(VARY).iter().count(), 1);

        let mut page = HeaderMap::new();
        page.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        apply(&mut page, false);
        assert_eq!(page[VARY], "Cookie, HX-Request");

        let mut asset = HeaderMap::new();
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        asset.insert(CACHE_CONTROL, forever.clone());
        apply(&mut asset, false);
        assert_eq!(asset[CACHE_CONTROL], forever);
        assert!(!asset.contains_key(VARY));
        assert!(!asset.contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
