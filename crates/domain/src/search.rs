//! Words to search by, made here alone so that both databases find the same messages.

/// The tokens of a text, in order, repeats kept: NFKD, diacritics cut, lower case, split at
/// everything but letters and digits; runs of CJK become overlapping bigrams (a single
/// character stays alone). Each at most 64 bytes; at most 10,000 tokens.
///
/// Only letters, digits and non-ASCII bytes come out, so the result joined by spaces is a
/// safe document for FTS5 (`tokenize='ascii'`) and for a `tsvector` literal.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    todo!()
}
