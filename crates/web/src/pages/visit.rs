//! What every page handler knows of a request: who asks, from where, and whether a script
//! or a bare browser waits for the answer.

use axum::extract::{FromRequestParts, Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use chat::Error;
use chat::accounts::Device;
use domain::Actor;
use http::HeaderMap;
use http::request::Parts;
use http::uri::PathAndQuery;
use serde::de::DeserializeOwned;

use super::respond::PageError;
use crate::auth;
use crate::hosts::Client;
use crate::problem::Problem;
use crate::state::App;
use crate::turns::Turn;

/// A request of a signed-in person. Anyone else is led to the log-in page and back.
pub(crate) struct Visit {
    pub(crate) app: App,
    pub(crate) actor: Actor,
    pub(crate) client: Client,
    /// Whether a script waits: fragments and statuses instead of pages and redirects.
    pub(crate) is_scripted: bool,
    pub(crate) device: Device,
    /// Kept until the answer is made; without rate limits there is none.
    pub(crate) _turn: Option<Turn>,
}

/// A request of anyone.
pub(crate) struct Stranger {
    pub(crate) app: App,
    pub(crate) client: Client,
    pub(crate) actor: Option<Actor>,
    pub(crate) headers: HeaderMap,
    pub(crate) device: Device,
}

impl FromRequestParts<App> for Stranger {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let client = auth::client(parts);
        let actor = match auth::session_actor(app, &parts.headers, &client).await {
            Ok(actor) => Some(actor),
            Err(Error::Unauthorized) => None,
            Err(error) => return Err(PageError::new(error, is_scripted(parts)).into_response()),
        };
        let device = auth::device(&client, &parts.headers);
        Ok(Self {
            app: app.clone(),
            client,
            actor,
            headers: parts.headers.clone(),
            device,
        })
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let is_scripted = is_scripted(parts);
        let client = auth::client(parts);
        match auth::session_actor(app, &parts.headers, &client).await {
            Ok(actor) => {
                let device = auth::device(&client, &parts.headers);
                let turn = match auth::turn(app, &actor).await {
                    Ok(turn) => turn,
                    Err(problem) => return Err(problem.into_page()),
                };
                Ok(Self {
                    app: app.clone(),
                    actor,
                    client,
                    _turn: turn,
                    is_scripted,
                    device,
                })
            }
            Err(Error::Unauthorized) if !is_scripted => Err(to_login(parts)),
            Err(error) => Err(PageError::new(error, is_scripted).into_response()),
        }
    }
}

/// Leads to the log-in. What was asked for comes back as `next` if it was a page to look
/// at; a form that was sent cannot be sent again by a redirect.
fn to_login(parts: &Parts) -> Response {
    let asked = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if !parts.method.is_safe() || asked == "/" {
        return Redirect::to("/login/").into_response();
    }
    let next = serde_urlencoded::to_string([("next", asked)]).unwrap_or_default();
    Redirect::to(&format!("/login/?{next}")).into_response()
}

fn is_scripted(parts: &Parts) -> bool {
    parts.headers.contains_key("hx-request")
}

impl Visit {
    /// An error in the shape this visitor can show.
    pub(crate) fn error(&self, error: Error) -> PageError {
        PageError::new(error, self.is_scripted)
    }
}

impl From<PageError> for Response {
    fn from(error: PageError) -> Self {
        error.into_response()
    }
}

/// The query of a page; what cannot be read is a page that says so.
pub(crate) struct PageQuery<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for PageQuery<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(
                Problem::invalid("the address asks for something that is no number").into_page(),
            ),
        }
    }
}

/// The number in a page's address; anything else is no address of ours.
pub(crate) struct PageId(pub(crate) i64);

impl FromRequestParts<App> for PageId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match Path::<i64>::from_request_parts(parts, app).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(Problem::not_found().into_page()),
        }
    }
}
