//! The opening handshake of RFC 6455 §4.2.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use sha1::{Digest as _, Sha1};

use crate::problem::Problem;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that is in order.
#[derive(Debug)]
pub(super) struct Accepted {
    accept: String,
    /// The extension to answer with, if compression was agreed.
    pub(super) deflate: Option<&'static str>,
}

impl Accepted {
    /// The 101.
    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        // Base64 is a header value.
        if let Ok(accept) = HeaderValue::try_from(&self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(deflate) = self.deflate {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate));
        }
        response
    }
}

/// Checks a handshake.
///
/// # Errors
/// 405, 426 with the version we speak, 400 for a wrong key.
pub(super) fn check(request: &Request) -> Result<Accepted, Problem> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed());
    }
    let is_asked = has_token(headers, &UPGRADE, "websocket")
        && has_token(headers, &CONNECTION, "upgrade")
        && request.version() == Version::HTTP_11;
    if !is_asked || single(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Problem::upgrade_required());
    }
    let key = single(headers, &SEC_WEBSOCKET_KEY).unwrap_or("");
    if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
        return Err(Problem::invalid(
            "Sec-WebSocket-Key must be 16 bytes in base64",
        ));
    }
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    let offers: Vec<&str> = headers
        .get_all(SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    Ok(Accepted {
        accept: STANDARD.encode(hash.finalize()),
        deflate: live::ws::negotiate_deflate(&offers.join(", ")),
    })
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        let line = line.to_str().unwrap_or("");
        line.split(',')
            .any(|one| one.trim().eq_ignore_ascii_case(token))
    })
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().map(str::trim),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;

    use super::check;

    const GOOD: &[(&str, &str)] = &[
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn status(change: &[(&'static str, Option<&'static str>)]) -> u16 {
        let mut headers: Vec<(&str, &str)> = GOOD.to_vec();
        for (name, value) in change {
            headers.retain(|(held, _)| held != name);
            headers.extend(value.map(|value| (*name, value)));
        }
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match check(&request.body(Body::empty()).unwrap()) {
            Ok(accepted) => accepted.response().status().as_u16(),
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[test]
    fn handshakes_are_checked() {
        assert_eq!(status(&[]), 101);
        assert_eq!(status(&[("connection", Some("keep-alive, UPGRADE"))]), 101);
        assert_eq!(status(&[("upgrade", Some("WebSocket"))]), 101);
        assert_eq!(status(&[("upgrade", None)]), 426);
        assert_eq!(status(&[("upgrade", Some("h2c"))]), 426);
        assert_eq!(status(&[("connection", Some("close"))]), 426);
        assert_eq!(status(&[("sec-websocket-version", Some("8"))]), 426);
        assert_eq!(status(&[("sec-websocket-version", None)]), 426);
        assert_eq!(status(&[("sec-websocket-key", None)]), 400);
        assert_eq!(status(&[("sec-websocket-key", Some("c2hvcnQ="))]), 400);
        assert_eq!(
            status(&[("sec-websocket-key", Some("not base64 at all!!!"))]),
            400
        );
    }

    #[test]
    fn the_answer_is_the_one_of_the_standard() {
        let mut request = Request::builder();
        for (name, value) in GOOD {
            request = request.header(*name, *value);
        }
        let response = check(&request.body(Body::empty()).unwrap())
            .unwrap()
            .response();
        let accept = &response.headers()["sec-websocket-accept"];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
