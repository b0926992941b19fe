//! Markdown to safe HTML, compiled once per message.
//!
//! The output goes to every reader as it is: no raw HTML, no `id`, `class` (but
//! `language-*` on code), `style` or `hx-*`, no link but http, https and mailto. What a
//! viewer may see or do never depends on it.
//!
//! comrak parses; the HTML is written here from its tree, so that every tag and attribute
//! that can come out is a literal in `render.rs`. There is no sanitiser behind it: adding a
//! tag there is adding it to what strangers can send to everybody.

mod guard;
mod links;
mod punycode;
mod render;

use comrak::nodes::{Node, NodeValue};
use comrak::{Arena, Options, try_parse_document};
use unicode_segmentation::UnicodeSegmentation;

/// Grows whenever the same source would compile to other HTML; stored beside the HTML so
/// that old rows are recompiled.
pub const MARKUP_VERSION: i64 = 1;

/// The most different usernames that one message can mention.
pub const MAX_MENTIONS: usize = 50;

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
    let clean = guard::clean(source);
    if guard::is_plain(&clean) {
        return render::plain(&clean);
    }
    compile_markdown(&clean)
}

/// The usernames marked in compiled HTML, in order, repeats kept: what `Compiled::mentions`
/// was made from, for whoever has only the stored HTML. One pass, no copies; a name holds
/// no character that HTML escapes.
pub fn mentions_in(html: &str) -> impl Iterator<Item = &str> {
    html.split(render::MENTION_OPENS)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

/// The slow path; what the fast path leaves out is only time.
fn compile_markdown(clean: &str) -> Compiled {
    with_tree(clean, |root| {
        render::tree(root, guard::max_output(clean.len()))
    })
    .flatten()
    .unwrap_or_else(|| render::plain(clean))
}

/// One line of plain text for quotes, titles and snippets: markup removed, white space
/// folded, cut at `max_chars` with an ellipsis.
#[must_use]
pub fn plain_line(source: &str, max_chars: usize) -> String {
    // Markup can take most of a source, but a line of a title is not worth parsing 40,000
    // characters for.
    let head: String = source
        .chars()
        .take(max_chars.saturating_mul(8).saturating_add(400))
        .collect();
    let clean = guard::clean(&head);
    let text = with_tree(&clean, visible_text)
        .filter(|text| !text.trim().is_empty())
        .unwrap_or_else(|| clean.clone());
    cut(&fold_white_space(&text), max_chars)
}

/// Hands the parsed tree to `read`; `None` when the source is not worth or not safe to parse.
fn with_tree<T>(clean: &str, read: impl for<'a> FnOnce(Node<'a>) -> T) -> Option<T> {
    if guard::is_suspicious(clean) {
        return None;
    }
    let arena = Arena::new();
    let budget = guard::ParseBudget::for_bytes(clean.len());
    let root = try_parse_document(&arena, clean, &options(), &|| budget.is_spent()).ok()?;
    Some(read(root))
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options
}

fn visible_text(root: Node<'_>) -> String {
    let mut text = String::new();
    for node in root.descendants() {
        match &node.data().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::CodeBlock(code) => {
                text.push(' ');
                text.push_str(&code.literal);
            }
            NodeValue::HtmlInline(raw) => text.push_str(raw),
            NodeValue::HtmlBlock(raw) => {
                text.push(' ');
                text.push_str(&raw.literal);
            }
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
            value if value.block() => text.push(' '),
            _ => {}
        }
    }
    text
}

fn fold_white_space(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// At most `max_chars` characters, the ellipsis included, never half a grapheme.
fn cut(line: &str, max_chars: usize) -> String {
    if line.chars().count() <= max_chars {
        return line.to_owned();
    }
    let mut kept = String::new();
    let mut chars = 0;
    for grapheme in line.graphemes(true) {
        chars += grapheme.chars().count();
        if chars >= max_chars {
            break;
        }
        kept.push_str(grapheme);
    }
    let mut kept = kept.trim_end().to_owned();
    if max_chars > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
