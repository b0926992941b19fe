//! Reading query strings strictly: unknown and repeated parameters are refused.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Items in a page when the caller does not say.
const DEFAULT_LIMIT: usize = 50;
/// Most items in a page.
const MAX_LIMIT: usize = 100;

/// A query string. The type must refuse unknown fields.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or("");
        serde_urlencoded::from_bytes(query.as_bytes())
            .map(Self)
            .map_err(|error| Problem::invalid(format!("the query cannot be read: {error}")))
    }
}

/// No query string at all.
#[derive(Debug)]
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(Problem::invalid("this address takes no query parameters")),
        }
    }
}

/// What varies in an address, e.g. `{id}`. Text that is no UTF-8 names nothing.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// The size of a page. Out of bounds is refused, not clamped: who asks for 1,000 and gets
/// 100 may take them for all.
pub(crate) fn limit(asked: Option<i64>) -> Result<usize, Problem> {
    match asked.map(usize::try_from) {
        None => Ok(DEFAULT_LIMIT),
        Some(Ok(limit @ 1..=MAX_LIMIT)) => Ok(limit),
        Some(_) => Err(Problem::invalid_field(
            "limit",
            format!("limit must be 1 to {MAX_LIMIT}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn limits_are_1_to_100() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(1)).unwrap(), 1);
        assert_eq!(limit(Some(100)).unwrap(), 100);
        for wrong in [0, -1, 101, 1_000_000_000, i64::MIN, i64::MAX] {
            assert!(limit(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
