//! Receipts, the unread marker and a room's event log over the API.

use axum::Json;
use axum::extract::State;
use domain::Seq;
use http::StatusCode;
use serde::Deserialize;
use wire::{List, Position, ServerEvent};

use super::messages::position;
use super::operation::Operation;
use super::query::{Named, NoQuery, Query, limit};
use super::rooms::room_ref;
use super::{convert, cursor};
use crate::auth::Signed;
use crate::limits::JsonBody;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::put("/api/v1/rooms/{id}/read", Who::Member, "mark_read", "Move one's receipt")
                .tag("Reading")
                .detail("Never goes back and never past the head; clears the unread marker.")
                .takes::<Position>()
                .gives_nothing(204, "moved, or further already")
                .refuses(&["not_found", "rate_limited", "storage_full"]),
            read,
        )
        .operation(
            Operation::put("/api/v1/rooms/{id}/unread", Who::Member, "mark_unread", "Set the \"unread from here\" marker")
                .tag("Reading")
                .takes::<Position>()
                .gives_nothing(204, "set")
                .refuses(&["not_found", "rate_limited", "storage_full"]),
            unread,
        )
        .operation(
            Operation::get("/api/v1/rooms/{id}/events", Who::Reader, "list_events", "Read a room's log")
                .tag("Reading")
                .detail("The numbered events of the socket, oldest first, with the messages as they are now.")
                .integer("after", "events after this seq; 0 when absent")
                .paged()
                .gives_list::<ServerEvent>(200, "a page")
                .refuses(&["not_found"]),
            events,
        )
}

async fn read(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
    JsonBody(asked): JsonBody<Position>,
) -> Result<StatusCode, Problem> {
    let seq = position("seq", asked.seq)?;
    app.chat.mark_read(&actor, &room_ref(&room)?, seq).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unread(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
    JsonBody(asked): JsonBody<Position>,
) -> Result<StatusCode, Problem> {
    let seq = position("seq", asked.seq)?;
    app.chat.mark_unread(&actor, &room_ref(&room)?, seq).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<i64>,
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn events(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    Query(asked): Query<Listing>,
) -> Result<Json<List<ServerEvent>>, Problem> {
    let limit = limit(asked.limit)?;
    let access = app.chat.room(&actor, &room_ref(&room)?).await?;
    let name = format!("events:{}", access.room().id);
    let after = match (asked.after, asked.cursor) {
        (after, None) => position("after", after.unwrap_or(0))?,
        (None, Some(cursor)) => {
            let [seq] = cursor::read(&name, &cursor)?;
            Seq(seq
                .parse()
                .map_err(|_| Problem::invalid("this cursor cannot be read"))?)
        }
        (Some(_), Some(_)) => return Err(Problem::invalid("give after or cursor, not both")),
    };
    let mut events = app.chat.events(&access, after, limit + 1).await?;
    let has_more = events.len() > limit;
    events.truncate(limit);
    let last = events.last().filter(|_| has_more);
    let next = last.map(|last| cursor::write(&name, &[&last.seq.to_string()]));
    let items = events.iter().map(convert::event).collect();
    Ok(Json(List { items, next }))
}
