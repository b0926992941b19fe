//! What happens to every request before a route sees it, and to every answer after.
//!
//! Straight-line code instead of a stack of layers: each step is one look at the headers,
//! and their order is the point.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{CONNECTION, COOKIE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use tower::Service as _;

use crate::compress;
use crate::hosts::Client;
use crate::limits::{self, Crowd, Guarded};
use crate::problem::Problem;
use crate::routes::{is_for_programs, refuse};
use crate::state::App;
use crate::{csrf, headers};

/// A browser keeps far fewer cookies for a site; so many come from a fault or an attack.
const MAX_COOKIES: usize = 100;
const MAX_COOKIE_BYTES: usize = 8 * 1024;

/// The way into the routes.
#[derive(Clone)]
pub(crate) struct Gate {
    app: App,
    router: Router,
    crowd: Crowd,
}

impl Gate {
    pub(crate) fn new(app: App) -> Self {
        let router = crate::router(app.clone());
        Self {
            app,
            router,
            crowd: Crowd::default(),
        }
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Answers a request from the network.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response {
        let bounds = &self.app.settings.bounds;
        let (head, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Guarded::new(
                body,
                &head.headers,
                bounds,
                self.crowd.clone(),
            ))
        };
        self.pass(Request::from_parts(head, body), peer).await
    }

    /// Answers a request whose body is bounded.
    pub(crate) async fn pass(&self, mut request: Request<Body>, peer: IpAddr) -> Response {
        let began = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let takes_gzip = compress::accepts_gzip(request.headers());
        let (response, is_https) = match self.admit(&request, &path, peer) {
            Ok(client) => {
                let is_https = client.is_https;
                request.extensions_mut().insert(client);
                let response = match self.without_owner(&path).await {
                    Some(response) => response,
                    None => self.route(request).await,
                };
                (response, is_https)
            }
            Err(problem) => (refuse(&path, problem), false),
        };
        let is_head = method == Method::HEAD;
        let mut response = compress::answer(is_head, takes_gzip, response).await;
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE
            || response.status() == StatusCode::REQUEST_TIMEOUT
        {
            // The rest of the body is not worth reading.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            headers::apply(response.headers_mut(), is_https);
        }
        tracing::debug!(
            http.method = %method,
            http.path = without_secret(&path),
            http.status = response.status().as_u16(),
            duration_us = began.elapsed().as_micros() as u64,
            "answered"
        );
        response
    }

    /// Who asks, if they may ask at all.
    fn admit(&self, request: &Request<Body>, path: &str, peer: IpAddr) -> Result<Client, Problem> {
        let (method, headers) = (request.method(), request.headers());
        let is_health = path == "/healthz" || path == "/readyz";
        let client = self
            .app
            .hosts
            .client(request.uri(), headers, peer, is_health)?;
        if matches!(*method, Method::TRACE | Method::CONNECT) {
            return Err(Problem::method_not_allowed());
        }
        check_cookies(headers)?;
        limits::check_length(headers, &self.app.settings.bounds)?;
        csrf::check(method, headers, &client)?;
        Ok(client)
    }

    /// The answer while the house has no owner, if this address needs one.
    async fn without_owner(&self, path: &str) -> Option<Response> {
        if !needs_owner(path) {
            return None;
        }
        match self.app.chat.is_set_up().await {
            Ok(true) => None,
            Ok(false) if is_for_programs(path) => Some(refuse(path, Problem::setup_required())),
            Ok(false) => Some(to_setup()),
            Err(error) => Some(refuse(path, error.into())),
        }
    }

    /// Runs the route. A panic there is one failed request, not a failed connection.
    async fn route(&self, request: Request<Body>) -> Response {
        let path = request.uri().path().to_owned();
        let mut router = self.router.clone();
        let answering = AssertUnwindSafe(router.call(request)).catch_unwind();
        match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_panic) => {
                // The panic hook has printed message and place; the reference ties them.
                let reference = format!("{:08x}", RandomState::new().hash_one(&path) as u32);
                tracing::error!(
                    error.reference = %reference,
                    http.path = without_secret(&path),
                    "a request panicked"
                );
                refuse(&path, Problem::internal(reference))
            }
        }
    }
}

fn check_cookies(headers: &HeaderMap) -> Result<(), Problem> {
    let (mut cookies, mut bytes) = (0, 0);
    for line in headers.get_all(COOKIE) {
        bytes += line.len();
        cookies += 1 + line.as_bytes().iter().filter(|byte| **byte == b';').count();
    }
    if cookies > MAX_COOKIES || bytes > MAX_COOKIE_BYTES {
        return Err(Problem::headers_too_large());
    }
    Ok(())
}

/// What answers before the house has an owner: setting it up, and what says how it is.
fn needs_owner(path: &str) -> bool {
    let is_exempt = matches!(
        path,
        "/setup" | "/setup/" | "/healthz" | "/readyz" | "/favicon.ico" | "/robots.txt"
    ) || path.starts_with("/assets/")
        || path.starts_with("/api/docs")
        || path.starts_with("/debug/")
        || path == "/api/openapi.json";
    !is_exempt
}

fn to_setup() -> Response {
    let to = HeaderValue::from_static("/setup");
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Some addresses carry a secret; the log must not.
fn without_secret(path: &str) -> &str {
    if path.starts_with("/reset/") {
        "/reset/…"
    } else {
        path
    }
}
