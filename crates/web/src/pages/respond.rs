//! Answers of pages: HTML with its validator, redirects, and refusals in both shapes.

use axum::response::{IntoResponse, Redirect, Response};
use domain::policy::Reason;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use store::Conflict;

use crate::views::{ErrorPage, RefusalFragment, render};

/// A refusal or failure on its way to a person: a page, or a fragment for a script.
#[derive(Debug)]
pub(crate) struct PageError {
    error: chat::Error,
    is_scripted: bool,
}

impl PageError {
    pub(crate) fn new(error: chat::Error, is_scripted: bool) -> Self {
        Self { error, is_scripted }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let page = error_page(&self.error);
        let status = StatusCode::from_u16(page.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = if self.is_scripted {
            let text = self.error.to_string();
            let fragment = RefusalFragment { code: code(&self.error), text: &sentence(&text) };
            html(status, render(&fragment))
        } else if matches!(self.error, chat::Error::Unauthorized) {
            return Redirect::to("/login/").into_response();
        } else {
            html(status, render(&page))
        };
        if let chat::Error::TooMany { retry_after_s, .. }
        | chat::Error::Unavailable { retry_after_s } = self.error
        {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}

/// The page for an error.
pub(crate) fn error_page(error: &chat::Error) -> ErrorPage {
    match error {
        chat::Error::NotFound => ErrorPage::not_found(),
        chat::Error::Unauthorized | chat::Error::WrongCredentials => {
            ErrorPage::forbidden("You are not signed in, or not any more.").with_status(401)
        }
        chat::Error::Denied(reason) => ErrorPage::forbidden(reason.sentence()),
        chat::Error::RegistrationClosed => ErrorPage::forbidden(sentence(&error.to_string())),
        chat::Error::SetupRequired | chat::Error::Unavailable { .. } => ErrorPage::unavailable(),
        chat::Error::Invalid(_) => ErrorPage::bad_request(sentence(&error.to_string())),
        chat::Error::Conflict(Conflict::ResetInvalid) => ErrorPage::reset_invalid(),
        chat::Error::Conflict(conflict) => {
            ErrorPage::bad_request(conflict_sentence(*conflict)).with_status(match conflict {
                Conflict::Stale => 412,
                _ => 409,
            })
        }
        chat::Error::TooMany { retry_after_s, .. } => ErrorPage::too_many(*retry_after_s),
        chat::Error::Full => ErrorPage::storage_full(),
        chat::Error::Internal(reference) => ErrorPage::internal(reference.clone()),
    }
}

/// The stable word of an error, as in the API.
pub(crate) fn code(error: &chat::Error) -> &'static str {
    match error {
        chat::Error::NotFound => "not_found",
        chat::Error::Unauthorized | chat::Error::WrongCredentials => "unauthorized",
        chat::Error::Denied(Reason::Deleted) => "conflict",
        chat::Error::Denied(_) | chat::Error::RegistrationClosed => "forbidden",
        chat::Error::SetupRequired => "setup_required",
        chat::Error::Invalid(fields) => fields.first().map_or("invalid", |invalid| match invalid.code {
            code @ ("empty" | "too_long") => code,
            _ => "invalid",
        }),
        chat::Error::Conflict(Conflict::NonceReused) => "idempotency_mismatch",
        chat::Error::Conflict(Conflict::Stale) => "stale",
        chat::Error::Conflict(_) => "conflict",
        chat::Error::TooMany { .. } => "rate_limited",
        chat::Error::Unavailable { .. } => "unavailable",
        chat::Error::Full => "storage_full",
        chat::Error::Internal(_) => "internal",
    }
}

/// A sentence for a conflict.
pub(crate) fn conflict_sentence(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Stale => "The message was changed meanwhile; look at it again before you save.",
        Conflict::Deleted => "The message has been deleted.",
        Conflict::NonceReused => "This key was used for another message already.",
        Conflict::LastOwner => "Someone must remain the owner; hand over first.",
        Conflict::TooMany => "You have as many of these as one may have; remove one first.",
        _ => "Something changed meanwhile; load the page and try again.",
    }
}

/// A clause as a sentence: capital letter, full stop.
pub(crate) fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let mut text: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// An HTML answer.
pub(crate) fn html(status: StatusCode, body: String) -> Response {
    let header = [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    (status, header, body).into_response()
}

/// An HTML answer with a validator of its bytes: a page loaded again unchanged costs 304.
pub(crate) fn html_with_etag(request: &HeaderMap, body: String) -> Response {
    let etag = format!("\"{:016x}\"", fingerprint(body.as_bytes()));
    let is_unchanged = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(
        |known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag),
    );
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
    digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Back to a page after a form: 303, or where a script should go.
pub(crate) fn go_to(is_scripted: bool, path: &str) -> Response {
    if is_scripted
        && let Ok(location) = HeaderValue::from_str(path)
    {
        return (StatusCode::NO_CONTENT, [("hx-location", location)]).into_response();
    }
    Redirect::to(path).into_response()
}
