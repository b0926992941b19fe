//! Serves the embedded style, scripts and pictures, compressed when the binary was built.

use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::problem::Problem;

/// `GET /assets/{*path}`.
pub(crate) async fn asset(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::find(uri.path()) else {
        return Problem::not_found().into_page();
    };
    let cache = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=3600"
    };
    let mut answer: Vec<(HeaderName, &'static str)> = vec![
        (CACHE_CONTROL, cache),
        (ETAG, asset.etag),
        (VARY, "Accept-Encoding"),
    ];
    if has_etag(&headers, asset.etag) {
        return with(StatusCode::NOT_MODIFIED, answer, &[]);
    }
    answer.push((CONTENT_TYPE, asset.content_type));
    let body = match accepted(&headers) {
        Encoding::Brotli => {
            answer.push((CONTENT_ENCODING, "br"));
            asset.brotli
        }
        Encoding::Gzip => {
            answer.push((CONTENT_ENCODING, "gzip"));
            asset.gzip
        }
        Encoding::Plain => asset.plain,
    };
    with(StatusCode::OK, answer, body)
}

fn with(
    status: StatusCode,
    headers: Vec<(HeaderName, &'static str)>,
    body: &'static [u8],
) -> Response {
    let mut response = (status, Bytes::from_static(body)).into_response();
    // A body's default type must not stand where none was asked for.
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the client has this version already.
pub(crate) fn has_etag(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|line| {
        let line = line.to_str().unwrap_or("");
        line.split(',')
            .map(|one| one.trim().trim_start_matches("W/"))
            .any(|one| one == "*" || one == etag)
    })
}

/// A form in which an answer can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

/// The best form the client takes. Weights only matter as "not at all" (`q=0`): who takes
/// both gets brotli, which is smaller.
pub(crate) fn accepted(headers: &HeaderMap) -> Encoding {
    let (mut brotli, mut gzip) = (false, false);
    for line in headers.get_all(ACCEPT_ENCODING) {
        for entry in line.to_str().unwrap_or("").split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next().unwrap_or("");
            let is_wanted = !parts.any(|part| {
                part.strip_prefix("q=")
                    .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
            });
            match name {
                "br" => brotli = is_wanted,
                "gzip" => gzip = is_wanted,
                _ => {}
            }
        }
    }
    match (brotli, gzip) {
        (true, _) => Encoding::Brotli,
        (_, true) => Encoding::Gzip,
        _ => Encoding::Plain,
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;
    use http::{HeaderMap, HeaderValue};

    use super::{Encoding, accepted};

    #[test]
    fn encodings_are_chosen_from_what_the_client_takes() {
        for (said, expected) in [
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip", Encoding::Gzip),
            ("br;q=0, gzip;q=0.5", Encoding::Gzip),
            ("br;q=0.0,gzip;q=0", Encoding::Plain),
            ("identity", Encoding::Plain),
            ("", Encoding::Plain),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(said));
            assert_eq!(accepted(&headers), expected, "{said}");
        }
    }
}
