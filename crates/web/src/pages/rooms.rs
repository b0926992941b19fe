//! The chat itself: a room, its history, its members and settings; the list of rooms.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{Redirect, Response};
use chat::rooms::RoomDraft;
use chat::{Error, RoomAccess};
use chat::{PageAnchor, RoomListFilter, RoomPage as HistoryPage};
use domain::policy::Action;
use domain::rooms::LOBBY_SLUG;
use domain::{Room, RoomKind, RoomRef, Seq, markup};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::respond::{PageError, go_to, html, html_with_etag, spliced_with_etag};
use super::timelines::Timeline;
use super::visit::{PageQuery, Visit};
use crate::compress::{Block, Spliced};
use crate::limits::FormBody;
use crate::render::guarded;
use crate::views::{
    BrowsePage, BrowseRoom, Composer, Errors, Hole, MembersPage, MembersPanel, MessageFragment,
    MessageView, PersonView, Place, Refusal, ReplyView, RoomPage, RoomSettingsPage, RoomView,
    SidebarFragment, TargetView, TimelineFragment, TimelineHead, TimelineView, render, render_into,
};

/// Messages on a page of history.
const PAGE_MESSAGES: usize = 50;
/// Rooms on a page of the list.
const PAGE_ROOMS: usize = 50;
/// Members on a page of the list.
const PAGE_MEMBERS: usize = 100;

type Page<T = Response> = std::result::Result<T, PageError>;

/// `/`: the chat. The page remembers the last room in the browser; the lobby is everyone's.
pub(crate) async fn home(_visit: Visit) -> Redirect {
    Redirect::to(&format!("/rooms/{LOBBY_SLUG}/"))
}

