//! Messages over the API: history, posting, editing, deleting.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chat::messages::Draft;
use chat::{Conflict, PageAnchor, RoomPage};
use domain::{Actor, MessageId, Nonce, Origin, Seq};
use http::header::{ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use wire::{EditMessage, List, Message, PostMessage};

use super::operation::Operation;
use super::query::{Named, NoQuery, Query, limit};
use super::rooms::room_ref;
use super::{convert, cursor, id};
use crate::auth::Signed;
use crate::limits::JsonBody;
use crate::problem::Problem;
use crate::routes::{Routes, Who};
use crate::state::App;

/// Rooms with more members do not say who has read what.
const MAX_READERS_NAMED: i64 = 100;
/// Longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 128;

pub(crate) fn add(routes: Routes) -> Routes {
    let routes = routes
        .operation(
            Operation::get(
                "/api/v1/rooms/{id}/messages",
                Who::Reader,
                "list_messages",
                "Read a room's history",
            )
            .tag("Messages")
            .detail(
                "Without `before`, `after` or `around` the newest page. Oldest first inside a \
                     page; `next` goes on in the direction asked, older by default.",
            )
            .integer("before", "messages before this seq")
            .integer("after", "messages after this seq")
            .integer("around", "half before this seq, it, and half after")
            .paged()
            .gives_list::<Message>(200, "a page, tombstones included")
            .refuses(&["not_found"]),
            list,
        )
        .operation(
            Operation::post(
                "/api/v1/rooms/{id}/messages",
                Who::Reader,
                "post_message",
                "Post a message",
            )
            .tag("Messages")
            .detail(
                "Answered after the message is on the disk. The first post in an open room \
                     joins it. The same key with the same original body and `reply_to` answers 200 \
                     with the message as it is now, whatever became of it.",
            )
            .header(
                "Idempotency-Key",
                "a UUID of one's own; the key of a post on the socket is the same",
            )
            .takes::<PostMessage>()
            .gives::<Message>(201, "the message")
            .gives::<Message>(
                200,
                "the key was used before for this same message: it, as it is now",
            )
            .refuses(&[
                "not_found",
                "empty",
                "too_long",
                "idempotency_mismatch",
                "rate_limited",
                "unavailable",
                "storage_full",
            ]),
            post,
        );
    add_one(routes)
}

fn add_one(routes: Routes) -> Routes {
    routes
        .operation(
            Operation::get(
                "/api/v1/messages/{id}",
                Who::Reader,
                "get_message",
                "Look at a message",
            )
            .tag("Messages")
            .detail("The header `ETag` names the version, for `If-Match`.")
            .gives::<Message>(200, "the message; a tombstone once deleted")
            .refuses(&["not_found"]),
            one,
        )
        .operation(
            Operation::patch(
                "/api/v1/messages/{id}",
                Who::Author,
                "edit_message",
                "Edit one's message",
            )
            .tag("Messages")
            .header(
                "If-Match",
                "refuse with 412 when the message has another version by now",
            )
            .takes::<EditMessage>()
            .gives::<Message>(200, "the message as it is now")
            .refuses(&[
                "not_found",
                "empty",
                "too_long",
                "conflict",
                "stale",
                "rate_limited",
                "storage_full",
            ]),
            edit,
        )
        .operation(
            Operation::delete(
                "/api/v1/messages/{id}",
                Who::Author,
                "delete_message",
                "Delete a message",
            )
            .tag("Messages")
            .detail("Its text, its earlier versions and its search words are erased.")
            .gives_nothing(204, "deleted; the same again")
            .refuses(&["not_found", "rate_limited", "storage_full"]),
            delete,
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    before: Option<i64>,
    after: Option<i64>,
    around: Option<i64>,
    limit: Option<i64>,
    cursor: Option<String>,
}

impl Listing {
    /// Where the page lies.
    fn anchor(&self, list: &str) -> Result<PageAnchor, Problem> {
        let anchor = match (self.before, self.after, self.around, &self.cursor) {
            (None, None, None, None) => PageAnchor::Newest,
            (Some(seq), None, None, None) => PageAnchor::Before(position("before", seq)?),
            (None, Some(seq), None, None) => PageAnchor::After(position("after", seq)?),
            (None, None, Some(seq), None) => PageAnchor::Around(position("around", seq)?),
            (None, None, None, Some(cursor)) => from_cursor(list, cursor)?,
            _ => {
                return Err(Problem::invalid(
                    "give one of before, after, around and cursor",
                ));
            }
        };
        Ok(anchor)
    }
}

fn from_cursor(list: &str, cursor: &str) -> Result<PageAnchor, Problem> {
    let [direction, seq] = cursor::read(list, cursor)?;
    let seq = Seq(seq
        .parse()
        .map_err(|_| Problem::invalid("this cursor cannot be read"))?);
    Ok(match direction.as_str() {
        "after" => PageAnchor::After(seq),
        _ => PageAnchor::Before(seq),
    })
}

/// A seq as a caller gives it. 0 stands before the first event.
pub(super) fn position(name: &'static str, seq: i64) -> Result<Seq, Problem> {
    if seq < 0 {
        return Err(Problem::invalid_field(
            name,
            format!("{name} must be a seq: 0 or more"),
        ));
    }
    Ok(Seq(seq))
}

async fn list(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    Query(asked): Query<Listing>,
) -> Result<Json<List<Message>>, Problem> {
    let limit = limit(asked.limit)?;
    let access = app.chat.room(&actor, &room_ref(&room)?).await?;
    let name = format!("messages:{}", access.room().id);
    let anchor = asked.anchor(&name)?;
    let page = app.chat.page(&access, anchor, limit).await?;
    let mut items: Vec<Message> = page.messages.iter().map(convert::message).collect();
    if access.room().member_count <= MAX_READERS_NAMED {
        let readers = app.chat.read_by(&page.messages).await?;
        for (item, receipts) in items.iter_mut().zip(&readers) {
            item.read_by = Some(convert::read_by(receipts));
        }
    }
    let next = next(&name, anchor, &page);
    Ok(Json(List { items, next }))
}

fn next(list: &str, anchor: PageAnchor, page: &RoomPage) -> Option<String> {
    let (direction, has_more, edge) = match anchor {
        PageAnchor::After(_) => ("after", page.has_newer, page.messages.last()),
        _ => ("before", page.has_older, page.messages.first()),
    };
    let edge = edge.filter(|_| has_more)?;
    Some(cursor::write(list, &[direction, &edge.seq.to_string()]))
}

async fn post(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(room): Named,
    headers: HeaderMap,
    _: NoQuery,
    JsonBody(asked): JsonBody<PostMessage>,
) -> Result<Response, Problem> {
    let room = room_ref(&room)?;
    let nonce = match key(&headers)? {
        Some(nonce) => nonce,
        None => app.chat.fresh_nonce(),
    };
    let draft = Draft {
        room,
        source: asked.body,
        nonce,
        reply_to: asked.reply_to.map(MessageId),
        origin: origin(&actor),
    };
    let posted = app.chat.post_message(&actor, draft).await?;
    let message = &posted.message;
    let etag = etag(message);
    // Just posted: nobody can have read it, so nothing is asked.
    let body = if posted.repeated {
        let access = app.chat.message(&actor, message.id).await?;
        seen_by(
            &app,
            message,
            access.room().member_count <= MAX_READERS_NAMED,
        )
        .await?
    } else {
        wire::Message {
            read_by: Some(Vec::new()),
            ..convert::message(message)
        }
    };
    if posted.repeated {
        return Ok(([(ETAG, etag)], Json(body)).into_response());
    }
    let place = format!("/api/v1/messages/{}", message.id);
    Ok((
        StatusCode::CREATED,
        [(LOCATION, place), (ETAG, etag)],
        Json(body),
    )
        .into_response())
}

/// How a draft of this actor came, over API or socket.
pub(crate) fn origin(actor: &Actor) -> Origin {
    match actor {
        Actor::Bot(_) => Origin::BotToken,
        Actor::Person(_) | Actor::Operator | Actor::System => Origin::Person,
    }
}

/// The caller's key for a post.
fn key(headers: &HeaderMap) -> Result<Option<Nonce>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or("");
    if keys.next().is_some() || key.len() > MAX_KEY_BYTES {
        return Err(Problem::invalid(
            "give one Idempotency-Key of at most 128 bytes",
        ));
    }
    nonce(key).map(Some)
}

/// A sender's key: a UUID.
pub(crate) fn nonce(text: &str) -> Result<Nonce, Problem> {
    text.trim()
        .parse()
        .map_err(|_| Problem::invalid("the Idempotency-Key (on sockets: the nonce) must be a UUID"))
}

async fn one(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(message): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    let access = app.chat.message(&actor, MessageId(id(&message)?)).await?;
    let names_readers = access.room().member_count <= MAX_READERS_NAMED;
    let body = seen_by(&app, access.message(), names_readers).await?;
    Ok(([(ETAG, etag(access.message()))], Json(body)).into_response())
}

async fn edit(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(message): Named,
    headers: HeaderMap,
    _: NoQuery,
    JsonBody(asked): JsonBody<EditMessage>,
) -> Result<Response, Problem> {
    let message = MessageId(id(&message)?);
    let if_version = match expected_version(&headers, message)? {
        Expected::Any => None,
        Expected::Version(version) => Some(version),
        Expected::Another => {
            // Who may not see the message must not learn from a 412 that it exists.
            app.chat.message(&actor, message).await?;
            return Err(chat::Error::Conflict(Conflict::Stale).into());
        }
    };
    let edited = app
        .chat
        .edit_message(&actor, message, &asked.body, if_version)
        .await?;
    let access = app.chat.message(&actor, message).await?;
    let names_readers = access.room().member_count <= MAX_READERS_NAMED;
    let body = seen_by(&app, &edited, names_readers).await?;
    Ok(([(ETAG, etag(&edited))], Json(body)).into_response())
}

async fn delete(
    State(app): State<App>,
    Signed(actor, _turn): Signed,
    Named(message): Named,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    app.chat
        .delete_message(&actor, MessageId(id(&message)?))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A message with who has read it, where that is told.
async fn seen_by(
    app: &App,
    message: &domain::Message,
    names_readers: bool,
) -> Result<Message, Problem> {
    let mut seen = convert::message(message);
    if names_readers {
        let readers = app.chat.read_by(std::slice::from_ref(message)).await?;
        seen.read_by = readers.first().map(|receipts| convert::read_by(receipts));
    }
    Ok(seen)
}

/// Names a version of a message.
fn etag(message: &domain::Message) -> String {
    format!("\"{}-{}\"", message.id, message.version)
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Any,
    Version(i64),
    Another,
}

/// What `If-Match` asks for. Several versions cannot be asked for at once: the newest of
/// them is taken, since only that one can still hold.
fn expected_version(headers: &HeaderMap, message: MessageId) -> Result<Expected, Problem> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Ok(Expected::Any);
    }
    let mut newest = None;
    for line in lines {
        let line = line.to_str().unwrap_or("");
        for tag in line.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(Expected::Any);
            }
            let is_weak = tag.starts_with("W/");
            let bare = tag.trim_start_matches("W/");
            let Some(bare) = bare.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) else {
                return Err(Problem::invalid("If-Match takes the ETag of the message"));
            };
            let version = bare
                .strip_prefix(&format!("{message}-"))
                .and_then(|version| version.parse::<i64>().ok());
            if !is_weak {
                newest = newest.max(version);
            }
        }
    }
    Ok(newest.map_or(Expected::Another, Expected::Version))
}

