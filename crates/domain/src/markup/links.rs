//! Which addresses may be links, and how they are written.
//!
//! An address that is not plainly one of the three allowed schemes is not repaired, it is
//! text. The check reads the address as the most lenient browser would.

use unicode_normalization::UnicodeNormalization;

use super::punycode;
use crate::text::{is_invisible, is_word_char};

/// Longest address that becomes a link, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// An address that may be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// ASCII only; nothing in it needs escaping but `&`.
    pub href: String,
    /// The host as the DNS knows it; `None` for mail.
    pub host: Option<String>,
    /// Whether the host was written with other letters than it has in the DNS.
    pub is_renamed: bool,
}

/// The target of an address as Markdown gave it (entities and escapes already undone).
pub(super) fn target(url: &str) -> Option<Target> {
    if url.len() > MAX_URL_BYTES || url.chars().any(is_invisible) {
        return None;
    }
    let (scheme, rest) = url.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" => mail(rest),
        "http" => web("http", rest),
        "https" => web("https", rest),
        _ => None,
    }
}

fn mail(rest: &str) -> Option<Target> {
    let (local, domain) = rest.split_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then(|| Target {
        href: format!("mailto:{}", percent_encode(rest)),
        host: None,
        is_renamed: false,
    })
}

fn web(scheme: &str, rest: &str) -> Option<Target> {
    let rest = rest.strip_prefix("//")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.starts_with('\\') || logs_out(path) {
        return None;
    }
    // `https://bank.example@evil.example` goes to evil.example, so a user part is refused.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, Some(port))
        }
        _ => (authority, None),
    };
    let ascii = ascii_host(host)?;
    let is_renamed = !host.is_ascii();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(Target {
        href: format!("{scheme}://{ascii}{port}{}", percent_encode(path)),
        host: Some(ascii),
        is_renamed,
    })
}

/// The host as a browser asks for it: NFKC, lower case, punycode. `None` for what cannot be
/// a host.
pub(super) fn ascii_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let is_address = inner.contains(':')
            && inner
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
        return is_address.then(|| host.to_ascii_lowercase());
    }
    let folded: String = host.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let folded = folded.replace('。', ".");
    let mut ascii = String::with_capacity(folded.len());
    for label in folded.strip_suffix('.').unwrap_or(&folded).split('.') {
        let is_label = !label.is_empty()
            && label
                .chars()
                .all(|c| is_word_char(c) || c == '-' || c == '_');
        if !is_label {
            return None;
        }
        if !ascii.is_empty() {
            ascii.push('.');
        }
        if label.is_ascii() {
            ascii.push_str(label);
        } else {
            ascii.push_str("xn--");
            ascii.push_str(&punycode::encode(label)?);
        }
    }
    (ascii.len() <= 253).then_some(ascii)
}

/// Whether a path might end the reader's session: a link in a message is a navigation by
/// the reader, which is what `/logout/` believes. The host is not known here, so any path
/// with such a part counts, in whatever way it is written.
fn logs_out(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut decoded = path.to_owned();
    for _ in 0..3 {
        decoded = percent_decode(&decoded);
    }
    decoded
        .to_lowercase()
        .split(['/', '\\'])
        .any(|part| part.trim_matches(|c: char| is_invisible(c)) == "logout")
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let value = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match value {
            Some(value) => {
                bytes.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Encodes everything that is not plainly part of an address; what is encoded stays so.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~:/?#@!$&()*+,;=%".contains(&b) {
            encoded.push(char::from(b));
        } else {
            encoded.push_str(&format!("%{b:02X}"));
        }
    }
    encoded
}

