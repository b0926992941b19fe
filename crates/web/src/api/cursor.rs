//! Cursors: where the next page of a list begins.
//!
//! A cursor names its list, so that one of another room or another list is refused, and
//! carries a checksum against mistyped ones. It is no secret and proves nothing: access is
//! checked on every page anew.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::Problem;

/// Longest cursor read: the longest name, folded, with room to spare.
const MAX_CURSOR_BYTES: usize = 1024;

/// Makes a cursor of `list` (which names the list, e.g. `messages:17`) from its `parts`.
pub(crate) fn write(list: &str, parts: &[&str]) -> String {
    let mut text = String::from(list);
    for part in parts {
        text.push('\0');
        text.push_str(part);
    }
    let sum = crc32fast::hash(text.as_bytes()).to_be_bytes();
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&sum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The parts of a cursor of `list`; exactly `N`.
///
/// # Errors
/// 400 for one of another list, or none at all.
pub(crate) fn read<const N: usize>(list: &str, cursor: &str) -> Result<[String; N], Problem> {
    parse(list, cursor).ok_or_else(|| {
        Problem::invalid_field(
            "cursor",
            "this cursor does not belong to this list; start anew",
        )
    })
}

fn parse<const N: usize>(list: &str, cursor: &str) -> Option<[String; N]> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (text, sum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(text).to_be_bytes() != *sum {
        return None;
    }
    let mut parts = std::str::from_utf8(text).ok()?.split('\0');
    if parts.next()? != list {
        return None;
    }
    let parts: Vec<String> = parts.map(str::to_owned).collect();
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn cursors_belong_to_their_list() {
        let cursor = write("members:1", &["äda", "17"]);
        assert_eq!(read::<2>("members:1", &cursor).unwrap(), ["äda", "17"]);
        assert!(read::<2>("members:2", &cursor).is_err());
        assert!(read::<1>("members:1", &cursor).is_err());
        for forged in [
            "",
            "x",
            "AAAA",
            "bWVtYmVyczox",
            &cursor[1..],
            &"A".repeat(5000),
        ] {
            assert!(read::<2>("members:1", forged).is_err(), "{forged}");
        }
    }
}
