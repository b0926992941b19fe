//! What one text of a client means and does.

use std::pin::Pin;
use std::sync::Arc;

use chat::Chat;
use chat::messages::Draft;
use domain::{Actor, Cursor, MessageId, RoomId, RoomRef, Seq};
use live::{Connected, Live};
use serde::Deserialize;
use wire::{ClientOp, ServerEvent};

use crate::api::convert::write_json;
use crate::api::messages::{nonce, origin};
use crate::limits::{MAX_JSON_DEPTH, depth_exceeds, is_object, json_reason};
use crate::problem::Problem;

/// The ops there are; anything else is `unknown_op` instead of `invalid`.
const OPS: &[&str] = &["subscribe", "unsubscribe", "typing", "read", "post", "ping"];
/// Longest part of a client's own words that an error repeats.
const MAX_RE_BYTES: usize = 128;

/// A post under way; resolves to its answer, and whether that is a refusal that counts.
pub(super) type Pending = Pin<Box<dyn Future<Output = (String, bool)> + Send>>;

/// What became of a text.
pub(super) enum Outcome {
    /// Done, nothing to say.
    Done,
    /// Done, and this is the answer.
    Answer(String),
    /// Not done.
    Refused {
        /// The `error` frame.
        answer: String,
        /// Whether it counts towards being sent away.
        counts: bool,
    },
    /// Begun; the answer comes after the flushed commit.
    Posting(Pending),
}

/// Does what a client's text asks for.
pub(super) async fn run(chat: &Arc<Chat>, live: &Live, from: &Connected, text: &str) -> Outcome {
    let op = match parse(text) {
        Ok(op) => op,
        Err(answer) => {
            return Outcome::Refused {
                answer,
                counts: true,
            };
        }
    };
    let re = match &op {
        ClientOp::Ping => return Outcome::Answer(json(&ServerEvent::Pong)),
        ClientOp::Unsubscribe { room } => {
            live.unsubscribe(from.id, RoomId(*room));
            return Outcome::Done;
        }
        ClientOp::Subscribe { .. } => "subscribe".to_owned(),
        ClientOp::Typing { .. } => "typing".to_owned(),
        ClientOp::Read { .. } => "read".to_owned(),
        ClientOp::Post { nonce, .. } => cut(nonce).to_owned(),
    };
    let done = match chat.actor_of_connection(from.user, &from.credential).await {
        Ok(actor) => act(chat, from, &actor, op).await,
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|problem| refused(&problem, Some(re)))
}

async fn act(
    chat: &Arc<Chat>,
    from: &Connected,
    actor: &Actor,
    op: ClientOp,
) -> Result<Outcome, Problem> {
    match op {
        ClientOp::Subscribe { room, after, epoch } => {
            let room = RoomId(room);
            let cursor = cursor(room, after, epoch.as_deref())?;
            chat.subscribe(actor, from.id, room, cursor).await?;
        }
        ClientOp::Typing { room } => chat.typing(actor, RoomId(room)).await?,
        ClientOp::Read { room, seq } => {
            if seq < 0 {
                return Err(Problem::invalid_field("seq", "seq must be 0 or more"));
            }
            let room = RoomRef::Id(RoomId(room));
            chat.mark_read(actor, &room, Seq(seq)).await?;
        }
        ClientOp::Post {
            room,
            nonce: key,
            body,
            reply_to,
        } => {
            let draft = Draft {
                room: RoomRef::Id(RoomId(room)),
                source: body,
                nonce: nonce(&key)?,
                reply_to: reply_to.map(MessageId),
                origin: origin(actor),
            };
            let pending = chat.begin_post(actor, draft).await?;
            return Ok(Outcome::Posting(Box::pin(async move {
                match pending.wait().await {
                    Ok(posted) => (json(&acknowledgement(key, &posted.message)), false),
                    Err(error) => match refused(&error.into(), Some(key)) {
                        Outcome::Refused { answer, counts } => (answer, counts),
                        _ => (String::new(), false),
                    },
                }
            })));
        }
        // Answered before anyone was looked up.
        ClientOp::Unsubscribe { .. } | ClientOp::Ping => {}
    }
    Ok(Outcome::Done)
}

fn cursor(
    room: RoomId,
    after: Option<i64>,
    epoch: Option<&str>,
) -> Result<Option<Cursor>, Problem> {
    match (after, epoch) {
        (None, None) => Ok(None),
        (Some(after), Some(epoch)) if after >= 0 => {
            let epoch = epoch
                .parse()
                .map_err(|_| Problem::invalid_field("epoch", "epoch is the word of `ready`"))?;
            Ok(Some(Cursor {
                epoch,
                room,
                seq: Seq(after),
            }))
        }
        (Some(_), Some(_)) => Err(Problem::invalid_field("after", "after must be 0 or more")),
        _ => Err(Problem::invalid("give after and epoch together")),
    }
}

