//! Browser sessions over the API: list one's own, end one, end the others.

use axum::Json;
use axum::extract::State;
use domain::SessionId;
use domain::actor::Credential;
use http::StatusCode;
use wire::{List, Session};

use super::id;
use super::operation::Operation;
use super::query::{Named, NoQuery};
use crate::auth::Signed;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::get(
                "/api/v1/sessions",
                Who::SignedIn,
                "list_sessions",
                "List one's browser sessions",
            )
            .tag("Sessions")
            .gives_list::<Session>(200, "all of them, last used first; `next` is always null"),
            list,
        )
        .operation(
            Operation::delete(
                "/api/v1/sessions",
                Who::SignedIn,
                "end_other_sessions",
                "End one's sessions but the one that asks",
            )
            .tag("Sessions")
            .detail(
                "With a token all of them end. Their sockets close with 4401 before this answers.",
            )
            .gives_nothing(204, "ended"),
            end_others,
        )
        .operation(
            Operation::delete(
                "/api/v1/sessions/{id}",
                Who::SignedIn,
                "end_session",
                "End a session",
            )
            .tag("Sessions")
            .detail("Its sockets close with 4401 before this answers.")
            .gives_nothing(204, "ended")
            .refuses(&["not_found"]),
            end,
        )
}

async fn list(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    _: NoQuery,
) -> Result<Json<List<Session>>, Problem> {
    let own = match actor.standing().map(|standing| &standing.credential) {
        Some(Credential::Session(id)) => Some(*id),
        _ => None,
    };
    let sessions = app.chat.sessions(&actor).await?;
    let items = sessions.into_iter().map(|session| Session {
        id: session.id.0,
        agent: session.agent,
        address: session.address,
        current: own == Some(session.id),
        created_at: session.created_at.to_string(),
        seen_at: session.seen_at.to_string(),
    });
    Ok(Json(List {
        items: items.collect(),
        next: None,
    }))
}

async fn end_others(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    app.chat.end_other_sessions(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(session): Named,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    app.chat
        .end_session(&actor, SessionId(id(&session)?))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
