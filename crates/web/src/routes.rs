//! Routes and the table of them: every address is registered with its method and who may
//! use it, so that the table, the router and the description of the API cannot differ.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};

use crate::api::operation::Operation;
use crate::problem::Problem;
use crate::state::App;

/// Who may use a route; the rest is refused whatever it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Everybody, signed in or not.
    Anyone,
    /// Only while the house has no owner.
    BeforeSetup,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever may read the room or message named.
    Reader,
    /// Members of the room named.
    Member,
    /// The author of the message named, or whoever may tidy up after them.
    Author,
    /// Whoever may change the room named.
    RoomKeeper,
    /// Administrators and the owner of the house.
    Administrator,
    /// Everybody, and only where the operator turned test routes on.
    Debug,
}

/// One registered route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its address, with `{names}` for what varies.
    pub path: &'static str,
    /// Who may use it.
    pub who: Who,
}

/// Routes under construction.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<App>,
    table: Vec<Route>,
    operations: Vec<Operation>,
}

impl Routes {
    /// Registers a route. A path that ends in `/` is also reached without it, by redirect.
    pub(crate) fn on<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        who: Who,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        // Only standard methods are registered, so the filter always exists.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let route: MethodRouter<App> = on(filter, handler);
        self.router = self.router.route(path, route);
        self.table.push(Route { method, path, who });
        self
    }

    /// Registers `GET` (and `HEAD`, which axum answers by it).
    pub(crate) fn get<H, T>(self, path: &'static str, who: Who, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.on(Method::GET, path, who, handler)
    }

    /// Registers `POST`.
    pub(crate) fn post<H, T>(self, path: &'static str, who: Who, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.on(Method::POST, path, who, handler)
    }

    /// Leads from an address people also try to the one that exists. Not in the table: it
    /// is no route of its own.
    pub(crate) fn redirect(mut self, from: &'static str, to: &'static str) -> Self {
        let lead = move || async move {
            let to = HeaderValue::from_static(to);
            (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)])
        };
        self.router = self.router.route(from, any(lead));
        self
    }

    /// Registers an operation of the API, which brings its own method, path and rights.
    pub(crate) fn operation<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let (method, path, who) = (operation.method.clone(), operation.path, operation.who);
        self.operations.push(operation);
        self.on(method, path, who, handler)
    }

    /// The operations of the API, in the order of their registration.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Every route.
    pub(crate) fn into_table(self) -> Vec<Route> {
        self.table
    }

    /// The router, with redirects to the final slash and answers for the rest.
    pub(crate) fn into_router(self, app: App) -> Router {
        let paths: BTreeSet<&'static str> = self.table.iter().map(|route| route.path).collect();
        let mut router = self.router;
        for path in &paths {
            let Some(bare) = path.strip_suffix('/').filter(|bare| !bare.is_empty()) else {
                continue;
            };
            if !paths.contains(bare) {
                router = router.route(bare, any(to_final_slash));
            }
        }
        router
            .fallback(|request: Request| async move {
                refuse(request.uri().path(), Problem::not_found())
            })
            .method_not_allowed_fallback(|request: Request| async move {
                refuse(request.uri().path(), Problem::method_not_allowed())
            })
            .with_state(app)
    }
}

/// 308 keeps the method, so that a form without the slash still posts.
async fn to_final_slash(OriginalUri(uri): OriginalUri) -> Response {
    let query = uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let to = format!("{}/{query}", uri.path());
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)]).into_response(),
        Err(_) => refuse(uri.path(), Problem::not_found()),
    }
}

/// A refusal in the shape of its address: problem+json for programs, a page for people.
pub(crate) fn refuse(path: &str, problem: Problem) -> Response {
    if is_for_programs(path) {
        problem.into_response()
    } else {
        problem.into_page()
    }
}

/// Whether an address is the API's or a socket's.
pub(crate) fn is_for_programs(path: &str) -> bool {
    (path.starts_with("/api/") && !path.starts_with("/api/docs"))
        || path == "/api"
        || path == "/ws"
        || path.starts_with("/ws/")
        || path.starts_with("/debug/")
}
