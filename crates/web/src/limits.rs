//! Bodies of requests: bounded in size, in time and in slowness, and read by extractors
//! whose refusals are ours.
//!
//! A body that is already here costs no timer: one is armed only when the peer makes us
//! wait.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, Sleep};

use crate::problem::Problem;
use crate::settings::Bounds;

/// Deepest nesting of JSON that is read, on sockets too.
pub(crate) const MAX_JSON_DEPTH: usize = 32;

/// Why a body ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyRefused {
    #[error("the body is above {0} bytes")]
    TooLarge(usize),
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body broke off")]
    Broken,
    #[error("too many large bodies are under way")]
    Crowded,
}

/// So much of each body is taken whatever else is under way: every message and form of a
/// person fits.
const FREE_BYTES: usize = 64 * 1024;
/// What all bodies together may hold above that while they come.
const CROWD_BYTES: usize = 64 * 1024 * 1024;

/// What the bodies under way hold together. Without it eight thousand connections, which
/// need no account, hold eight thousand times the limit of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd(Arc<AtomicUsize>);

/// A body up to so many times the limit is read to its end and dropped before it is refused:
/// a client that is cut while it sends never reads why.
const DROPPED_TIMES: usize = 8;
/// How long that may take.
const DROPPING: Duration = Duration::from_secs(2);

/// Refuses a body that announces far too much, or asks before it is sent.
pub(crate) fn check_length(headers: &HeaderMap, bounds: &Bounds) -> Result<(), Problem> {
    let length = announced(headers);
    let most = if headers.contains_key(EXPECT) {
        1
    } else {
        DROPPED_TIMES
    };
    if length > (bounds.max_body_bytes * most) as u64 {
        return Err(Problem::payload_too_large(bounds.max_body_bytes));
    }
    Ok(())
}

