//! Posting, editing and deleting from the page; permalinks.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use chat::Error;
use chat::messages::Draft;
use domain::policy::Action;
use domain::{Message, MessageId, Nonce, Origin, RoomRef};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::respond::{PageError, html, refusal};
use super::rooms::{HistoryQuery, Refused, room_page, room_path};
use super::visit::{PageId, Visit};
use crate::limits::FormBody;
use crate::views::{DeletePage, EditPage, MessageView, Place, Refusal, render};

type Page<T = Response> = std::result::Result<T, PageError>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PostForm {
    body: String,
    nonce: String,
    reply_to: String,
}

/// `POST /rooms/{slug}/messages`: 201 with the seq for a script, else back to the room. A
/// refusal shows the room again with what was typed.
pub(crate) async fn post(
    visit: Visit,
    Path(slug): Path<String>,
    FormBody(form): FormBody<PostForm>,
) -> Page {
    let nonce = match nonce(&visit, &form.nonce) {
        Ok(nonce) => nonce,
        Err(error) => return Err(visit.error(error)),
    };
    let reply_to = match form.reply_to.trim() {
        "" => None,
        id => match id.parse() {
            Ok(id) => Some(MessageId(id)),
            Err(_) => return Err(visit.error(invalid("reply_to", "the reply names no message"))),
        },
    };
    let draft = Draft {
        room: RoomRef::Slug(slug.clone()),
        source: form.body.clone(),
        nonce,
        reply_to,
        origin: Origin::Person,
    };
    match visit.app.chat.post_message(&visit.actor, draft).await {
        Ok(posted) if visit.is_scripted => Ok(accepted(&posted.message)),
        Ok(_) => Ok(Redirect::to(&format!("{}#composer", room_path(&slug))).into_response()),
        Err(error @ (Error::Invalid(_) | Error::Conflict(_))) if !visit.is_scripted => {
            // A page whose form was sent already has a used key; the text gets a fresh one.
            let nonce = match error {
                Error::Conflict(_) => visit.app.chat.fresh_nonce(),
                _ => nonce,
            };
            let reply_to = reply_to.map(|id| id.0);
            let refused = Refused {
                body: form.body,
                nonce,
                reply_to,
                refusal: refusal(error),
            };
            let page = room_page(&visit, &slug, &HistoryQuery::default(), Some(refused)).await;
            let page = page.map_err(|error| visit.error(error))?;
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, page.into_text()))
        }
        Err(error) => Err(visit.error(error)),
    }
}

/// The sender's key; a form without one gets a fresh key, and with it no retry.
fn nonce(visit: &Visit, text: &str) -> chat::Result<Nonce> {
    match text.trim() {
        "" => Ok(visit.app.chat.fresh_nonce()),
        text => text
            .parse()
            .map_err(|_| invalid("nonce", "the key of a message is a UUID")),
    }
}

fn invalid(field: &'static str, message: &str) -> Error {
    Error::Invalid(vec![domain::Invalid::new(field, "invalid", message)])
}

/// 201 without a body: the message itself arrives by the socket, like for everyone.
fn accepted(message: &Message) -> Response {
    let number = |name: &'static str, number: i64| {
        (HeaderName::from_static(name), HeaderValue::from(number))
    };
    let headers = [
        number("parlour-seq", message.seq.0),
        number("parlour-message", message.id.0),
    ];
    (StatusCode::CREATED, headers).into_response()
}

/// `GET /messages/{id}/`: where the message stands, with its surroundings.
pub(crate) async fn permalink(visit: Visit, PageId(id): PageId) -> Page {
    let found = visit.app.chat.message(&visit.actor, MessageId(id)).await;
    let found = found.map_err(|error| visit.error(error))?;
    Ok(Redirect::to(&around(found.message(), &found.room().slug)).into_response())
}

fn around(message: &Message, slug: &str) -> String {
    format!(
        "{}?around={}#msg-{}",
        room_path(slug),
        message.seq,
        message.id
    )
}

pub(crate) async fn edit_form(visit: Visit, PageId(id): PageId) -> Page {
    let load = async {
        let found = visit.app.chat.message(&visit.actor, MessageId(id)).await?;
        found.check(&visit.actor, Action::EditMessage)?;
        let message = found.message();
        let source = message.source().ok_or(Error::NotFound)?.to_owned();
        edit_html(&visit, &found, message.version, source, None).await
    };
    load.await
        .map(|page| html(StatusCode::OK, page))
        .map_err(|error| visit.error(error))
}

async fn edit_html(
    visit: &Visit,
    found: &chat::MessageAccess,
    version: i64,
    source: String,
    refusal: Option<Refusal>,
) -> chat::Result<String> {
    let page = EditPage {
        frame: visit.frame(Place::Room(found.room().id)).await?,
        id: found.message().id,
        version,
        source,
        refusal,
    };
    Ok(if visit.is_scripted {
        render(&page.as_form())
    } else {
        render(&page)
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct EditForm {
    body: String,
    version: Option<i64>,
}

pub(crate) async fn edit(
    visit: Visit,
    PageId(id): PageId,
    FormBody(form): FormBody<EditForm>,
) -> Page {
    let chat = &visit.app.chat;
    let id = MessageId(id);
    match chat
        .edit_message(&visit.actor, id, &form.body, form.version)
        .await
    {
        Ok(_) if visit.is_scripted => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(_) => permalink(visit, PageId(id.0)).await,
        Err(error @ Error::Invalid(_)) if !visit.is_scripted => {
            let again = async {
                let found = chat.message(&visit.actor, id).await?;
                let version = form.version.unwrap_or(found.message().version);
                edit_html(&visit, &found, version, form.body, Some(refusal(error))).await
            };
            let page = again.await.map_err(|error| visit.error(error))?;
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, page))
        }
        Err(error) => Err(visit.error(error)),
    }
}

pub(crate) async fn delete_form(visit: Visit, PageId(id): PageId) -> Page {
    let load = async {
        let found = visit.app.chat.message(&visit.actor, MessageId(id)).await?;
        found.check(&visit.actor, Action::DeleteMessage)?;
        let frame = visit.frame(Place::Room(found.room().id)).await?;
        Ok(render(&DeletePage {
            frame,
            message: MessageView::of(found.message()),
        }))
    };
    load.await
        .map(|page| html(StatusCode::OK, page))
        .map_err(|error| visit.error(error))
}

pub(crate) async fn delete(visit: Visit, PageId(id): PageId) -> Page {
    let deleted = visit
        .app
        .chat
        .delete_message(&visit.actor, MessageId(id))
        .await;
    let message = deleted.map_err(|error| visit.error(error))?;
    if visit.is_scripted {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    permalink(visit, PageId(message.id.0)).await
}