pub(crate) async fn sidebar(visit: Visit, headers: HeaderMap) -> Page {
    // The script says where it is, so that the line of that room is marked.
    let place = match headers
        .get("parlour-room")
        .and_then(|value| value.to_str().ok())
    {
        Some(room) => room.parse().map_or(Place::Elsewhere, Place::Room),
        None => Place::Elsewhere,
    };
    let sidebar = visit
        .sidebar(place)
        .await
        .map_err(|error| visit.error(error))?;
    Ok(html_with_etag(
        &headers,
        render(&SidebarFragment { sidebar }),
    ))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryQuery {
    before: Option<i64>,
    after: Option<i64>,
    around: Option<i64>,
    reply_to: Option<i64>,
}

impl HistoryQuery {
    fn anchor(&self) -> PageAnchor {
        match (self.around, self.before, self.after) {
            (Some(seq), _, _) => PageAnchor::Around(Seq(seq)),
            (_, Some(seq), _) => PageAnchor::Before(Seq(seq)),
            (_, _, Some(seq)) => PageAnchor::After(Seq(seq)),
            _ => PageAnchor::Newest,
        }
    }
}

/// `/rooms/{slug}/`; with `HX-Request` the same as [`main`].
pub(crate) async fn room(
    visit: Visit,
    Path(slug): Path<String>,
    PageQuery(query): PageQuery<HistoryQuery>,
    headers: HeaderMap,
) -> Page {
    let page = room_page(&visit, &slug, &query, None)
        .await
        .map_err(|error| visit.error(error))?;
    Ok(spliced_with_etag(&headers, page))
}

pub(crate) async fn main(
    mut visit: Visit,
    path: Path<String>,
    query: PageQuery<HistoryQuery>,
    headers: HeaderMap,
) -> Page {
    visit.is_scripted = true;
    room(visit, path, query, headers).await
}

/// What was typed and refused, to show the room again with it.
pub(crate) struct Refused {
    pub(crate) body: String,
    pub(crate) nonce: domain::Nonce,
    pub(crate) reply_to: Option<i64>,
    pub(crate) refusal: Refusal,
}

/// The room's page, or its `#main` alone for a script.
pub(crate) async fn room_page(
    visit: &Visit,
    slug: &str,
    query: &HistoryQuery,
    refused: Option<Refused>,
) -> chat::Result<Spliced> {
    let chat = &visit.app.chat;
    let access = chat
        .room(&visit.actor, &RoomRef::Slug(slug.to_owned()))
        .await?;
    let target = match query.around {
        Some(seq) => target(visit, &access, Seq(seq)).await?,
        None => None,
    };
    let timeline = shared_timeline(visit, &access, query.anchor()).await?;
    let page = RoomPage {
        frame: visit.frame(Place::Room(access.room().id)).await?,
        room: RoomView::of(access.room()),
        read: access
            .membership()
            .map_or(Seq::ZERO, |membership| membership.read_seq),
        joined: access.membership().is_some(),
        can_post: access.may(&visit.actor, Action::Post),
        can_change: access.may(&visit.actor, Action::ChangeRoom),
        // Asked without an author: nobody's message is nobody's own.
        may_tidy: access.may(&visit.actor, Action::DeleteMessage),
        around: query.around.map(Seq),
        target,
        composer: composer(visit, &access, timeline.head.head, query, refused).await?,
        timeline: timeline.head,
        list: Hole,
    };
    let html = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    let (before, after) = html.split_once(Hole::MARK).unwrap_or((&html, ""));
    let shared = Arc::clone(&timeline.block);
    Ok(Spliced {
        before: before.to_owned(),
        shared,
        after: after.to_owned(),
    })
}

/// A page of messages, the same for everybody; the newest one is kept for the next viewer.
async fn shared_timeline(
    visit: &Visit,
    access: &RoomAccess,
    anchor: PageAnchor,
) -> chat::Result<Arc<Timeline>> {
    let room = access.room();
    let kept = (anchor == PageAnchor::Newest)
        .then(|| {
            visit
                .app
                .timelines
                .find(room.id, room.head, visit.app.live.epoch())
        })
        .flatten();
    if let Some(timeline) = kept {
        return Ok(timeline);
    }
    let history = visit.app.chat.page(access, anchor, PAGE_MESSAGES).await?;
    let timeline = timeline_view(&history, Some(room));
    let head = TimelineHead::of(&timeline);
    let block = Arc::new(Block::new(timeline_html(timeline)));
    let timeline = Arc::new(Timeline { head, block });
    if anchor == PageAnchor::Newest {
        visit.app.timelines.keep(room.id, Arc::clone(&timeline));
    }
    Ok(timeline)
}

/// The messages as HTML. One that cannot be rendered is left out by a placeholder; the rest
/// of the room loads.
fn timeline_html(timeline: TimelineView<'_>) -> String {
    let mut html = String::with_capacity(32 * 1024);
    let mut retry = timeline.clone();
    guarded(
        &mut html,
        |out| render_into(&TimelineFragment { timeline }, out),
        |out| {
            for message in &mut retry.messages {
                let whole = MessageFragment {
                    message: message.clone(),
                };
                guarded(
                    &mut String::new(),
                    |out| render_into(&whole, out),
                    |_| {
                        message.make_unreadable();
                    },
                );
            }
            render_into(&TimelineFragment { timeline: retry }, out);
        },
    );
    html
}

async fn composer(
    visit: &Visit,
    access: &RoomAccess,
    head: Seq,
    query: &HistoryQuery,
    refused: Option<Refused>,
) -> chat::Result<Composer> {
    let reply_to = refused
        .as_ref()
        .map_or(query.reply_to, |refused| refused.reply_to);
    let reply = match reply_to {
        Some(id) => quoted(visit, access, domain::MessageId(id)).await?,
        None => None,
    };
    let (body, nonce, refusal) = match refused {
        Some(refused) => (refused.body, refused.nonce, Some(refused.refusal)),
        // The same page of the same room has the same key, so that loading it again is
        // `304`, and sending its form twice is one message.
        None => (
            String::new(),
            visit.app.chat.form_nonce(&visit.actor, access, head),
            None,
        ),
    };
    Ok(Composer {
        nonce,
        body,
        reply,
        refusal,
    })
}

/// The message a reply would answer; `None` when it is not in this room or is deleted.
async fn quoted(
    visit: &Visit,
    access: &RoomAccess,
    id: domain::MessageId,
) -> chat::Result<Option<ReplyView>> {
    let found = match visit.app.chat.message(&visit.actor, id).await {
        Ok(found) => found,
        Err(Error::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let message = found.message();
    if found.room().id != access.room().id {
        return Ok(None);
    }
    Ok(message.source().map(|source| ReplyView {
        id: message.id,
        author: message.author.display_name.clone(),
        text: markup::plain_line(source, 120),
    }))
}

/// What to offer for the message that a permalink names.
async fn target(visit: &Visit, access: &RoomAccess, seq: Seq) -> chat::Result<Option<TargetView>> {
    let page = visit
        .app
        .chat
        .page(access, PageAnchor::Around(seq), 1)
        .await?;
    let Some(message) = page.messages.into_iter().find(|message| message.seq == seq) else {
        return Ok(None);
    };
    let is_there = message.body.is_some();
    Ok(Some(TargetView {
        id: message.id,
        seq,
        can_reply: is_there && access.may(&visit.actor, Action::Post),
        can_edit: is_there && access.may_on(&visit.actor, Action::EditMessage, &message),
        can_delete: is_there && access.may_on(&visit.actor, Action::DeleteMessage, &message),
    }))
}

/// The messages; with the room's words above the first one when `room` is given and
/// nothing is older.
fn timeline_view<'a>(history: &'a HistoryPage, room: Option<&Room>) -> TimelineView<'a> {
    TimelineView {
        beginning: room.filter(|_| !history.has_older).map(RoomView::of),
        messages: history.messages.iter().map(MessageView::of).collect(),
        has_older: history.has_older,
        has_newer: history.has_newer,
        head: history.head,
        epoch: history.epoch,
    }
}

/// `GET /rooms/{slug}/timeline`: a page of history for the scripts.
pub(crate) async fn timeline(
    visit: Visit,
    Path(slug): Path<String>,
    PageQuery(query): PageQuery<HistoryQuery>,
    headers: HeaderMap,
) -> Page {
    let load = async {
        let access = visit
            .app
            .chat
            .room(&visit.actor, &RoomRef::Slug(slug))
            .await?;
        visit
            .app
            .chat
            .page(&access, query.anchor(), PAGE_MESSAGES)
            .await
    };
    let history = load.await.map_err(|error| visit.error(error))?;
    let body = timeline_html(timeline_view(&history, None));
    Ok(html_with_etag(&headers, body))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct BrowseQuery {
    query: String,
    after_name: Option<String>,
    after_id: Option<i64>,
}

pub(crate) async fn browse(
    visit: Visit,
    PageQuery(query): PageQuery<BrowseQuery>,
    headers: HeaderMap,
) -> Page {
    let page = browse_page(&visit, &query)
        .await
        .map_err(|error| visit.error(error))?;
    let body = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    Ok(html_with_etag(&headers, body))
}

async fn browse_page(visit: &Visit, query: &BrowseQuery) -> chat::Result<BrowsePage> {
    let searched = query.query.trim();
    let filter = RoomListFilter {
        query: (!searched.is_empty()).then(|| searched.to_owned()),
        after: query.after_name.clone().zip(query.after_id),
        limit: PAGE_ROOMS + 1,
        ..RoomListFilter::default()
    };
    let mut rooms = visit.app.chat.rooms(&visit.actor, &filter).await?;
    let has_more = rooms.len() > PAGE_ROOMS;
    rooms.truncate(PAGE_ROOMS);
    let next = rooms.last().filter(|_| has_more).map(|last| {
        let id = last.room.id.to_string();
        let name = last.room.name.to_lowercase();
        let pairs = [
            ("query", searched),
            ("after_name", &name),
            ("after_id", &id),
        ];
        format!(
            "/rooms/?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default()
        )
    });
    Ok(BrowsePage {
        frame: visit.frame(Place::Browse).await?,
        query: searched.to_owned(),
        rooms: rooms
            .iter()
            .map(|listed| BrowseRoom::of(&listed.room, listed.membership.is_some()))
            .collect(),
        next,
        can_create: visit.may(Action::CreateRoom),
        new_name: String::new(),
        new_topic: String::new(),
        errors: Errors::none(),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct RoomForm {
    name: String,
    topic: String,
    kind: String,
}

pub(crate) async fn create(visit: Visit, FormBody(form): FormBody<RoomForm>) -> Page {
    let draft = RoomDraft {
        name: form.name.clone(),
        kind: RoomKind::from_word(&form.kind).unwrap_or(RoomKind::Open),
        topic: form.topic.clone(),
    };
    match visit.app.chat.create_room(&visit.actor, draft).await {
        Ok(room) => Ok(go_to(visit.is_scripted, &room_path(&room.slug))),
        Err(Error::Invalid(fields)) if !visit.is_scripted => {
            let query = BrowseQuery::default();
            let mut page = browse_page(&visit, &query)
                .await
                .map_err(|error| visit.error(error))?;
            page.new_name = form.name;
            page.new_topic = form.topic;
            page.errors = Errors::of_fields(fields);
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, render(&page)))
        }
        Err(error) => Err(visit.error(error)),
    }
}

pub(crate) async fn join(visit: Visit, Path(slug): Path<String>) -> Page {
    let room = RoomRef::Slug(slug.clone());
    let joined = visit.app.chat.join_room(&visit.actor, &room).await;
    joined.map_err(|error| visit.error(error))?;
    Ok(go_to(visit.is_scripted, &room_path(&slug)))
}

pub(crate) async fn leave(visit: Visit, Path(slug): Path<String>) -> Page {
    let left = visit
        .app
        .chat
        .leave_room(&visit.actor, &RoomRef::Slug(slug))
        .await;
    left.map_err(|error| visit.error(error))?;
    Ok(go_to(visit.is_scripted, "/rooms/"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct MembersQuery {
    after_name: Option<String>,
    after_id: Option<i64>,
}

pub(crate) async fn members(
    visit: Visit,
    Path(slug): Path<String>,
    PageQuery(query): PageQuery<MembersQuery>,
) -> Page {
    let load = async {
        let access = visit
            .app
            .chat
            .room(&visit.actor, &RoomRef::Slug(slug.clone()))
            .await?;
        let after = query.after_name.zip(query.after_id);
        let found = visit
            .app
            .chat
            .members(&access, after, PAGE_MEMBERS + 1)
            .await?;
        Ok((access, found))
    };
    let (access, mut found) = load.await.map_err(|error| visit.error(error))?;
    let has_more = found.len() > PAGE_MEMBERS;
    found.truncate(PAGE_MEMBERS);
    let next = found.last().filter(|_| has_more).map(|last| {
        let id = last.user.id.to_string();
        let name = last.user.display_name.to_lowercase();
        let pairs = [("after_name", &name), ("after_id", &id)];
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("/rooms/{slug}/members?{query}")
    });
    let people = found
        .iter()
        .map(|member| PersonView::of(&member.user, member.membership.role))
        .collect();
    let room = RoomView::of(access.room());
    if visit.is_scripted {
        return Ok(html(
            StatusCode::OK,
            render(&MembersPanel { room, people, next }),
        ));
    }
    let frame = visit.frame(Place::Room(access.room().id)).await;
    let frame = frame.map_err(|error| visit.error(error))?;
    Ok(html(
        StatusCode::OK,
        render(&MembersPage {
            frame,
            room,
            people,
            next,
        }),
    ))
}

pub(crate) async fn settings_form(visit: Visit, Path(slug): Path<String>) -> Page {
    let page = settings_page(&visit, &slug)
        .await
        .map_err(|error| visit.error(error))?;
    let body = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    Ok(html(StatusCode::OK, body))
}

async fn settings_page(visit: &Visit, slug: &str) -> chat::Result<RoomSettingsPage> {
    let access = visit
        .app
        .chat
        .room(&visit.actor, &RoomRef::Slug(slug.to_owned()))
        .await?;
    access.check(&visit.actor, Action::ChangeRoom)?;
    let room = access.room();
    Ok(RoomSettingsPage {
        frame: visit.frame(Place::Room(room.id)).await?,
        room: RoomView::of(room),
        name: room.name.clone(),
        topic: room.topic.clone(),
        errors: Errors::none(),
    })
}

pub(crate) async fn save_settings(
    visit: Visit,
    Path(slug): Path<String>,
    FormBody(form): FormBody<RoomForm>,
) -> Page {
    let room = RoomRef::Slug(slug.clone());
    let (name, topic) = (Some(form.name.as_str()), Some(form.topic.as_str()));
    match visit
        .app
        .chat
        .change_room(&visit.actor, &room, name, topic, None)
        .await
    {
        Ok(_) => Ok(go_to(visit.is_scripted, &room_path(&slug))),
        Err(Error::Invalid(fields)) if !visit.is_scripted => {
            let mut page = settings_page(&visit, &slug)
                .await
                .map_err(|error| visit.error(error))?;
            page.name = form.name;
            page.topic = form.topic;
            page.errors = Errors::of_fields(fields);
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, render(&page)))
        }
        Err(error) => Err(visit.error(error)),
    }
}

/// The address of a room; the slug came out of an address, so only its letters are escaped
/// again.
pub(crate) fn room_path(slug: &str) -> String {
    format!("/rooms/{}/", escape_segment(slug))
}

/// A path segment with everything escaped that could end it or a header.
pub(crate) fn escape_segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
