//! What counts as visible, and the rules that all one-line texts share.
//!
//! Not for Markdown (that is `markup`). Easy to get wrong: a text can be full of characters
//! and show nothing, so "is it empty" is never `trim().is_empty()`.

use unicode_normalization::char::is_combining_mark;

use crate::Invalid;

/// Whether a character turns the direction of the text around it. An unclosed one would
/// reorder whatever the page shows after it, so names refuse them and messages drop them.
/// The marks U+200E and U+200F are not among them: they move nothing but themselves.
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character leaves no trace on the screen: white space, controls, zero-width
/// and default-ignorable characters, and the blanks that fonts draw as nothing.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether anything can be seen.
pub(crate) fn has_visible(text: &str) -> bool {
    text.chars().any(|c| !is_invisible(c))
}

/// Whether a character belongs to a word: letters and digits of any script, and the marks
/// that Indic scripts spell their vowels with.
pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// What a one-line text is called in the API and in sentences, and how long it may be.
pub(crate) struct Line {
    /// The input's name in forms and the API.
    pub field: &'static str,
    /// How a sentence calls it, with its article.
    pub called: &'static str,
    /// The most Unicode scalar values.
    pub max_chars: usize,
}

impl Line {
    /// Cuts outer white space, makes inner runs of it one space, and refuses control and
    /// direction characters and what is too long. Empty is left to the caller.
    pub(crate) fn clean(&self, text: &str) -> Result<String, Invalid> {
        // Counted before the copy is made, so that a megabyte is refused without one.
        let mut line = String::with_capacity(text.len().min(self.max_chars * 4));
        let mut chars = 0;
        for word in text.split_whitespace() {
            if !line.is_empty() {
                line.push(' ');
                chars += 1;
            }
            for c in word.chars() {
                if c.is_control() || is_bidi_control(c) {
                    return Err(Invalid::new(
                        self.field,
                        "invalid",
                        format!(
                            "{} cannot contain control characters or characters that turn the writing direction.",
                            self.called
                        ),
                    ));
                }
                chars += 1;
                if chars > self.max_chars {
                    return Err(self.too_long(text));
                }
                line.push(c);
            }
        }
        Ok(line)
    }

    /// As [`Line::clean`], and something must be visible.
    pub(crate) fn clean_visible(&self, text: &str) -> Result<String, Invalid> {
        let line = self.clean(text)?;
        if has_visible(&line) {
            Ok(line)
        } else {
            Err(Invalid::new(
                self.field,
                "empty",
                format!("{} needs at least one visible character.", self.called),
            ))
        }
    }

    fn too_long(&self, text: &str) -> Invalid {
        Invalid::new(
            self.field,
            "too_long",
            format!(
                "{} can have at most {} characters; this has {}.",
                self.called,
                self.max_chars,
                text.trim().chars().count()
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{has_visible, is_invisible};

    #[test]
    fn blank_looking_texts_are_not_visible() {
        for blank in [
            "",
            " \n\t",
            "\u{200b}",
            "\u{feff}\u{2060}",
            "\u{3164}",
            "\u{2800}",
            "\u{ad}\u{200d}",
            "\u{e0041}",
            "\u{202e} \u{2066}",
            "\0\u{1b}",
        ] {
            assert!(!has_visible(blank), "{blank:?}");
        }
        for seen in ["a", ".", "\u{200b}ა", "❤\u{fe0f}", "あ"] {
            assert!(has_visible(seen), "{seen:?}");
        }
        assert!(!is_invisible('\u{301}'), "a lone accent shows");
    }
}