fn announced(headers: &HeaderMap) -> u64 {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A request's body within [`Bounds`].
pub(crate) struct Guarded {
    inner: Incoming,
    max_bytes: usize,
    grace: Duration,
    bytes_per_s: u64,
    timeout: Duration,
    received: usize,
    crowd: Crowd,
    /// Our part of the crowd.
    held: usize,
    is_too_large: bool,
    began: Option<Instant>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub(crate) fn new(inner: Incoming, headers: &HeaderMap, bounds: &Bounds, crowd: Crowd) -> Self {
        Self {
            inner,
            is_too_large: announced(headers) > bounds.max_body_bytes as u64,
            max_bytes: bounds.max_body_bytes,
            grace: bounds.body_grace,
            bytes_per_s: bounds.body_bytes_per_s.max(1),
            timeout: bounds.body_timeout,
            received: 0,
            crowd,
            held: 0,
            began: None,
            waiting: None,
        }
    }

    /// When what has come so far is too little.
    fn deadline(&self, began: Instant) -> Instant {
        if self.is_too_large {
            return began + DROPPING;
        }
        let earned = Duration::from_millis(self.received as u64 * 1000 / self.bytes_per_s);
        began + (self.grace + earned).min(self.timeout)
    }

    /// Counts what is held; false when it is too much with what others hold.
    fn hold(&mut self, bytes: usize) -> bool {
        let Crowd(all) = &self.crowd;
        let more = bytes.saturating_sub(self.held);
        self.held += more;
        more == 0 || all.fetch_add(more, Ordering::Relaxed) + more <= CROWD_BYTES
    }

    fn refused(&self) -> Poll<Option<Result<Frame<Bytes>, BodyRefused>>> {
        Poll::Ready(Some(Err(if self.is_too_large {
            BodyRefused::TooLarge(self.max_bytes)
        } else {
            BodyRefused::TooSlow
        })))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let deadline = self.deadline(began);
        let sleep = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = BodyRefused;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyRefused>>> {
        loop {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.received += frame.data_ref().map_or(0, Bytes::len);
                    self.is_too_large |= self.received > self.max_bytes;
                    if !self.is_too_large {
                        let held = self.received.saturating_sub(FREE_BYTES);
                        if !self.hold(held) {
                            return Poll::Ready(Some(Err(BodyRefused::Crowded)));
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if self.received > self.max_bytes * DROPPED_TIMES {
                        return self.refused();
                    }
                }
                Poll::Ready(None) if self.is_too_large => return self.refused(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => {
                    return Poll::Ready(Some(Err(BodyRefused::Broken)));
                }
                Poll::Pending => match self.poll_deadline(cx) {
                    Poll::Ready(()) => return self.refused(),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.crowd.0.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// Reads a whole body, bounded by what [`Guarded`] allows.
pub(crate) async fn read_body(body: axum::body::Body) -> Result<Bytes, Problem> {
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(refusal(&error)),
    }
}

fn refusal(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<BodyRefused>() {
            return match refused {
                BodyRefused::TooLarge(limit) => Problem::payload_too_large(*limit),
                BodyRefused::TooSlow => Problem::request_timeout(),
                BodyRefused::Broken => Problem::invalid("the body broke off"),
                BodyRefused::Crowded => {
                    Problem::unavailable("too many large requests are under way", 2)
                }
            };
        }
        cause = error.source();
    }
    Problem::invalid("the body could not be read")
}

/// A JSON body. Unknown fields are refused by the types themselves.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // A form of another site can send text/plain without asking; never JSON.
        if !is_media_type(request.headers(), "application/json") {
            return Err(Problem::unsupported_media_type("application/json"));
        }
        let body = read_body(request.into_body()).await?;
        from_json(&body).map(Self)
    }
}

/// Reads JSON of bounded depth.
pub(crate) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    if depth_exceeds(text, MAX_JSON_DEPTH) {
        return Err(Problem::invalid(format!(
            "the JSON is nested more than {MAX_JSON_DEPTH} levels deep"
        )));
    }
    if !is_object(text) {
        return Err(Problem::invalid("the JSON must be an object: {…}"));
    }
    serde_json::from_slice(text).map_err(|error| Problem::invalid(json_reason(&error)))
}

/// Whether a JSON text is an object. serde would also read a struct from a list of its
/// values, and nobody promised in which order.
pub(crate) fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{')
}

/// What is wrong with a JSON text, in serde's words; they name fields and types, and quote
/// of the input only what stands in a wrong place, which goes back to its sender alone.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let mut reason = format!("the JSON cannot be read: {error}");
    if reason.len() > 300 {
        let end = (0..=300)
            .rev()
            .find(|at| reason.is_char_boundary(*at))
            .unwrap_or(0);
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

/// Whether JSON is nested deeper than `max`. Looks at brackets outside strings only, so it
/// needs no valid JSON.
pub(crate) fn depth_exceeds(text: &[u8], max: usize) -> bool {
    // Most bodies are shorter than what could be that deep.
    if text.len() <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A form's body (`application/x-www-form-urlencoded`), for pages.
#[derive(Debug)]
pub(crate) struct FormBody<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for FormBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        read_form(request)
            .await
            .map(Self)
            .map_err(Problem::into_page)
    }
}

async fn read_form<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    if !is_media_type(request.headers(), "application/x-www-form-urlencoded") {
        return Err(Problem::unsupported_media_type("a form"));
    }
    let body = read_body(request.into_body()).await?;
    serde_urlencoded::from_bytes(&body)
        .map_err(|error| Problem::invalid(format!("the form cannot be read: {error}")))
}

fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let said = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    said.is_some_and(|said| {
        let kind = said.split(';').next().unwrap_or("").trim();
        kind.eq_ignore_ascii_case(expected)
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_JSON_DEPTH, depth_exceeds, from_json};

    #[test]
    fn json_is_read_to_a_depth_of_32() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!depth_exceeds(nested(32).as_bytes(), MAX_JSON_DEPTH));
        assert!(depth_exceeds(nested(33).as_bytes(), MAX_JSON_DEPTH));
        let in_text = format!(r#"{{"body":"{}\"{}"}}"#, "[".repeat(50), "{".repeat(50));
        assert!(!depth_exceeds(in_text.as_bytes(), MAX_JSON_DEPTH));
        assert!(depth_exceeds(
            "{\"a\":".repeat(40).as_bytes(),
            MAX_JSON_DEPTH
        ));
        let object = |n: usize| format!(r#"{{"a":{}}}"#, nested(n));
        assert!(from_json::<serde_json::Value>(object(31).as_bytes()).is_ok());
        assert!(from_json::<serde_json::Value>(object(32).as_bytes()).is_err());
        assert!(from_json::<serde_json::Value>(object(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_list_is_not_taken_for_an_object() {
        assert!(from_json::<wire::ChangeRoom>(b" {}").is_ok());
        for wrong in ["[]", "[\"name\"]", "null", "1", "\"{}\"", ""] {
            assert!(
                from_json::<wire::ChangeRoom>(wrong.as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }
}
