//! How the server is: alive, and able to serve.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderName, StatusCode};

use crate::problem::Problem;
use crate::state::App;

const NEVER_KEPT: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// `GET /healthz`: the process answers. Asks nothing else, so that a slow database does
/// not get the process killed.
pub(crate) async fn healthz() -> Response {
    (NEVER_KEPT, "ok\n").into_response()
}

/// `GET /readyz`: the database answers and its migrations are done.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    match app.chat.ready().await {
        Ok(()) => (NEVER_KEPT, "ready\n").into_response(),
        Err(error) => {
            let mut problem = Problem::from(error);
            if problem.status() != StatusCode::SERVICE_UNAVAILABLE {
                problem = Problem::unavailable("the server cannot serve; its log says why", 5);
            }
            problem.into_response()
        }
    }
}
