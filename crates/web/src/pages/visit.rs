//! What every page handler knows of a request: who asks, from where, and whether a script
//! or a bare browser waits for the answer.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use domain::Actor;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;

use chat::accounts::Device;

use super::respond::PageError;
use crate::auth;
use crate::hosts::Client;
use crate::state::App;

/// A request of a signed-in person. Anyone else is led to the log-in page and back, or to
/// set-up while the house has no owner.
pub(crate) struct Visit {
    pub(crate) app: App,
    pub(crate) actor: Actor,
    pub(crate) client: Client,
    /// Whether a script waits: fragments and statuses instead of pages and redirects.
    pub(crate) is_scripted: bool,
    pub(crate) device: Device,
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
            Err(chat::Error::Unauthorized) => None,
            Err(error) => return Err(PageError::new(error, is_scripted(parts)).into_response()),
        };
        let device = device(&parts.headers, &client);
        Ok(Self { app: app.clone(), client, actor, headers: parts.headers.clone(), device })
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let is_scripted = is_scripted(parts);
        let client = auth::client(parts);
        match auth::session_actor(app, &parts.headers, &client).await {
            Ok(actor) => {
                let device = device(&parts.headers, &client);
                Ok(Self { app: app.clone(), actor, client, is_scripted, device })
            }
            Err(chat::Error::Unauthorized) => Err(lead_in(parts, app, is_scripted).await),
            Err(error) => Err(PageError::new(error, is_scripted).into_response()),
        }
    }
}

/// Where someone goes who is not signed in.
async fn lead_in(parts: &Parts, app: &App, is_scripted: bool) -> Response {
    match app.chat.is_set_up().await {
        Ok(true) => {}
        Ok(false) => return Redirect::to("/setup").into_response(),
        Err(error) => return PageError::new(error, is_scripted).into_response(),
    }
    if is_scripted {
        return PageError::new(chat::Error::Unauthorized, true).into_response();
    }
    // Only what can be loaded again is worth coming back to.
    let back = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if parts.method != http::Method::GET || back == "/" {
        return Redirect::to("/login/").into_response();
    }
    let next = serde_urlencoded::to_string([("next", back)]).unwrap_or_default();
    Redirect::to(&format!("/login/?{next}")).into_response()
}

fn is_scripted(parts: &Parts) -> bool {
    parts.headers.contains_key("hx-request")
}

pub(crate) fn device(headers: &HeaderMap, client: &Client) -> Device {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    Device {
        agent: agent.to_owned(),
        address: auth::limit_key(client.address),
        known_mark: auth::known_mark(headers),
    }
}
