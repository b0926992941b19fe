//! Answers of pages: HTML with its validator, redirects, and refusals in both shapes.

use std::hash::{DefaultHasher, Hasher as _};

use axum::response::{IntoResponse, Redirect, Response};
use chat::Conflict;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::compress::Spliced;
use crate::problem::Problem;
use crate::views::{ErrorPage, Refusal, RefusalFragment, duration, render};

/// A refusal or failure on its way to a person: a page, or a fragment for a script.
#[derive(Debug)]
pub(crate) struct PageError {
    problem: Problem,
    kind: Kind,
}

/// What a page does differently from the API.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Scripted,
    /// The reset link is worn out: a page of its own, 410.
    WornOut,
    Page,
}

impl PageError {
    pub(crate) fn new(error: chat::Error, is_scripted: bool) -> Self {
        let kind = match &error {
            _ if is_scripted => Kind::Scripted,
            chat::Error::Conflict(Conflict::ResetInvalid) => Kind::WornOut,
            _ => Kind::Page,
        };
        Self {
            problem: error.into(),
            kind,
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self.kind {
            Kind::Scripted => {
                let text = sentence(self.problem.detail());
                let fragment = RefusalFragment {
                    code: self.problem.code(),
                    text: &text,
                };
                let mut response = html(self.problem.status(), render(&fragment));
                self.problem.headers(&mut response);
                response
            }
            Kind::WornOut => html(StatusCode::GONE, render(&ErrorPage::reset_invalid())),
            Kind::Page => self.problem.into_page(),
        }
    }
}

/// Why a form is refused, as its page shows it.
pub(crate) fn refusal(error: chat::Error) -> Refusal {
    let problem = Problem::from(error);
    Refusal {
        code: problem.code().to_owned(),
        text: sentence(problem.detail()),
    }
}

/// Says how long to wait as people count it, for a form that is shown again.
pub(crate) fn wait_sentence(what: &str, retry_after_s: u64) -> String {
    format!("Too many {what}. Try again in {}.", duration(retry_after_s))
}

/// A clause as a sentence: capital letter, full stop.
pub(crate) fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let mut text: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// An HTML answer.
pub(crate) fn html(status: StatusCode, body: String) -> Response {
    let header = [(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    )];
    (status, header, body).into_response()
}

/// An HTML answer with a secret in it, which no cache may keep on a disk.
pub(crate) fn secret_html(status: StatusCode, body: String) -> Response {
    let mut response = html(status, body);
    keep_nowhere(&mut response);
    response
}

/// Keeps an answer with a secret out of every cache.
pub(crate) fn keep_nowhere(response: &mut Response) {
    let never = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(CACHE_CONTROL, never);
}

/// An HTML answer with a validator of its text: a page loaded again unchanged costs 304.
pub(crate) fn html_with_etag(request: &HeaderMap, body: String) -> Response {
    let etag = etag(|hash| hash.write(body.as_bytes()));
    unchanged(request, &etag).unwrap_or_else(|| with_etag(html(StatusCode::OK, body), &etag))
}

/// The same for a page around a shared part, compressed in pieces.
pub(crate) fn spliced_with_etag(request: &HeaderMap, page: Spliced) -> Response {
    let etag = etag(|hash| {
        hash.write(page.before.as_bytes());
        hash.write_u32(page.shared.checksum());
        hash.write(page.after.as_bytes());
    });
    if let Some(unchanged) = unchanged(request, &etag) {
        return unchanged;
    }
    let (body, encoding) = page.into_body(request);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = (StatusCode::OK, [(CONTENT_TYPE, kind)], body).into_response();
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, encoding);
    }
    with_etag(response, &etag)
}

/// A weak validator: compressed or not, it is the same page. 64 bits, since a collision
/// only shows somebody their own page of a moment ago.
fn etag(feed: impl FnOnce(&mut DefaultHasher)) -> String {
    let mut hash = DefaultHasher::new();
    feed(&mut hash);
    format!("W/\"{:016x}\"", hash.finish())
}

fn unchanged(request: &HeaderMap, etag: &str) -> Option<Response> {
    let known = request.get(IF_NONE_MATCH)?.to_str().ok()?;
    let is_known = known.split(',').any(|tag| tag.trim() == etag);
    is_known.then(|| with_etag(StatusCode::NOT_MODIFIED.into_response(), etag))
}

fn with_etag(mut response: Response, etag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// Back to a page after a form: 303, or where a script should go.
pub(crate) fn go_to(is_scripted: bool, path: &str) -> Response {
    if is_scripted && let Ok(location) = HeaderValue::from_str(path) {
        return (StatusCode::NO_CONTENT, [("hx-location", location)]).into_response();
    }
    Redirect::to(path).into_response()
}
