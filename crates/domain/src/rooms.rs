//! Rooms: their kinds, names and addresses.

use unicode_normalization::UnicodeNormalization;

use crate::text::{Line, is_word_char};
use crate::users::words;
use crate::{Invalid, RoomId, Seq, Time};

/// Longest room name, in Unicode scalar values.
pub const MAX_ROOM_NAME_CHARS: usize = 80;
/// Longest topic, in Unicode scalar values.
pub const MAX_TOPIC_CHARS: usize = 250;
/// Longest slug, in Unicode scalar values; the store's `-2` for a taken one comes on top.
pub const MAX_SLUG_CHARS: usize = 60;
/// Address of the room everyone is in.
pub const LOBBY_SLUG: &str = "lobby";

/// A place for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Identity for ever.
    pub id: RoomId,
    /// Address in pages; kept on rename.
    pub slug: String,
    /// What people read.
    pub name: String,
    /// Who may come in.
    pub kind: RoomKind,
    /// One line, may be empty.
    pub topic: String,
    /// The last event's position.
    pub head: Seq,
    /// Members now.
    pub member_count: i64,
    /// Read-only since, if archived.
    pub archived_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
}

impl Room {
    /// The lobby cannot be left, closed, renamed away or deleted.
    #[must_use]
    pub fn is_lobby(&self) -> bool {
        self.slug == LOBBY_SLUG
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// Everyone in the house reads it; posting joins.
    Open,
    /// Members only.
    Closed,
    /// Two fixed people.
    Direct,
}

words!(RoomKind { Open => "open", Closed => "closed", Direct => "direct" });

/// How a request names a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RoomRef {
    /// By id, as the API does.
    Id(RoomId),
    /// By slug, as page addresses do.
    Slug(String),
}

/// A room's name: 1–80 characters, outer white space cut, inner runs of it made one space,
/// no control or bidirectional override characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(String);

impl RoomName {
    /// # Errors
    /// `Invalid` for the field `name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Line {
            field: "name",
            called: "A room's name",
            max_chars: MAX_ROOM_NAME_CHARS,
        }
        .clean_visible(text)
        .map(Self)
    }

    /// The name as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's topic: at most 250 characters on one line, may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Topic(String);

impl Topic {
    /// # Errors
    /// `Invalid` for the field `topic`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Line {
            field: "topic",
            called: "A topic",
            max_chars: MAX_TOPIC_CHARS,
        }
        .clean(text)
        .map(Self)
    }

    /// The topic as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's address: letters and digits of its name after NFKC in lower case, joined by
/// `-`, never all digits, at most 60 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// The address a name suggests; `None` when no letter is left (the store then uses
    /// `room-<id>`). A taken slug gets `-2`, `-3` … from the store.
    #[must_use]
    pub fn of_name(name: &RoomName) -> Option<Self> {
        let folded: String = name
            .as_str()
            .nfkc()
            .flat_map(char::to_lowercase)
            .nfkc()
            .collect();
        let mut slug = String::with_capacity(folded.len());
        let mut chars = 0;
        for word in folded.split(|c| !is_word_char(c)) {
            // A mark without a letter before it is no word of its own.
            let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
            if word.is_empty() {
                continue;
            }
            if !slug.is_empty() {
                slug.push('-');
                chars += 1;
            }
            let room_left = MAX_SLUG_CHARS.saturating_sub(chars);
            slug.extend(word.chars().take(room_left));
            chars += word.chars().count();
            if chars >= MAX_SLUG_CHARS {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        // Digits alone would be taken for an id, so a letter must have survived the cut.
        slug.chars()
            .any(char::is_alphabetic)
            .then(|| Self(slug.to_owned()))
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{RoomName, Slug, Topic};

    fn check_name(text: &str, expected: Result<&str, &str>) {
        let got = RoomName::parse(text);
        let got = got
            .as_ref()
            .map(RoomName::as_str)
            .map_err(|refusal| refusal.code);
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn room_names_are_one_visible_line_of_80() {
        check_name("  Deep   Sea\n\tTalk ", Ok("Deep Sea Talk"));
        check_name(&"å".repeat(80), Ok(&"å".repeat(80)));
        check_name(&"å".repeat(81), Err("too_long"));
        check_name(&" x".repeat(41), Err("too_long"));
        check_name("", Err("empty"));
        check_name(" \u{200b}\u{feff} ", Err("empty"));
        check_name("a\u{202e}b", Err("invalid"));
        check_name("a\u{2067}b", Err("invalid"));
        check_name("a\0b", Err("invalid"));
        check_name("a\u{1b}[31m", Err("invalid"));
        check_name("<script>", Ok("<script>"));
        check_name(
            "👨\u{200d}👩\u{200d}👧 شما",
            Ok("👨\u{200d}👩\u{200d}👧 شما"),
        );
    }

    #[test]
    fn topics_may_be_empty_and_have_250() {
        assert_eq!(Topic::parse("  ").unwrap().as_str(), "");
        assert_eq!(Topic::parse(" a \n b ").unwrap().as_str(), "a b");
        assert!(Topic::parse(&"x".repeat(250)).is_ok());
        assert_eq!(Topic::parse(&"x".repeat(251)).unwrap_err().code, "too_long");
        assert_eq!(Topic::parse("a\u{202d}").unwrap_err().field, "topic");
    }

    fn check_slug(name: &str, expected: Option<&str>) {
        let slug = Slug::of_name(&RoomName::parse(name).unwrap());
        assert_eq!(slug.as_ref().map(Slug::as_str), expected, "{name:?}");
    }

    #[test]
    fn slugs_are_words_joined_by_hyphens_and_never_digits_alone() {
        check_slug("Deep Sea", Some("deep-sea"));
        check_slug("  --Über__uns!! ", Some("über-uns"));
        check_slug("Ｆｕｌｌ　ｗｉｄｔｈ", Some("full-width"));
        check_slug("हिन्दी बात", Some("हिन्दी-बात"));
        check_slug("東京", Some("東京"));
        check_slug("2026", None);
        check_slug("20-26", None);
        check_slug("2026 plans", Some("2026-plans"));
        check_slug("!!!", None);
        check_slug("👍", None);
        check_slug("\u{301}x", Some("x"));
        check_slug("a/../b?c#d%2f", Some("a-b-c-d-2f"));
        check_slug(&"a".repeat(80), Some(&"a".repeat(60)));
        check_slug(&format!("{} tail", "a".repeat(59)), Some(&"a".repeat(59)));
        check_slug(&format!("{} tail", "1".repeat(60)), None);
    }
}
