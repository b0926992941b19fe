//! Markdown to safe HTML, compiled once per message.
//!
//! The output goes to every reader as it is: no raw HTML, no `id`, `class` (but
//! `language-*` on code), `style` or `hx-*`, no link but http, https and mailto. What a
//! viewer may see or do never depends on it.

/// Grows whenever the same source would compile to other HTML; stored beside the HTML so
/// that old rows are recompiled.
pub const MARKUP_VERSION: i64 = 1;

/// What a source compiles to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Safe HTML, ready for the page.
    pub html: String,
    /// Usernames written as `@name`, without `@`, in order, each once, at most 50. Whether
    /// they exist and may read the room is for the caller.
    pub mentions: Vec<String>,
}

/// Compiles a normalised source. Never fails: what cannot be Markdown is text. Bounded:
/// nesting, tables and references are cut off at fixed limits, so hostile input costs at
/// most 20 ms and 10 times its size.
#[must_use]
pub fn compile(source: &str) -> Compiled {
    todo!()
}

/// One line of plain text for quotes, titles and snippets: markup removed, white space
/// folded, cut at `max_chars` with an ellipsis.
#[must_use]
pub fn plain_line(source: &str, max_chars: usize) -> String {
    todo!()
}
