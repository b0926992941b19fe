//! The tree of a message, written as HTML.
//!
//! Every tag and attribute that can reach a reader is a literal in this file, and every
//! piece of text passes `push_text` or `push_attribute`. The walk is a loop over edges, not
//! a recursion, so depth costs no stack.

use comrak::arena_tree::NodeEdge;
use comrak::nodes::{ListType, Node, NodeList, NodeTable, NodeValue, TableAlignment};

use super::links::{self, Target};
use super::{Compiled, MAX_MENTIONS, guard};
use crate::text::{has_visible, is_word_char};

/// Shortest name after an `@` that is a mention. One letter would also cost eleven times
/// its size.
const MIN_MENTION_CHARS: usize = 2;
/// Longest name after an `@` that is a mention; imported usernames may have as many.
const MAX_MENTION_CHARS: usize = 150;
/// Longest word after the fence that becomes `language-*`.
const MAX_LANGUAGE_CHARS: usize = 20;

/// How a mention begins; no text can contain it, because text has no `<`.
pub(super) const MENTION_OPENS: &str = "<span data-mention=\"";

/// Text as it is: paragraphs at blank lines, breaks at line ends, nothing else but mentions.
/// Used for what needs no Markdown and for what is refused it.
pub(super) fn plain(clean: &str) -> Compiled {
    let mut out = Writer::default();
    let mut is_open = false;
    for line in clean.split('\n') {
        if !has_visible(line) {
            if is_open {
                out.html.push_str("</p>");
                is_open = false;
            }
            continue;
        }
        out.html.push_str(if is_open { "<br>" } else { "<p>" });
        is_open = true;
        out.push_with_mentions(line);
    }
    if is_open {
        out.html.push_str("</p>");
    }
    out.done()
}

/// The HTML of a parsed message; `None` when it is too deep or too long, or when nothing of
/// it would be seen (a message of link definitions alone).
pub(super) fn tree(root: Node<'_>, max_bytes: usize) -> Option<Compiled> {
    let mut out = Writer::default();
    let mut depth = 0_usize;
    for edge in root.traverse() {
        match edge {
            NodeEdge::Start(node) => {
                depth += 1;
                if depth > guard::MAX_DEPTH {
                    return None;
                }
                out.open(node);
            }
            NodeEdge::End(node) => {
                depth -= 1;
                out.close(node);
            }
        }
        if out.html.len() > max_bytes {
            return None;
        }
    }
    (out.has_text).then(|| out.done())
}

#[derive(Default)]
struct Writer {
    html: String,
    mentions: Vec<String>,
    /// The link being written, and what follows its text. Links never nest in HTML.
    link: Option<OpenLink>,
    /// Inside a link or an image whose own text is not wanted.
    hidden: usize,
    has_text: bool,
}

struct OpenLink {
    /// Which node closes it, by address.
    node: *const (),
    /// Shown after the text: where the link leads, when its text says otherwise.
    suffix: Option<String>,
}

fn address(node: Node<'_>) -> *const () {
    std::ptr::from_ref(node).cast()
}

impl Writer {
    fn done(self) -> Compiled {
        Compiled {
            html: self.html,
            mentions: self.mentions,
        }
    }

