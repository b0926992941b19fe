//! What is done to a source before it is parsed, and when it is not parsed at all.
//!
//! A person never meets these limits. Whoever does gets their text back as text, which is
//! why no limit here needs an error message.

use std::cell::Cell;

use unicode_normalization::char::is_combining_mark;

use crate::text::{is_bidi_control, is_invisible};

/// Combining marks in a row that are shown; more only paint over the lines above.
const MAX_MARKS: usize = 8;
/// Blank lines in a row that are kept, inside code as well.
const MAX_BLANK_LINES: usize = 2;
/// Quote and list markers at the start of one line.
const MAX_LINE_MARKERS: usize = 32;
/// Cells of all tables together; comrak fills short rows up, so a line can cost a thousand.
const MAX_TABLE_CELLS: usize = 2_000;
/// Nodes between the root and a leaf.
pub(super) const MAX_DEPTH: usize = 64;

/// The most bytes of HTML for a source: ten times its size, and room for the attributes of
/// a few links in a short one.
pub(super) fn max_output(source_bytes: usize) -> usize {
    source_bytes.saturating_mul(10).saturating_add(4_096)
}

/// How long comrak may work, counted in its own steps and not in time, so that the same
/// source compiles to the same HTML on every machine.
pub(super) struct ParseBudget {
    checks_left: Cell<usize>,
}

impl ParseBudget {
    /// comrak asks once in 256 steps. Measured: prose asks once in 128 bytes or fewer, a
    /// list of one-letter items, which is the densest that a person writes, once in 43.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        Self {
            checks_left: Cell::new(64 + bytes / 32),
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        match self.checks_left.get().checked_sub(1) {
            Some(left) => {
                self.checks_left.set(left);
                false
            }
            None => true,
        }
    }
}

/// The source as it is shown: without controls and direction overrides (which also hide
/// what code does), with piles of combining marks and runs of blank lines cut.
pub(super) fn clean(source: &str) -> String {
    let mut clean = String::with_capacity(source.len());
    let mut blank_lines = 0;
    for line in source.split('\n') {
        let is_blank = line.chars().all(is_invisible);
        blank_lines = if is_blank { blank_lines + 1 } else { 0 };
        if blank_lines > MAX_BLANK_LINES {
            continue;
        }
        if !clean.is_empty() || is_blank {
            clean.push('\n');
        }
        if !is_blank {
            push_clean_line(&mut clean, line);
        }
    }
    clean
}

fn push_clean_line(clean: &mut String, line: &str) {
    if line.is_ascii() && !line.bytes().any(|b| b < b' ' || b == 0x7f) {
        clean.push_str(line);
        return;
    }
    let mut marks = 0;
    for c in line.chars() {
        if is_combining_mark(c) {
            marks += 1;
            if marks > MAX_MARKS {
                continue;
            }
        } else if is_bidi_control(c) || (c.is_control() && c != '\t') {
            continue;
        } else if !is_invisible(c) || c == ' ' {
            // Only something visible starts a new pile, or a zero-width joiner would.
            marks = 0;
        }
        clean.push(c);
    }
}

/// Whether Markdown would change nothing but paragraphs and line breaks. Most chat is so,
/// and parsing it would cost most of the time of a post. It errs on the side of `false`.
pub(super) fn is_plain(clean: &str) -> bool {
    let mut last = '\n';
    for (at, c) in clean.char_indices() {
        match c {
            '*' | '_' | '`' | '~' | '[' | ']' | '<' | '>' | '&' | '\\' | '|' | '@' | '\t' => {
                return false;
            }
            ':' if clean[at..].starts_with("://") => return false,
            '.' if last == 'w' && clean[..at].ends_with("www") => return false,
            '\n' if last.is_whitespace() && last != '\n' => return false,
            _ if last == '\n' && c != '\n' && !starts_plain_line(&clean[at..]) => return false,
            _ => {}
        }
        last = c;
    }
    !last.is_whitespace()
}

/// Whether a line can be no heading, list, rule or code by how it begins.
fn starts_plain_line(rest: &str) -> bool {
    let after_digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    match after_digits.chars().next() {
        None => true,
        Some(c) if after_digits.len() < rest.len() => !matches!(c, '.' | ')'),
        Some(c) => {
            c.is_alphabetic()
                || matches!(
                    c,
                    '"' | '\'' | '(' | '!' | '?' | '.' | ',' | '/' | '$' | '%'
                )
                || matches!(c, '\u{2010}'..='\u{2027}' | '«' | '»' | '¿' | '¡')
                || ('\u{2190}'..='\u{2bff}').contains(&c)
                || ('\u{1f000}'..='\u{1faff}').contains(&c)
        }
    }
}

/// Whether a source is built to cost more than it says, so that it is shown as text.
pub(super) fn is_suspicious(clean: &str) -> bool {
    let mut cells = 0_usize;
    let mut columns = 0_usize;
    for line in clean.split('\n') {
        if count_markers(line) > MAX_LINE_MARKERS {
            return true;
        }
        let line = line.trim();
        if line.is_empty() {
            columns = 0;
            continue;
        }
        if is_delimiter_row(line) {
            // This row makes no cells, but the head above it does, and is as wide.
            let inner = line.trim_matches(|c: char| c == '|' || c.is_whitespace());
            columns = columns.max(inner.bytes().filter(|b| *b == b'|').count() + 1);
        }
        cells = cells.saturating_add(columns);
        if cells > MAX_TABLE_CELLS {
            return true;
        }
    }
    false
}

/// Quote and list markers before a line's text.
fn count_markers(line: &str) -> usize {
    let mut markers = 0;
    let mut last = b' ';
    for b in line.bytes() {
        match b {
            b'>' => markers += 1,
            b'-' | b'+' | b'*' if last == b' ' || last == b'>' || last == b'\t' => markers += 1,
            b'.' | b')' if last.is_ascii_digit() => markers += 1,
            b' ' | b'\t' | b'0'..=b'9' => {}
            _ => break,
        }
        last = b;
    }
    markers
}

/// Whether a line may be the row under a table's head. Quotes and lists may hold it.
fn is_delimiter_row(line: &str) -> bool {
    line.contains('-')
        && line.contains(['|', ':'])
        && line.bytes().all(|b| {
            matches!(
                b,
                b'|' | b':' | b'-' | b' ' | b'\t' | b'>' | b'+' | b'*' | b'.' | b')' | b'0'..=b'9'
            )
        })
}
