//! What the socket says, as far as a load tester must understand it.

use std::borrow::Cow;

use serde::Deserialize;

/// One frame of the JSON socket.
#[derive(Debug, Deserialize)]
pub struct Heard<'a> {
    /// Its kind.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Which room.
    pub room: Option<u64>,
    /// Its number, if it is numbered.
    pub seq: Option<u64>,
    /// The room's head, in `subscribed` and `resync`.
    pub head: Option<u64>,
    nonce: Option<Cow<'a, str>>,
    re: Option<Cow<'a, str>>,
    message: Option<Message>,
}

/// `message` is an object in events and a sentence in errors.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Posted { nonce: String },
    Other(serde::de::IgnoredAny),
}

impl Heard<'_> {
    /// Whether it is one of the room's numbered events. `receipt` has a `seq` too and is
    /// none.
    pub fn is_numbered(&self) -> bool {
        let kinds = ["message.", "reaction.", "member.", "room."];
        kinds.iter().any(|kind| self.event.starts_with(kind))
    }

    /// The number of the post it answers or carries.
    pub fn post(&self) -> Option<u64> {
        match (&*self.event, &self.message) {
            ("posted", _) => number_of(self.nonce.as_deref()?),
            ("message.posted", Some(Message::Posted { nonce })) => number_of(nonce),
            _ => None,
        }
    }

    /// The number of the post that an error refuses.
    pub fn re_post(&self) -> Option<u64> {
        number_of(self.re.as_deref()?)
    }
}

/// The counter in the last group of a nonce.
fn number_of(nonce: &str) -> Option<u64> {
    let (_, last) = nonce.rsplit_once('-')?;
    u64::from_str_radix(last, 16).ok()
}

/// A payload like a server's `message.posted`, of `len` bytes if the fields fit.
pub fn posted_payload(room: usize, seq: u64, nonce: &str, len: usize) -> Vec<u8> {
    let head = format!(
        r#"{{"event":"message.posted","room":{room},"seq":{seq},"message":{{"nonce":"{nonce}","pad":""#
    );
    let mut payload = head.into_bytes();
    payload.resize(len.saturating_sub(3).max(payload.len()), b'x');
    payload.extend_from_slice(b"\"}}");
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Heard<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbered_events_are_told_from_signals() {
        fn check(event: &str, expected: bool) {
            let text = format!(r#"{{"event":"{event}","room":1,"seq":2}}"#);
            assert_eq!(heard(&text).is_numbered(), expected, "{event}");
        }
        check("message.posted", true);
        check("message.deleted", true);
        check("reaction.added", true);
        check("member.joined", true);
        check("room.changed", true);
        check("receipt", false);
        check("posted", false);
        check("unread", false);
    }

    #[test]
    fn posts_are_known_by_the_end_of_their_nonce() {
        let nonce = "a1a2a3a4-b1b2-41c2-8192-00000000002a";
        let posted = format!(r#"{{"event":"posted","nonce":"{nonce}","id":1,"room":1,"seq":9}}"#);
        assert_eq!(heard(&posted).post(), Some(42));
        let event = format!(
            r#"{{"event":"message.posted","room":1,"seq":9,"message":{{"id":1,"nonce":"{nonce}"}}}}"#
        );
        assert_eq!(heard(&event).post(), Some(42));
        let error = format!(
            r#"{{"event":"error","code":"empty","message":"say something","re":"{nonce}"}}"#
        );
        assert_eq!(
            (heard(&error).post(), heard(&error).re_post()),
            (None, Some(42))
        );
        let other = r#"{"event":"error","code":"unknown_op","message":"no","re":"dance"}"#;
        assert_eq!(heard(other).re_post(), None);
    }

    #[test]
    fn a_made_up_event_has_the_length_asked_for_and_reads_back() {
        let nonce = "a1a2a3a4-b1b2-41c2-8192-000000000007";
        for len in [200, 431, 1000] {
            let payload = posted_payload(3, 12, nonce, len);
            assert_eq!(payload.len(), len);
            let heard: Heard<'_> = serde_json::from_slice(&payload).unwrap();
            assert_eq!(
                (heard.room, heard.seq, heard.post()),
                (Some(3), Some(12), Some(7))
            );
        }
    }
}
