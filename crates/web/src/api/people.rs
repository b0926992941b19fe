//! People over the API.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chat::UserListFilter;
use domain::{UserId, UserState};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Deserialize;
use wire::{List, NewState, ResetLink, SetState, User};

use super::operation::Operation;
use super::query::{Named, NoQuery, Query, limit};
use super::{convert, cursor};
use crate::auth::{Signed, limit_key};
use crate::hosts::Client;
use crate::limits::JsonBody;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::get("/api/v1/me", Who::SignedIn, "me", "Who one is")
                .tag("People")
                .gives::<User>(200, "the caller"),
            me,
        )
        .operation(
            Operation::get("/api/v1/users", Who::SignedIn, "list_users", "List people")
                .tag("People")
                .text("query", "only those whose username or display name contains this")
                .paged()
                .gives_list::<User>(200, "a page, by id"),
            list,
        )
        .operation(
            Operation::get("/api/v1/users/{username}", Who::SignedIn, "get_user", "Look someone up")
                .tag("People")
                .gives::<User>(200, "them")
                .refuses(&["not_found"]),
            one,
        )
        .operation(
            Operation::put("/api/v1/users/{username}/state", Who::Administrator, "set_user_state", "Close or reopen an account")
                .tag("Administration")
                .detail(
                    "`deactivated` ends sessions, tokens and sockets before this answers; messages \
                     stay. Needs the scope `admin`. Nobody closes their own account or the last owner's.",
                )
                .takes::<SetState>()
                .gives::<User>(200, "as they are now")
                .refuses(&["conflict"]),
            set_state,
        )
        .operation(
            Operation::post("/api/v1/users/{username}/password-reset", Who::Administrator, "make_reset_link", "Make a link to choose a new password")
                .tag("Administration")
                .detail(
                    "Good once, for 15 minutes; replaces an earlier one. Using it ends every session \
                     and token of that person. Needs the scope `admin`.",
                )
                .gives::<ResetLink>(201, "the link, shown this once"),
            make_reset_link,
        )
}

async fn me(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    _: NoQuery,
) -> Result<Json<User>, Problem> {
    let (user, _email) = app.chat.me(&actor).await?;
    Ok(Json(convert::user(&user)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    query: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Query(asked): Query<Listing>,
) -> Result<Json<List<User>>, Problem> {
    let limit = limit(asked.limit)?;
    let after = match asked.cursor {
        Some(cursor) => {
            let [user] = cursor::read("users", &cursor)?;
            Some(UserId(super::id(&user)?))
        }
        None => None,
    };
    let filter = UserListFilter {
        query: asked.query.filter(|query| !query.is_empty()),
        after,
        // One more than asked says whether there is a next page.
        limit: limit + 1,
    };
    let mut people = app.chat.people(&actor, &filter).await?;
    let has_more = people.len() > limit;
    people.truncate(limit);
    let next = match people.last() {
        Some(last) if has_more => Some(cursor::write("users", &[&last.id.to_string()])),
        _ => None,
    };
    let items = people.iter().map(convert::user).collect();
    Ok(Json(List { items, next }))
}

async fn one(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(username): Named,
    _: NoQuery,
) -> Result<Json<User>, Problem> {
    let user = app.chat.person(&actor, &username).await?;
    Ok(Json(convert::user(&user)))
}

async fn set_state(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    client: Client,
    Named(username): Named,
    _: NoQuery,
    JsonBody(asked): JsonBody<SetState>,
) -> Result<Json<User>, Problem> {
    let state = match asked.state {
        NewState::Active => UserState::Active,
        NewState::Deactivated => UserState::Deactivated,
    };
    let address = limit_key(client.address);
    let user = app
        .chat
        .set_user_state(&actor, &username, state, &address)
        .await?;
    Ok(Json(convert::user(&user)))
}

async fn make_reset_link(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    client: Client,
    Named(username): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    let address = limit_key(client.address);
    let made = app
        .chat
        .make_reset_link(&actor, &username, &address)
        .await?;
    let link = ResetLink {
        url: format!("{}/reset/{}", client.public_origin(), made.secret),
        expires_at: made.expires_at.to_string(),
    };
    let headers = [(CACHE_CONTROL, "private, no-store")];
    Ok((StatusCode::CREATED, headers, Json(link)).into_response())
}