#[cfg(test)]
mod tests {
    use domain::MessageId;
    use http::header::IF_MATCH;
    use http::{HeaderMap, HeaderValue};

    use super::{Expected, expected_version, key};

    #[test]
    fn if_match_names_a_version() {
        let check = |line: &'static str, expected: Option<Expected>| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(line));
            let got = expected_version(&headers, MessageId(12)).ok();
            assert_eq!(got, expected, "{line}");
        };
        check("\"12-3\"", Some(Expected::Version(3)));
        check("\"12-3\", \"12-4\"", Some(Expected::Version(4)));
        check("*", Some(Expected::Any));
        check("\"13-3\"", Some(Expected::Another));
        check("\"12-x\"", Some(Expected::Another));
        check("W/\"12-3\"", Some(Expected::Another));
        check("3", None);
        check("", None);
        assert_eq!(
            expected_version(&HeaderMap::new(), MessageId(1)).unwrap(),
            Expected::Any
        );
    }

    #[test]
    fn keys_are_uuids() {
        let check = |line: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_str(line).unwrap());
            assert_eq!(key(&headers).is_ok(), expected, "{line}");
        };
        check("0192f0c1-2d3e-7abc-8def-0123456789ab", true);
        check("not-a-uuid", false);
        check("", false);
        check(&"a".repeat(129), false);
        assert!(key(&HeaderMap::new()).unwrap().is_none());
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            let key = HeaderValue::from_static("0192f0c1-2d3e-7abc-8def-0123456789ab");
            twice.append("idempotency-key", key);
        }
        assert!(key(&twice).is_err());
    }
}
