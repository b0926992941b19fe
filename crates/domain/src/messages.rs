//! What people say.

use crate::text::has_visible;
use crate::users::words;
use crate::{Invalid, MessageId, Nonce, RoomId, Seq, Time, UserId, UserKind};

/// Bounds of the configurable limit of a message's length, in Unicode scalar values.
pub const MESSAGE_CHARS: std::ops::RangeInclusive<usize> = 1..=40_000;

/// What someone said, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identity for ever.
    pub id: MessageId,
    /// Where it was said.
    pub room: RoomId,
    /// The position at which it was posted; later changes have positions of their own.
    pub seq: Seq,
    /// The sender's own key for it.
    pub nonce: Nonce,
    /// Who said it.
    pub author: Author,
    /// What; `None` once deleted.
    pub body: Option<Body>,
    /// How it came.
    pub origin: Origin,
    /// What it answers, as that is now.
    pub reply_to: Option<Quote>,
    /// When it was stored.
    pub created_at: Time,
    /// When it was last edited.
    pub edited_at: Option<Time>,
    /// When it was deleted.
    pub deleted_at: Option<Time>,
    /// Grows with each change, starting at 1: the strong validator for conditional edits.
    pub version: i64,
}

impl Message {
    /// The Markdown as typed; `None` when deleted or sealed.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match &self.body {
            Some(Body::Markdown { source, .. }) => Some(source),
            Some(Body::Sealed(_)) | None => None,
        }
    }
}

/// The author as shown beside a message: their names now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub id: UserId,
    /// Their username.
    pub username: String,
    /// What others read.
    pub display_name: String,
    /// Person or bot.
    pub kind: UserKind,
}

/// The message that a reply answers: enough to show a line of it. `source` is empty once
/// the quoted message is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The quoted message.
    pub id: MessageId,
    /// Its position, to jump to.
    pub seq: Seq,
    /// Who said it.
    pub author: Author,
    /// Its Markdown source, cut to 200 characters; `None` once deleted or when sealed.
    pub source: Option<String>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Markdown as typed, and the safe HTML compiled from it.
    Markdown {
        /// As typed, line ends made `\n`, outer white space cut.
        source: String,
        /// Compiled by [`crate::markup::compile`].
        html: String,
    },
    /// End-to-end encrypted; the server cannot read it.
    Sealed(Vec<u8>),
}

/// How a message came; it breaks loops between bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A person's own act.
    Person,
    /// A bot with its token.
    BotToken,
    /// An incoming webhook.
    IncomingHook,
    /// A bot answering an event.
    BotReply,
    /// The house itself.
    System,
}

words!(Origin {
    Person => "person", BotToken => "bot_token", IncomingHook => "incoming_hook",
    BotReply => "bot_reply", System => "system",
});

/// A message's source as it is stored and counted: line ends made `\n`, outer white space
/// cut.
///
/// # Errors
/// For the field `body`: `empty` when nothing visible is left (white space and zero-width
/// characters only), `too_long` above `max_chars` Unicode scalar values (the message says
/// both numbers), `invalid` for NUL, which PostgreSQL cannot store.
pub fn normalize_source(text: &str, max_chars: usize) -> Result<String, Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new(
            "body",
            "invalid",
            "A message cannot contain the NUL character; remove it and send again.",
        ));
    }
    let source = text.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.trim();
    if !has_visible(source) {
        return Err(Invalid::new(
            "body",
            "empty",
            "A message needs at least one visible character.",
        ));
    }
    let chars = source.chars().count();
    if chars > max_chars {
        return Err(Invalid::new(
            "body",
            "too_long",
            format!("A message can have at most {max_chars} characters; this one has {chars}."),
        ));
    }
    Ok(source.to_owned())
}

#[cfg(test)]
mod tests {
    use super::normalize_source;

    fn check(text: &str, expected: Result<&str, &str>) {
        let got = normalize_source(text, 10);
        let got = got.as_deref().map_err(|refusal| {
            assert_eq!(refusal.field, "body");
            refusal.code
        });
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn sources_are_normalised_counted_and_refused() {
        check("hello", Ok("hello"));
        check("  \r\na\r\nb\rc\n ", Ok("a\nb\nc"));
        check("0123456789", Ok("0123456789"));
        check("  0123456789\n", Ok("0123456789"));
        check("01234567890", Err("too_long"));
        check("ååååååååååå", Err("too_long"));
        check("åååååååååå", Ok("åååååååååå"));
        check("12345678\r\n0", Ok("12345678\n0"));
        check("", Err("empty"));
        check(" \n\t\u{a0}", Err("empty"));
        check("\u{200b}\u{200d}\u{feff}", Err("empty"));
        check("\u{202e}\u{2066}", Err("empty"));
        check("a\0b", Err("invalid"));
        check("\0", Err("invalid"));
        check("'; -- \\%_", Ok("'; -- \\%_"));
        // A source stays as it was typed; only its rendering is tamed.
        check("\u{202e}abc", Ok("\u{202e}abc"));
    }

    #[test]
    fn too_long_says_both_numbers() {
        let refusal = normalize_source(&"x".repeat(1001), 1000).unwrap_err();
        assert!(refusal.message.contains("1000") && refusal.message.contains("1001"));
    }
}
