//! API tokens over the API.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Scopes, TokenId};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, StatusCode};
use wire::{CreateToken, List, NewToken, Scope, Token};

use super::operation::Operation;
use super::query::{Named, NoQuery};
use super::{convert, id};
use crate::auth::{Signed, device};
use crate::hosts::Client;
use crate::limits::JsonBody;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::post(
                "/api/v1/tokens",
                Who::Anyone,
                "create_token",
                "Make a token",
            )
            .tag("Tokens")
            .detail(
                "Name and password prove who asks. `scopes` are `read` and `write` when \
                     absent; `admin` must be asked for. The token is shown this once. At most \
                     100 per person.",
            )
            .takes::<CreateToken>()
            .gives::<NewToken>(201, "the token")
            .refuses(&[
                "unauthorized",
                "forbidden",
                "empty",
                "too_long",
                "conflict",
                "rate_limited",
            ]),
            create,
        )
        .operation(
            Operation::get(
                "/api/v1/tokens",
                Who::SignedIn,
                "list_tokens",
                "List one's tokens",
            )
            .tag("Tokens")
            .gives_list::<Token>(200, "all of them, newest first; `next` is always null"),
            list,
        )
        .operation(
            Operation::delete(
                "/api/v1/tokens/{id}",
                Who::SignedIn,
                "delete_token",
                "End a token",
            )
            .tag("Tokens")
            .detail("Its sockets close with 4401 before this answers.")
            .gives_nothing(204, "ended")
            .refuses(&["not_found"]),
            end,
        )
}

async fn create(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    _: NoQuery,
    JsonBody(asked): JsonBody<CreateToken>,
) -> Result<Response, Problem> {
    let wanted = asked
        .scopes
        .unwrap_or_else(|| vec![Scope::Read, Scope::Write]);
    if wanted.is_empty() {
        return Err(Problem::invalid_field(
            "scopes",
            "a token needs at least one scope",
        ));
    }
    let scopes = Scopes {
        read: wanted.contains(&Scope::Read),
        write: wanted.contains(&Scope::Write),
        admin: wanted.contains(&Scope::Admin),
    };
    let device = device(&client, &headers);
    let made = app
        .chat
        .create_token_by_password(
            &asked.username,
            asked.password,
            &asked.name,
            scopes,
            &device,
        )
        .await?;
    let place = format!("/api/v1/tokens/{}", made.info.id);
    let token = NewToken {
        id: made.info.id.0,
        name: made.info.name,
        token: made.secret,
        scopes: convert::scopes(made.info.scopes),
        created_at: made.info.created_at.to_string(),
    };
    let headers = [
        (LOCATION, place.as_str()),
        (CACHE_CONTROL, "private, no-store"),
    ];
    Ok((StatusCode::CREATED, headers, Json(token)).into_response())
}

async fn list(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    _: NoQuery,
) -> Result<Json<List<Token>>, Problem> {
    let tokens = app.chat.tokens(&actor).await?;
    let items = tokens.iter().map(|token| Token {
        id: token.id.0,
        name: token.name.clone(),
        scopes: convert::scopes(token.scopes),
        created_at: token.created_at.to_string(),
        used_at: token.used_at.map(|at| at.to_string()),
    });
    Ok(Json(List {
        items: items.collect(),
        next: None,
    }))
}

async fn end(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(token): Named,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    app.chat.delete_token(&actor, TokenId(id(&token)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
