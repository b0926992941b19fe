//! Agreeing on permessage-deflate (RFC 7692 §7.1).

/// The two answers we can give. Frames are deflated once for everybody with a 15-bit
/// window and without context, so nothing else can be agreed on.
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const ANSWER_WINDOW: &str = "permessage-deflate; server_no_context_takeover; \
                             client_no_context_takeover; server_max_window_bits=15";

/// The `Sec-WebSocket-Extensions` answer to what a client offers; `None` when no offer
/// suits and the connection goes on without compression.
///
/// `header` is the request's value, several header lines joined by `, `. Offers are tried
/// in order. One with an unknown, doubled or wrongly valued parameter is declined, as is
/// one that demands a smaller window from us.
#[must_use]
pub fn negotiate_deflate(header: &str) -> Option<&'static str> {
    split_outside_quotes(header, ',').find_map(answer_offer)
}

fn answer_offer(offer: &str) -> Option<&'static str> {
    let mut parts = split_outside_quotes(offer, ';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquote(value.trim())?)),
            None => (parameter, None),
        };
        let which = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some("15")) => 2,
            // A hint how small a window the client could use; we need not answer it.
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(bits)) if is_window_bits(bits) => 3,
            _ => return None,
        };
        if std::mem::replace(&mut seen[which], true) {
            return None;
        }
    }
    Some(if seen[2] { ANSWER_WINDOW } else { ANSWER })
}

fn is_window_bits(text: &str) -> bool {
    matches!(text, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// The value without its quotes; `None` when they do not match.
fn unquote(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains('"')),
        None => (!value.is_empty() && !value.contains('"')).then_some(value),
    }
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        if character == '"' {
            is_quoted = !is_quoted;
        }
        character == separator && !is_quoted
    })
}