/// The host that a link's text claims to lead to, if it looks like an address at all.
pub(super) fn claimed_host(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let after_scheme = lower
        .find("://")
        .and_then(|at| text.get(at + 3..))
        .unwrap_or(text);
    let end = after_scheme
        .find(['/', '?', '#', '\\'])
        .unwrap_or(after_scheme.len());
    let authority = after_scheme.get(..end)?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    // `v1.2` or `e.g.` claims nothing: a host ends in a word of letters.
    let ends_like_a_host = host
        .rsplit_once('.')
        .is_some_and(|(_, end)| end.chars().count() >= 2 && end.chars().all(char::is_alphabetic));
    if ends_like_a_host || lower.contains("://") {
        ascii_host(host)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{claimed_host, target};

    fn check(url: &str, expected: Option<&str>) {
        assert_eq!(
            target(url).map(|target| target.href).as_deref(),
            expected,
            "{url:?}"
        );
    }

    #[test]
    fn only_web_and_mail_addresses_are_links() {
        check("https://a.example", Some("https://a.example"));
        check(
            "HTTP://A.Example:8080/x?y=1&z#f",
            Some("http://a.example:8080/x?y=1&z#f"),
        );
        check("https://a.example/a b", None);
        check(
            "https://a.example/\"'<>`\\^{}",
            Some("https://a.example/%22%27%3C%3E%60%5C%5E%7B%7D"),
        );
        check("https://a.example/ü", Some("https://a.example/%C3%BC"));
        check(
            "https://bücher.example/",
            Some("https://xn--bcher-kva.example/"),
        );
        check(
            "https://BÜCHER。example/",
            Some("https://xn--bcher-kva.example/"),
        );
        check("http://[::1]:8000/", Some("http://[::1]:8000/"));
        check("http://localhost/", Some("http://localhost/"));
        check("mailto:a@b.example", Some("mailto:a@b.example"));
        check(
            "mailto:a@b.example?subject=\"x\"",
            Some("mailto:a@b.example?subject=%22x%22"),
        );
        for refused in [
            "",
            "a.example",
            "/rooms/",
            "//a.example",
            "#top",
            "?x",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "\u{1}javascript:alert(1)",
            " https://a.example",
            "java\nscript:x",
            "data:text/html,x",
            "vbscript:x",
            "intent:x",
            "ftp://a.example",
            "file:///etc/passwd",
            "xmpp:a@b.example",
            "blob:https://a.example/x",
            "view-source:https://a.example",
            "http:a.example",
            "http:/a.example",
            "https:\\\\a.example",
            "https://",
            "https:///x",
            "https://a.example\\@b.example",
            "https://a@b.example",
            "https://a:b@c.example",
            "https://a..example",
            "https://a.example:x/",
            "https://a%2eexample/",
            "https://℀.example/",
            "https://a.example/\u{202e}gpj",
            "mailto:",
            "mailto:@",
            "mailto:x",
            "https://a b/",
        ] {
            check(refused, None);
        }
    }

    #[test]
    fn nothing_links_to_a_log_out() {
        for refused in [
            "https://chat.example/logout/",
            "http://localhost:8000/LOGOUT",
            "http://a/x/../logout",
            "http://a//logout/",
            "http://a/%6cogout/",
            "http://a/%256cogout",
            "http://a/logout?x",
            "http://a/./logout#x",
            "http://a/x\\..\\logout",
            "http://a/x/..%2flogout/",
            "http://a/logout%09",
        ] {
            check(refused, None);
        }
        check(
            "http://a.example/docs/logout-flow",
            Some("http://a.example/docs/logout-flow"),
        );
    }

    #[test]
    fn a_text_that_looks_like_an_address_claims_a_host() {
        let check = |text: &str, host: Option<&str>| {
            assert_eq!(claimed_host(text).as_deref(), host, "{text:?}");
        };
        check("https://bank.example/x", Some("bank.example"));
        check("www.bank.example", Some("www.bank.example"));
        check("bank.example", Some("bank.example"));
        check("Bank.Example:443", Some("bank.example"));
        check("http://localhost", Some("localhost"));
        check("x@bank.example", Some("bank.example"));
        check("the docs", None);
        check("version 1.2", None);
        check("e.g.", None);
        check("see bank.example now", None);
    }
}