    fn open(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Text(text) => self.text(text),
            NodeValue::SoftBreak | NodeValue::LineBreak => self.tag("<br>"),
            NodeValue::Code(code) => {
                self.tag("<code>");
                self.verbatim(&code.literal);
                self.tag("</code>");
            }
            NodeValue::HtmlInline(raw) => self.verbatim(raw),
            NodeValue::HtmlBlock(raw) => self.html_block(&raw.literal),
            NodeValue::CodeBlock(code) => self.code_block(&code.info, &code.literal),
            NodeValue::Paragraph if !is_tight(node) => self.tag("<p>"),
            // A message is no document: its headings would break the page's own order.
            NodeValue::Heading(_) => self.tag("<p><strong>"),
            NodeValue::ThematicBreak => {
                self.tag("<hr>");
                self.has_text = true;
            }
            NodeValue::BlockQuote => self.tag("<blockquote>"),
            NodeValue::List(list) => self.list(list),
            NodeValue::Item(_) => self.tag("<li>"),
            NodeValue::TaskItem(task) => {
                self.has_text = true;
                self.tag(if task.symbol.is_some() {
                    "<li><input type=\"checkbox\" disabled checked aria-label=\"Done\"> "
                } else {
                    "<li><input type=\"checkbox\" disabled aria-label=\"To do\"> "
                });
            }
            NodeValue::Table(_) => self.tag("<table>"),
            NodeValue::TableRow(is_head) => self.tag(match (is_head, is_first_body_row(node)) {
                (true, _) => "<thead><tr>",
                (false, true) => "<tbody><tr>",
                (false, false) => "<tr>",
            }),
            NodeValue::TableCell => self.cell(node),
            NodeValue::Emph => self.tag("<em>"),
            NodeValue::Strong => self.tag("<strong>"),
            NodeValue::Strikethrough => self.tag("<del>"),
            NodeValue::Link(link) => self.open_link(node, &link.url),
            NodeValue::Image(image) => self.open_link(node, &image.url),
            _ => {}
        }
    }

    fn close(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Paragraph if !is_tight(node) => self.tag("</p>"),
            NodeValue::Heading(_) => self.tag("</strong></p>"),
            NodeValue::BlockQuote => self.tag("</blockquote>"),
            NodeValue::List(list) => self.tag(match list.list_type {
                ListType::Bullet => "</ul>",
                ListType::Ordered => "</ol>",
            }),
            NodeValue::Item(_) | NodeValue::TaskItem(_) => self.tag("</li>"),
            NodeValue::Table(_) => self.tag(if node.children().count() > 1 {
                "</tbody></table>"
            } else {
                "</table>"
            }),
            NodeValue::TableRow(is_head) => {
                self.tag(if *is_head { "</tr></thead>" } else { "</tr>" });
            }
            NodeValue::TableCell => self.tag(if is_head_cell(node) { "</th>" } else { "</td>" }),
            NodeValue::Emph => self.tag("</em>"),
            NodeValue::Strong => self.tag("</strong>"),
            NodeValue::Strikethrough => self.tag("</del>"),
            NodeValue::Link(_) | NodeValue::Image(_) => self.close_link(node),
            _ => {}
        }
    }

    /// A literal tag; `&'static` keeps a message's own text out of here.
    fn tag(&mut self, tag: &'static str) {
        if self.hidden == 0 {
            self.html.push_str(tag);
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        self.has_text |= has_visible(text);
        if self.link.is_some() {
            push_text(&mut self.html, text);
        } else {
            self.push_with_mentions(text);
        }
    }

    fn verbatim(&mut self, text: &str) {
        if self.hidden == 0 {
            self.has_text |= has_visible(text);
            push_text(&mut self.html, text);
        }
    }

    /// What would be HTML elsewhere is what the person typed: text.
    fn html_block(&mut self, literal: &str) {
        self.has_text = true;
        self.html.push_str("<p>");
        for (at, line) in literal.trim_end().lines().enumerate() {
            if at > 0 {
                self.html.push_str("<br>");
            }
            self.push_with_mentions(line);
        }
        self.html.push_str("</p>");
    }

    fn code_block(&mut self, info: &str, literal: &str) {
        self.has_text = true;
        self.html.push_str("<pre><code");
        let word = info
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_language = !word.is_empty()
            && word.len() <= MAX_LANGUAGE_CHARS
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'+' || b == b'-');
        if is_language {
            self.html.push_str(" class=\"language-");
            push_attribute(&mut self.html, &word);
            self.html.push('"');
        }
        self.html.push('>');
        push_text(&mut self.html, literal);
        self.html.push_str("</code></pre>");
    }

    fn list(&mut self, list: &NodeList) {
        match list.list_type {
            ListType::Bullet => self.tag("<ul>"),
            ListType::Ordered if list.start == 1 => self.tag("<ol>"),
            ListType::Ordered => {
                self.html
                    .push_str(&format!("<ol start=\"{}\">", list.start));
            }
        }
    }

    fn cell(&mut self, node: Node<'_>) {
        let is_head = is_head_cell(node);
        self.tag(match (is_head, alignment(node)) {
            (true, TableAlignment::None) => "<th>",
            (true, TableAlignment::Left) => "<th align=\"left\">",
            (true, TableAlignment::Center) => "<th align=\"center\">",
            (true, TableAlignment::Right) => "<th align=\"right\">",
            (false, TableAlignment::None) => "<td>",
            (false, TableAlignment::Left) => "<td align=\"left\">",
            (false, TableAlignment::Center) => "<td align=\"center\">",
            (false, TableAlignment::Right) => "<td align=\"right\">",
        });
    }

    /// Opens a link, or nothing when it may not be one: then its text stands alone.
    fn open_link(&mut self, node: Node<'_>, url: &str) {
        if self.link.is_some() {
            return;
        }
        let Some(target) = links::target(url) else {
            return;
        };
        let text = inner_text(node);
        self.html.push_str("<a href=\"");
        push_attribute(&mut self.html, &target.href);
        self.html
            .push_str("\" rel=\"noopener noreferrer nofollow ugc\" target=\"_blank\">");
        let (replacement, suffix) = honest_text(&text, &target);
        if let Some(shown) = replacement {
            push_text(&mut self.html, &shown);
            self.has_text = true;
            self.hidden += 1;
        }
        self.link = Some(OpenLink {
            node: address(node),
            suffix,
        });
    }

    fn close_link(&mut self, node: Node<'_>) {
        if self
            .link
            .as_ref()
            .is_none_or(|link| link.node != address(node))
        {
            return;
        }
        self.hidden = 0;
        self.html.push_str("</a>");
        if let Some(suffix) = self.link.take().and_then(|link| link.suffix) {
            push_text(&mut self.html, " (");
            push_text(&mut self.html, &suffix);
            push_text(&mut self.html, ")");
        }
    }

    /// Writes text with its `@name`s marked and collected. An `@` inside a word (an e-mail
    /// address, a path) is none.
    fn push_with_mentions(&mut self, text: &str) {
        let mut rest = text;
        let mut before = None;
        while let Some(at) = rest.find('@') {
            let (head, tail) = rest.split_at(at);
            before = head.chars().next_back().or(before);
            push_text(&mut self.html, head);
            let after = tail.get(1..).unwrap_or_default();
            let name = match before {
                Some(c) if is_word_char(c) || matches!(c, '@' | '/' | '_') => "",
                _ => mention(after),
            };
            if name.is_empty() {
                self.html.push('@');
            } else {
                self.mention(name);
            }
            before = Some(name.chars().next_back().unwrap_or('@'));
            rest = after.get(name.len()..).unwrap_or_default();
        }
        push_text(&mut self.html, rest);
    }

    fn mention(&mut self, name: &str) {
        self.html.push_str(MENTION_OPENS);
        push_attribute(&mut self.html, name);
        self.html.push_str("\">@");
        push_text(&mut self.html, name);
        self.html.push_str("</span>");
        if self.mentions.len() < MAX_MENTIONS && !self.mentions.iter().any(|known| known == name) {
            self.mentions.push(name.to_owned());
        }
    }
}

