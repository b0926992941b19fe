//! The REST API, `/api/v1`.
//!
//! A handler reads the request strictly, calls one function of `chat` and converts the
//! result to `wire`. Every address is an [`operation::Operation`], registered and described
//! in one place, so that the document cannot say something else than the router.

pub(crate) mod convert;
mod cursor;
mod docs;
pub(crate) mod messages;
mod openapi;
pub(crate) mod operation;
mod people;
pub(crate) mod query;
mod reading;
mod rooms;
mod sessions;
mod tokens;

use crate::routes::{Routes, Who};

pub use openapi::openapi_json;

/// Adds the API.
pub(crate) fn add(routes: Routes) -> Routes {
    operations(routes)
        .get("/api/openapi.json", Who::Anyone, openapi::document)
        .get("/api/docs", Who::Anyone, docs::page)
        .redirect("/api/docs/", "/api/docs")
}

/// Adds the operations that the document describes.
fn operations(routes: Routes) -> Routes {
    let routes = tokens::add(routes);
    let routes = sessions::add(routes);
    let routes = people::add(routes);
    let routes = rooms::add(routes);
    let routes = messages::add(routes);
    let routes = reading::add(routes);
    crate::socket::describe(routes)
}

/// An id in an address: decimal digits, nothing else. Anything else names nothing, which
/// is the same 404 as an id that does not exist.
pub(crate) fn id(text: &str) -> Result<i64, crate::problem::Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(id) if is_plain => Ok(id),
        _ => Err(crate::problem::Problem::not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn ids_are_digits_or_nothing() {
        assert_eq!(id("17").unwrap(), 17);
        for wrong in [
            "",
            "0",
            "017",
            "-1",
            "+1",
            "1.0",
            "1e3",
            "NaN",
            "9223372036854775808",
            "١",
        ] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
