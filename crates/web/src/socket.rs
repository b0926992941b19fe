//! Sockets up to their upgrade: the handshake, who may open one, and the hand-over.
//!
//! After the 101 the connection belongs to a shard of `live`; hyper's buffers and its task
//! are gone by then. What clients say comes back through [`inbound`]. A newcomer would keep
//! something here per connection: ten thousand idle ones would pay for it.

mod handshake;
mod lanes;
mod ops;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::Actor;
use http::HeaderMap;
use http::header::ORIGIN;
use hyper::upgrade::{OnUpgrade, Upgraded};
use live::{Adopt, Format, Inbound, Purpose, Refused, close};

use crate::api::operation::Operation;
use crate::api::query::NoQuery;
use crate::auth::{bearer, session_actor};
use crate::hosts::Client;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::server::Io;
use crate::state::App;

/// What hears what clients say; for `Live::set_inbound`. Must be called inside a runtime.
#[must_use]
pub fn inbound(app: &App) -> Arc<dyn Inbound> {
    lanes::Lanes::start(Arc::clone(&app.chat), app.live.clone())
}

/// Adds the sockets that are no part of the described API.
pub(crate) fn add(routes: Routes, is_debug: bool) -> Routes {
    let routes = routes.get("/ws", Who::SignedIn, page_socket);
    if is_debug {
        routes.get("/debug/ws-echo", Who::Debug, echo_socket)
    } else {
        routes
    }
}

/// Adds the socket of the API.
pub(crate) fn describe(routes: Routes) -> Routes {
    routes.operation(
        Operation::get(
            "/api/v1/socket",
            Who::SignedIn,
            "open_socket",
            "Open the live socket",
        )
        .tag("Socket")
        .detail(
            "WebSocket, version 13, text frames of JSON: `ClientOp` from the client, \
                 `ServerEvent` from the server. By cookie the header `Origin` must be this site. \
                 Close codes: 1012 restart and 1013 overload (both: come back with jitter), 4401 \
                 signed out, 4403 banned (both: do not).",
        )
        .gives_nothing(101, "the connection speaks WebSocket from here on")
        .refuses(&[
            "cross_site",
            "upgrade_required",
            "rate_limited",
            "unavailable",
        ]),
        api_socket,
    )
}

/// `GET /ws`: fragments for the page. By cookie alone.
async fn page_socket(
    State(app): State<App>,
    client: Client,
    request: Request,
) -> Result<Response, Problem> {
    let accepted = handshake::check(&request)?;
    check_origin(&client, request.headers())?;
    let actor = session_actor(&app, request.headers(), &client).await?;
    open(app, client, actor, Format::Html, request, accepted).await
}

/// `GET /api/v1/socket`: JSON. By token, or by cookie from this site. No query, so that
/// nobody gets used to a token in an address, which logs would keep.
async fn api_socket(
    State(app): State<App>,
    client: Client,
    _: NoQuery,
    request: Request,
) -> Result<Response, Problem> {
    let accepted = handshake::check(&request)?;
    let actor = match bearer(request.headers())? {
        Some(token) => app.chat.actor_of_token(token).await?,
        None => {
            check_origin(&client, request.headers())?;
            session_actor(&app, request.headers(), &client).await?
        }
    };
    open(app, client, actor, Format::Json, request, accepted).await
}

/// `GET /debug/ws-echo`: sends back what it gets, on the same upgrade code.
async fn echo_socket(State(app): State<App>, mut request: Request) -> Result<Response, Problem> {
    let accepted = handshake::check(&request)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let deflate = accepted.deflate.is_some();
    tokio::spawn(async move {
        if let Some(adopt) = taken_over(upgrade, deflate, Purpose::Echo).await {
            let _ = app.live.adopt(adopt);
        }
    });
    Ok(accepted.response())
}

/// A cookie rides on any site's handshake, so the browser must say that this one asks.
fn check_origin(client: &Client, headers: &HeaderMap) -> Result<(), Problem> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let is_own = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| client.owns(origin)),
        _ => false,
    };
    if is_own {
        return Ok(());
    }
    tracing::info!(client.address = %client.address, "refused a socket from another site");
    Err(Problem::cross_site())
}

async fn open(
    app: App,
    client: Client,
    actor: Actor,
    format: Format,
    mut request: Request,
    accepted: handshake::Accepted,
) -> Result<Response, Problem> {
    let standing = actor.standing().ok_or_else(Problem::unauthorized)?;
    let address = client.address;
    // Before the upgrade, so that the refusal is a status with Retry-After.
    app.live
        .admits(standing.user, address)
        .map_err(|refused| match refused {
            Refused::TooMany(_) => Problem::rate_limited("sockets", 30),
            Refused::Stopping => Problem::unavailable("the server is stopping", 2),
            Refused::SignedOut => Problem::unauthorized(),
        })?;
    // A database that does not answer is said here too, not after the 101.
    app.chat.memberships(&actor).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    let deflate = accepted.deflate.is_some();
    tokio::spawn(async move {
        hand_over(&app, &actor, format, address, upgrade, deflate).await;
    });
    Ok(accepted.response())
}

/// Waits for the end of HTTP on this connection and gives it to a shard.
async fn hand_over(
    app: &App,
    actor: &Actor,
    format: Format,
    address: std::net::IpAddr,
    upgrade: OnUpgrade,
    deflate: bool,
) {
    let Some(standing) = actor.standing() else {
        return;
    };
    // Read as late as possible: a membership that ends meanwhile must not be watched.
    let Ok(memberships) = app.chat.memberships(actor).await else {
        return;
    };
    let purpose = Purpose::Chat {
        user: standing.user,
        credential: standing.credential.clone(),
        format,
        address,
        watches: memberships
            .iter()
            .map(|membership| membership.room)
            .collect(),
    };
    let Some(adopt) = taken_over(upgrade, deflate, purpose).await else {
        return;
    };
    let Ok(connection) = app.live.adopt(adopt) else {
        return;
    };
    // The credential may have ended between the handshake and here; then the revocation
    // found no connection to close.
    let again = app
        .chat
        .actor_of_connection(standing.user, &standing.credential)
        .await;
    if again.is_err() {
        app.live.close(connection, close::SIGNED_OUT, "signed out");
    }
}

async fn taken_over(upgrade: OnUpgrade, deflate: bool, purpose: Purpose) -> Option<Adopt> {
    let upgraded: Upgraded = upgrade
        .await
        .map_err(|error| tracing::debug!("an upgrade did not happen: {error}"))
        .ok()?;
    // Only our own server puts requests here, and it always speaks through `Io`.
    let parts = upgraded.downcast::<Io>().ok()?;
    let socket = parts.io.into_stream().into_std().ok()?;
    Some(Adopt {
        socket,
        // Copied and dropped: even empty, hyper's buffer would pin its 8 KiB.
        leftover: parts.read_buf.to_vec(),
        deflate,
        purpose,
    })
}