/// The name at the start of what follows an `@`; empty when there is none.
fn mention(after: &str) -> &str {
    let end = after
        .char_indices()
        .find(|(_, c)| !(is_word_char(*c) || matches!(c, '_' | '.' | '-' | '+')))
        .map_or(after.len(), |(at, _)| at);
    let name = after.get(..end).unwrap_or_default();
    // A name at the end of a sentence is followed by a dot that is not part of it.
    let name = name.trim_end_matches(['.', '-', '+']);
    let starts_well = name
        .chars()
        .next()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    let chars = name.chars().count();
    if starts_well
        && name.chars().any(char::is_alphanumeric)
        && (MIN_MENTION_CHARS..=MAX_MENTION_CHARS).contains(&chars)
    {
        name
    } else {
        ""
    }
}

/// What a link shows so that nobody is misled: its text replaced, or its host added.
fn honest_text(text: &str, target: &Target) -> (Option<String>, Option<String>) {
    if !has_visible(text) {
        return (Some(target.href.clone()), None);
    }
    let Some(host) = &target.host else {
        return (None, None);
    };
    match links::claimed_host(text) {
        // An address in other letters is shown as what it is: `xn--…`.
        Some(claimed) if claimed == *host && !text.is_ascii() && target.is_renamed => {
            (Some(target.href.clone()), None)
        }
        Some(claimed) if without_www(&claimed) == without_www(host) => (None, None),
        Some(_) => (None, Some(host.clone())),
        None if target.is_renamed => (None, Some(host.clone())),
        None => (None, None),
    }
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

fn inner_text(node: Node<'_>) -> String {
    let mut text = String::new();
    for inner in node.descendants() {
        match &inner.data().value {
            NodeValue::Text(part) => text.push_str(part),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::HtmlInline(raw) => text.push_str(raw),
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
            _ => {}
        }
    }
    text
}

/// Whether a paragraph is the text of a list item whose items stand close together.
fn is_tight(paragraph: Node<'_>) -> bool {
    let list = paragraph.parent().and_then(|item| item.parent());
    list.is_some_and(|list| matches!(&list.data().value, NodeValue::List(list) if list.tight))
}

fn is_head_cell(cell: Node<'_>) -> bool {
    cell.parent()
        .is_some_and(|row| matches!(row.data().value, NodeValue::TableRow(true)))
}

fn is_first_body_row(row: Node<'_>) -> bool {
    row.previous_sibling()
        .is_some_and(|before| matches!(before.data().value, NodeValue::TableRow(true)))
}

fn alignment(cell: Node<'_>) -> TableAlignment {
    let column = cell.preceding_siblings().count().saturating_sub(1);
    let table = cell.parent().and_then(|row| row.parent());
    table
        .and_then(|table| match &table.data().value {
            NodeValue::Table(table) => table_alignment(table, column),
            _ => None,
        })
        .unwrap_or(TableAlignment::None)
}

fn table_alignment(table: &NodeTable, column: usize) -> Option<TableAlignment> {
    table.alignments.get(column).copied()
}

/// Escapes for between tags.
fn push_text(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            _ => html.push(c),
        }
    }
}

/// Escapes for inside a double-quoted attribute.
fn push_attribute(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
}