fn acknowledgement(nonce: String, message: &domain::Message) -> ServerEvent {
    ServerEvent::Posted {
        nonce,
        id: message.id.0,
        room: message.room.0,
        seq: message.seq.0,
    }
}

/// Reads a text; the error is the answer.
fn parse(text: &str) -> Result<ClientOp, String> {
    if depth_exceeds(text.as_bytes(), MAX_JSON_DEPTH) {
        return Err(error("invalid", "the JSON is nested too deep", None, None));
    }
    if !is_object(text.as_bytes()) {
        return Err(error("invalid", "a frame is a JSON object", None, None));
    }
    let reason = match serde_json::from_str::<ClientOp>(text) {
        Ok(op) => return Ok(op),
        Err(reason) => reason,
    };
    // Only now, since almost every text is in order: what can be said about it?
    #[derive(Deserialize)]
    struct Glance {
        op: Option<String>,
        nonce: Option<String>,
    }
    let Ok(Glance {
        op: Some(op),
        nonce,
    }) = serde_json::from_str(text)
    else {
        return Err(error("invalid", &json_reason(&reason), None, None));
    };
    if !OPS.contains(&op.as_str()) {
        let message = "there is no such op; see ClientOp in /api/docs";
        return Err(error("unknown_op", message, Some(cut(&op).into()), None));
    }
    let re = match nonce {
        Some(nonce) if op == "post" => nonce,
        _ => op,
    };
    Err(error(
        "invalid",
        &json_reason(&reason),
        Some(cut(&re).into()),
        None,
    ))
}

fn refused(problem: &Problem, re: Option<String>) -> Outcome {
    let answer = error(
        problem.code(),
        problem.detail(),
        re,
        problem.retry_after_s(),
    );
    // Who comes too often or meets a fault of ours is no worse a client for it.
    let counts = problem.status().is_client_error() && problem.code() != "rate_limited";
    Outcome::Refused { answer, counts }
}

fn error(code: &str, message: &str, re: Option<String>, retry_after: Option<u64>) -> String {
    json(&ServerEvent::Error {
        code: code.to_owned(),
        message: message.to_owned(),
        re,
        retry_after,
    })
}

fn json(event: &ServerEvent) -> String {
    let mut out = String::new();
    write_json(event, &mut out);
    out
}

fn cut(text: &str) -> &str {
    let end = (0..=MAX_RE_BYTES.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use wire::ClientOp;

    use super::{OPS, parse};

    fn refusal(text: &str) -> (String, Value) {
        let frame: Value = serde_json::from_str(&parse(text).unwrap_err()).unwrap();
        assert_eq!(frame["event"], "error");
        assert!(!frame["message"].as_str().unwrap().is_empty());
        (
            frame["code"].as_str().unwrap().to_owned(),
            frame["re"].clone(),
        )
    }

    fn check(text: &str, code: &str, re: Value) {
        assert_eq!(refusal(text), (code.to_owned(), re), "{text}");
    }

    #[test]
    fn wrong_texts_are_refused_by_name() {
        check("", "invalid", Value::Null);
        check("nonsense", "invalid", Value::Null);
        check("[]", "invalid", Value::Null);
        check(r#"["ping"]"#, "invalid", Value::Null);
        check("{}", "invalid", Value::Null);
        check("null", "invalid", Value::Null);
        check(r#"{"op":7}"#, "invalid", Value::Null);
        check(r#"{"op":"shout"}"#, "unknown_op", "shout".into());
        check(r#"{"op":"typing"}"#, "invalid", "typing".into());
        check(
            r#"{"op":"read","room":1,"seq":"x"}"#,
            "invalid",
            "read".into(),
        );
        check(
            r#"{"op":"post","nonce":"n","room":1}"#,
            "invalid",
            "n".into(),
        );
        check(
            r#"{"op":"post","nonce":"n","room":1,"body":"b","seq":2}"#,
            "invalid",
            "n".into(),
        );
        check(
            &format!(r#"{{"op":"ping","x":{}"#, "[".repeat(50)),
            "invalid",
            Value::Null,
        );
        let long = "é".repeat(500);
        let (_, re) = refusal(&format!(r#"{{"op":"{long}"}}"#));
        assert!(re.as_str().unwrap().len() <= 128);
    }

    #[test]
    fn every_op_is_known_by_name() {
        for op in OPS {
            let bare = format!(r#"{{"op":"{op}"}}"#);
            match parse(&bare) {
                Ok(op) => assert_eq!(op, ClientOp::Ping),
                Err(answer) => assert!(answer.contains("\"invalid\""), "{answer}"),
            }
        }
    }
}
