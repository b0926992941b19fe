//! Refusals: one type for every reason a request is not done, with its status and its
//! stable code. The API answers them as problem+json; pages take the parts they show.
//!
//! Only this file knows which failure is which status. [`CODES`] is what the description
//! of the API lists, so a code that is not in it cannot be answered.

use std::borrow::Cow;

use axum::response::{Html, IntoResponse, Response};
use chat::{Conflict, Error};
use domain::Invalid;
use domain::policy::Reason;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::views::{self, ErrorPage};

/// A stable code of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    /// What programs compare.
    pub(crate) word: &'static str,
    /// The status it comes with; 0 for those that only sockets send.
    pub(crate) status: u16,
    /// When it is answered.
    pub(crate) meaning: &'static str,
}

/// Every code of the API, with its status and meaning.
pub(crate) const CODES: &[Code] = &[
    code(
        "invalid",
        400,
        "the request or one of its values cannot be accepted; `fields` says which",
    ),
    code("empty", 400, "a text has no visible character"),
    code(
        "too_long",
        400,
        "a text is above its limit; the sentence says both numbers",
    ),
    code(
        "unauthorized",
        401,
        "nobody is signed in, the token or session has ended, or name and password do not belong together",
    ),
    code(
        "forbidden",
        403,
        "the caller may know that it exists, and may not do this",
    ),
    code("cross_site", 403, "a browser says that another site asks"),
    code(
        "not_found",
        404,
        "it does not exist, or the caller may not learn that it does",
    ),
    code(
        "method_not_allowed",
        405,
        "the address exists, for other methods: see the header `Allow`",
    ),
    code(
        "request_timeout",
        408,
        "the body came too slowly (under 1 KiB a second, or over 60 s)",
    ),
    code("conflict", 409, "it contradicts what is stored"),
    code(
        "idempotency_mismatch",
        409,
        "the key stands for a message with another room, body or reply",
    ),
    code(
        "stale",
        412,
        "the message changed since the version in `If-Match`",
    ),
    code("payload_too_large", 413, "the body is over 1 MiB"),
    code(
        "unsupported_media_type",
        415,
        "the body is not `application/json`",
    ),
    code("misdirected", 421, "the Host header names another site"),
    code(
        "upgrade_required",
        426,
        "the address speaks WebSocket, version 13",
    ),
    code(
        "rate_limited",
        429,
        "too often; the header `Retry-After` has the seconds to wait",
    ),
    code(
        "headers_too_large",
        431,
        "more than 100 headers or cookies, or over 16 KiB of headers",
    ),
    code(
        "internal",
        500,
        "a fault of the server; the log has the cause under `reference`",
    ),
    code(
        "setup_required",
        503,
        "the house has no owner yet: open `/setup`",
    ),
    code(
        "unavailable",
        503,
        "the database or the server does not answer; the header `Retry-After` has the seconds to wait",
    ),
    code("storage_full", 507, "no space is left; nothing was stored"),
    code("unknown_op", 0, "on sockets: there is no such op"),
];

