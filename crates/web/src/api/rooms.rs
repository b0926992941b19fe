//! Rooms and their members over the API.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chat::rooms::RoomDraft;
use chat::{RoomAccess, RoomListFilter};
use domain::{Actor, RoomId, RoomKind, RoomRef};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use wire::{ChangeRoom, CreateRoom, List, Member, Room};

use super::operation::Operation;
use super::query::{Named, NoQuery, Query, limit};
use super::{convert, cursor, id};
use crate::auth::Signed;
use crate::limits::JsonBody;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

pub(crate) fn add(routes: Routes) -> Routes {
    let routes = routes
        .operation(
            Operation::get(
                "/api/v1/rooms",
                Who::SignedIn,
                "list_rooms",
                "List rooms one may see",
            )
            .tag("Rooms")
            .text("joined", "`true`: only one's own")
            .text("query", "only rooms whose name or topic contains this")
            .paged()
            .gives_list::<Room>(200, "a page, by name"),
            list,
        )
        .operation(
            Operation::post("/api/v1/rooms", Who::SignedIn, "create_room", "Make a room")
                .tag("Rooms")
                .detail("The caller becomes its owner and first member.")
                .takes::<CreateRoom>()
                .gives::<Room>(201, "the room")
                .refuses(&[
                    "empty",
                    "too_long",
                    "conflict",
                    "rate_limited",
                    "storage_full",
                ]),
            create,
        )
        .operation(
            Operation::get(
                "/api/v1/rooms/{id}",
                Who::Reader,
                "get_room",
                "Look at a room",
            )
            .tag("Rooms")
            .gives::<Room>(200, "the room")
            .refuses(&["not_found"]),
            one,
        )
        .operation(
            Operation::patch(
                "/api/v1/rooms/{id}",
                Who::RoomKeeper,
                "change_room",
                "Change a room's name or topic",
            )
            .tag("Rooms")
            .detail("The address (`slug`) is kept.")
            .takes::<ChangeRoom>()
            .gives::<Room>(200, "the room as it is now")
            .refuses(&[
                "not_found",
                "empty",
                "too_long",
                "rate_limited",
                "storage_full",
            ]),
            change,
        );
    add_members(routes)
}

fn add_members(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::get(
                "/api/v1/rooms/{id}/members",
                Who::Reader,
                "list_members",
                "List a room's members",
            )
            .tag("Members")
            .paged()
            .gives_list::<Member>(200, "a page, by display name")
            .refuses(&["not_found"]),
            members,
        )
        .operation(
            Operation::put(
                "/api/v1/rooms/{id}/members/me",
                Who::Reader,
                "join_room",
                "Join an open room",
            )
            .tag("Members")
            .gives::<Room>(
                200,
                "the room as its member sees it; the same when one was a member",
            )
            .refuses(&["not_found", "rate_limited", "storage_full"]),
            join,
        )
        .operation(
            Operation::delete(
                "/api/v1/rooms/{id}/members/me",
                Who::Member,
                "leave_room",
                "Leave a room",
            )
            .tag("Members")
            .detail("The lobby cannot be left. The same when one was no member.")
            .gives_nothing(204, "left")
            .refuses(&["not_found", "conflict", "rate_limited", "storage_full"]),
            leave,
        )
}

/// The room an address names.
pub(super) fn room_ref(text: &str) -> Result<RoomRef, Problem> {
    Ok(RoomRef::Id(RoomId(id(text)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    joined: Option<bool>,
    query: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Query(asked): Query<Listing>,
) -> Result<Json<List<Room>>, Problem> {
    let limit = limit(asked.limit)?;
    let joined = asked.joined.unwrap_or(false);
    let name = if joined { "rooms:joined" } else { "rooms" };
    let after = match asked.cursor {
        Some(cursor) => {
            let [folded, room] = cursor::read(name, &cursor)?;
            Some((folded, id(&room)?))
        }
        None => None,
    };
    let filter = RoomListFilter {
        joined,
        query: asked.query.filter(|query| !query.is_empty()),
        after,
        limit: limit + 1,
    };
    let mut rooms = app.chat.rooms(&actor, &filter).await?;
    let has_more = rooms.len() > limit;
    rooms.truncate(limit);
    let next = rooms.last().filter(|_| has_more).map(|last| {
        let folded = last.room.name.to_lowercase();
        cursor::write(name, &[&folded, &last.room.id.to_string()])
    });
    let items = rooms.iter().map(convert::room).collect();
    Ok(Json(List { items, next }))
}

async fn create(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    _: NoQuery,
    JsonBody(asked): JsonBody<CreateRoom>,
) -> Result<Response, Problem> {
    let kind = match asked.kind {
        None | Some(wire::RoomKind::Open) => RoomKind::Open,
        Some(wire::RoomKind::Closed) => RoomKind::Closed,
        Some(wire::RoomKind::Direct) => RoomKind::Direct,
    };
    let draft = RoomDraft {
        name: asked.name,
        kind,
        topic: asked.topic.unwrap_or_default(),
    };
    let made = app.chat.create_room(&actor, draft).await?;
    let room = seen_by(&app, &actor, &RoomRef::Id(made.id)).await?;
    let place = format!("/api/v1/rooms/{}", made.id);
    Ok((StatusCode::CREATED, [(LOCATION, place)], Json(room)).into_response())
}

async fn one(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
) -> Result<Json<Room>, Problem> {
    Ok(Json(seen_by(&app, &actor, &room_ref(&room)?).await?))
}

async fn change(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
    JsonBody(asked): JsonBody<ChangeRoom>,
) -> Result<Json<Room>, Problem> {
    let room = room_ref(&room)?;
    let (name, topic) = (asked.name.as_deref(), asked.topic.as_deref());
    app.chat
        .change_room(&actor, &room, name, topic, None)
        .await?;
    Ok(Json(seen_by(&app, &actor, &room).await?))
}

async fn members(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    Query(asked): Query<Page>,
) -> Result<Json<List<Member>>, Problem> {
    let limit = limit(asked.limit)?;
    let access = app.chat.room(&actor, &room_ref(&room)?).await?;
    let name = format!("members:{}", access.room().id);
    let after = match asked.cursor {
        Some(cursor) => {
            let [folded, user] = cursor::read(&name, &cursor)?;
            Some((folded, id(&user)?))
        }
        None => None,
    };
    let mut members = app.chat.members(&access, after, limit + 1).await?;
    let has_more = members.len() > limit;
    members.truncate(limit);
    let next = members.last().filter(|_| has_more).map(|last| {
        let folded = last.user.display_name.to_lowercase();
        cursor::write(&name, &[&folded, &last.user.id.to_string()])
    });
    let items = members.iter().map(convert::member).collect();
    Ok(Json(List { items, next }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn join(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
) -> Result<Json<Room>, Problem> {
    let room = room_ref(&room)?;
    app.chat.join_room(&actor, &room).await?;
    Ok(Json(seen_by(&app, &actor, &room).await?))
}

async fn leave(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    app.chat.leave_room(&actor, &room_ref(&room)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The room as the actor sees it now.
async fn seen_by(app: &App, actor: &Actor, room: &RoomRef) -> Result<Room, Problem> {
    let access: RoomAccess = app.chat.room(actor, room).await?;
    let listed = app.chat.listed(actor, &access).await?;
    Ok(convert::room(&listed))
}
