//! Answers of pages: HTML with its validator, redirects, and refusals in both shapes.

use axum::response::{IntoResponse, Redirect, Response};
use chat::Conflict;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::problem::Problem;
use crate::views::{ErrorPage, Refusal, RefusalFragment, render};

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

/// An HTML answer with a validator of its bytes: a page loaded again unchanged costs 304.
pub(crate) fn html_with_etag(request: &HeaderMap, body: String) -> Response {
    let etag = format!("\"{:016x}\"", fingerprint(body.as_bytes()));
    let is_unchanged = request
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| {
            known
                .split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
        });
    let mut response = if is_unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        html(StatusCode::OK, body)
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// A 64-bit fingerprint; collisions only mean that a stale page is shown, to the person
/// whose page it is.
fn fingerprint(bytes: &[u8]) -> u64 {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Back to a page after a form: 303, or where a script should go.
pub(crate) fn go_to(is_scripted: bool, path: &str) -> Response {
    if is_scripted && let Ok(location) = HeaderValue::from_str(path) {
        return (StatusCode::NO_CONTENT, [("hx-location", location)]).into_response();
    }
    Redirect::to(path).into_response()
}