const fn code(word: &'static str, status: u16, meaning: &'static str) -> Code {
    Code {
        word,
        status,
        meaning,
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

/// Boxed: refusals are rare, and every handler's `Result` would carry this size.
#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    fields: Vec<Invalid>,
    retry_after_s: Option<u64>,
    reference: Option<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            fields: Vec::new(),
            retry_after_s: None,
            reference: None,
            header: None,
        }))
    }

    /// 400: the request as such cannot be understood.
    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// 400: one value of the request cannot be accepted.
    pub(crate) fn invalid_field(field: &'static str, detail: impl Into<String>) -> Self {
        Error::Invalid(vec![Invalid::new(field, "invalid", detail)]).into()
    }

    pub(crate) fn unauthorized() -> Self {
        Error::Unauthorized.into()
    }

    pub(crate) fn not_found() -> Self {
        Error::NotFound.into()
    }

    pub(crate) fn setup_required() -> Self {
        Error::SetupRequired.into()
    }

    pub(crate) fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "this request comes from another site; open Parlour itself and try there",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take that method",
        )
    }

    pub(crate) fn request_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body came too slowly; it needs at least 1 KiB a second",
        )
    }

    pub(crate) fn payload_too_large(limit_bytes: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("the body is too large; the limit is {limit_bytes} bytes"),
        )
    }

    pub(crate) fn unsupported_media_type(expected: &'static str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("send the body as {expected}"),
        )
    }

    pub(crate) fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "this server does not answer to that host name; add it to PARLOUR_ALLOWED_HOSTS",
        )
    }

    pub(crate) fn upgrade_required() -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this address speaks WebSocket, version 13",
        )
        .with_header(
            HeaderName::from_static("sec-websocket-version"),
            HeaderValue::from_static("13"),
        )
    }

    pub(crate) fn headers_too_large() -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "too many or too large headers or cookies; clear this site's cookies and try again",
        )
    }

    pub(crate) fn rate_limited(what: &str, retry_after_s: u64) -> Self {
        let detail = format!("too many {what}; try again in {retry_after_s} s");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.0.retry_after_s = Some(retry_after_s);
        problem
    }

    pub(crate) fn unavailable(detail: &'static str, retry_after_s: u64) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.0.retry_after_s = Some(retry_after_s);
        problem
    }

    /// 500; the cause is in the log under `reference`.
    pub(crate) fn internal(reference: String) -> Self {
        let detail = format!("something went wrong here; tell the operator {reference}");
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        problem.0.reference = Some(reference);
        problem
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// A sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The inputs that are refused, when it is about inputs.
    #[must_use]
    pub fn fields(&self) -> &[Invalid] {
        &self.0.fields
    }

    /// Seconds to wait before trying again, when that helps.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// What to tell the operator.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// Puts the headers that belong to this refusal on an answer of another shape; for
    /// pages.
    pub fn headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((name, value)) = &self.0.header {
            headers.insert(name.clone(), value.clone());
        }
    }
}

impl Problem {
    /// The refusal as a page for people.
    pub(crate) fn into_page(self) -> Response {
        let detail = self.0.detail.clone();
        let page = match (self.status().as_u16(), self.code()) {
            (404, _) => ErrorPage::not_found(),
            (403, "cross_site") => ErrorPage::cross_site(),
            (403, _) => ErrorPage::forbidden(detail),
            (413, _) => ErrorPage::too_large(),
            (421, _) => ErrorPage::wrong_host(),
            (429, _) => ErrorPage::too_many(self.retry_after_s().unwrap_or(1)),
            (500, _) => ErrorPage::internal(self.reference().unwrap_or("unknown")),
            (503, _) => ErrorPage::unavailable(),
            (507, _) => ErrorPage::storage_full(),
            _ => ErrorPage::bad_request(detail),
        };
        let mut response = (self.status(), Html(views::render(&page))).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        self.headers(&mut response);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let parts = &self.0;
        let body = wire::Problem {
            kind: "about:blank".into(),
            title: parts.status.canonical_reason().unwrap_or("Error").into(),
            status: parts.status.as_u16(),
            code: parts.code.into(),
            detail: parts.detail.clone().into_owned(),
            fields: parts
                .fields
                .iter()
                .map(|invalid| wire::FieldProblem {
                    field: invalid.field.into(),
                    code: invalid.code.into(),
                    message: invalid.message.clone(),
                })
                .collect(),
            retry_after: parts.retry_after_s,
            reference: parts.reference.clone(),
        };
        // Strings and numbers always serialise.
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (parts.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        self.headers(&mut response);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let at = |status, code| Self::new(status, code, detail.clone());
        match error {
            Error::NotFound => at(StatusCode::NOT_FOUND, "not_found"),
            Error::Unauthorized | Error::WrongCredentials => {
                at(StatusCode::UNAUTHORIZED, "unauthorized")
                    .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Error::SetupRequired => {
                let mut problem = at(StatusCode::SERVICE_UNAVAILABLE, "setup_required");
                problem.0.retry_after_s = Some(10);
                problem
            }
            Error::Denied(Reason::Deleted) => at(StatusCode::CONFLICT, "conflict"),
            Error::Denied(_) | Error::RegistrationClosed => at(StatusCode::FORBIDDEN, "forbidden"),
            Error::Invalid(fields) => {
                let code = match fields.as_slice() {
                    [one] if one.code == "empty" => "empty",
                    [one] if one.code == "too_long" => "too_long",
                    _ => "invalid",
                };
                let mut problem = at(StatusCode::BAD_REQUEST, code);
                problem.0.fields = fields;
                problem
            }
            Error::Conflict(conflict) => of_conflict(conflict),
            Error::TooMany {
                what,
                retry_after_s,
            } => Self::rate_limited(what, retry_after_s),
            Error::Unavailable { retry_after_s } => {
                let mut problem = at(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
                problem.0.retry_after_s = Some(retry_after_s);
                problem
            }
            Error::Full => at(StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
            Error::Internal(reference) => Self::internal(reference),
        }
    }
}

fn of_conflict(conflict: Conflict) -> Problem {
    let (status, code, detail) = match conflict {
        Conflict::NonceReused => (
            StatusCode::CONFLICT,
            "idempotency_mismatch",
            "this key was used for another message; choose a new one",
        ),
        Conflict::Stale => (
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "the message changed meanwhile; read it again and decide",
        ),
        Conflict::Deleted => (
            StatusCode::CONFLICT,
            "conflict",
            "this message has been deleted",
        ),
        Conflict::UsernameTaken => (
            StatusCode::CONFLICT,
            "conflict",
            "this name, or one that looks like it, is taken; choose another",
        ),
        Conflict::EmailTaken => (
            StatusCode::CONFLICT,
            "conflict",
            "this e-mail address belongs to another account",
        ),
        Conflict::OwnerExists => (StatusCode::CONFLICT, "conflict", "the house has an owner"),
        Conflict::LastOwner => (
            StatusCode::CONFLICT,
            "conflict",
            "it would be left without an owner; make someone else owner first",
        ),
        Conflict::TooMany => (
            StatusCode::CONFLICT,
            "conflict",
            "you have as many of these as one may have; remove one first",
        ),
        Conflict::ResetInvalid => (
            StatusCode::CONFLICT,
            "conflict",
            "this link is used up or too old; ask for a new one",
        ),
        Conflict::Archived | Conflict::NotMember => (
            StatusCode::FORBIDDEN,
            "forbidden",
            "you may not do that in this room",
        ),
        Conflict::SetupRequired => return Problem::setup_required(),
        Conflict::NotActive => return Problem::unauthorized(),
    };
    Problem::new(status, code, detail)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use chat::{Conflict, Error};
    use domain::Invalid;
    use http::header::RETRY_AFTER;

    use super::{CODES, Problem};

    #[test]
    fn every_failure_has_a_status_and_a_listed_code() {
        let one = |code| Error::Invalid(vec![Invalid::new("body", code, "no")]);
        for (error, status, code) in [
            (Error::NotFound, 404, "not_found"),
            (Error::Unauthorized, 401, "unauthorized"),
            (Error::WrongCredentials, 401, "unauthorized"),
            (Error::SetupRequired, 503, "setup_required"),
            (one("empty"), 400, "empty"),
            (one("too_long"), 400, "too_long"),
            (one("reserved"), 400, "invalid"),
            (
                Error::Conflict(Conflict::NonceReused),
                409,
                "idempotency_mismatch",
            ),
            (Error::Conflict(Conflict::Stale), 412, "stale"),
            (Error::Conflict(Conflict::LastOwner), 409, "conflict"),
            (
                Error::TooMany {
                    what: "posts",
                    retry_after_s: 3,
                },
                429,
                "rate_limited",
            ),
            (Error::Unavailable { retry_after_s: 2 }, 503, "unavailable"),
            (Error::Full, 507, "storage_full"),
            (Error::Internal("ab12".into()), 500, "internal"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
            let listed = CODES.iter().find(|listed| listed.word == code).unwrap();
            assert_eq!(listed.status, status, "{code}");
            let response = problem.into_response();
            if matches!(status, 429 | 503) {
                assert!(response.headers().contains_key(RETRY_AFTER), "{code}");
            }
        }
    }
}
