//! Words to search by, made here alone so that both databases find the same messages.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest token, in bytes of UTF-8.
pub const MAX_TOKEN_BYTES: usize = 64;
/// The most tokens of one text.
pub const MAX_TOKENS: usize = 10_000;

/// The tokens of a text, in order, repeats kept: NFKD, diacritics cut, lower case, split at
/// everything but letters and digits; runs of CJK become overlapping bigrams (a single
/// character stays alone). Each at most 64 bytes; at most 10,000 tokens.
///
/// Only letters, digits and non-ASCII bytes come out, so the result joined by spaces is a
/// safe document for FTS5 (`tokenize='ascii'`) and for a `tsvector` literal.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    if text.is_ascii() {
        return ascii_tokens(text);
    }
    unicode_tokens(text)
}

/// Most messages; nothing in them decomposes, and this runs for each.
fn ascii_tokens(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_TOKENS)
        .map(|word| word[..word.len().min(MAX_TOKEN_BYTES)].to_ascii_lowercase())
        .collect()
}

fn unicode_tokens(text: &str) -> Vec<String> {
    let mut tokens = Tokens::default();
    let folded = text
        .nfkd()
        .filter(|c| !is_diacritic(*c) && !is_joiner(*c))
        .flat_map(char::to_lowercase)
        .filter(|c| !is_diacritic(*c))
        // Composed again, because NFKD takes Hangul syllables and voiced kana apart too.
        .nfc();
    for c in folded {
        if tokens.done.len() >= MAX_TOKENS {
            break;
        }
        if is_cjk(c) {
            tokens.end_word();
            tokens.push_cjk(c);
        } else if c.is_alphanumeric() || (is_combining_mark(c) && !tokens.word.is_empty()) {
            tokens.end_cjk();
            // A word's tail beyond the limit is not searchable; it still ends at its end.
            if tokens.word.len() + c.len_utf8() <= MAX_TOKEN_BYTES {
                tokens.word.push(if c == 'ς' { 'σ' } else { c });
            }
        } else {
            tokens.end_word();
            tokens.end_cjk();
        }
    }
    tokens.end_word();
    tokens.end_cjk();
    tokens.done.truncate(MAX_TOKENS);
    tokens.done
}

#[derive(Default)]
struct Tokens {
    done: Vec<String>,
    word: String,
    /// The last character of the CJK run and whether a bigram has been made with it.
    cjk: Option<(char, bool)>,
}

impl Tokens {
    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    fn push_cjk(&mut self, c: char) {
        if let Some((last, _)) = self.cjk {
            self.done.push(String::from_iter([last, c]));
        }
        self.cjk = Some((c, self.cjk.is_some()));
    }

    fn end_cjk(&mut self) {
        if let Some((alone, false)) = self.cjk.take() {
            self.done.push(alone.to_string());
        }
    }
}

/// Marks that people leave out when they type a search: accents, Hebrew points, Arabic
/// vowel signs. Not every combining mark: in Hindi or Thai they are vowels, and cutting
/// them would make different words equal.
fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}'
        | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe2f}')
}

/// Invisible characters inside a word that must not split it.
fn is_joiner(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

/// Scripts written without spaces (and Hangul, whose particles stick to the word).
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3005}' | '\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3105}'..='\u{312f}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_TOKEN_BYTES, MAX_TOKENS, ascii_tokens, tokens, unicode_tokens};

    fn check(text: &str, expected: &str) {
        assert_eq!(tokens(text).join(" "), expected, "{text:?}");
    }

    #[test]
    fn words_are_folded_and_split() {
        check("", "");
        check("Hello, World! hello", "hello world hello");
        check("don't re-enter a_b v1.2", "don t re enter a b v1 2");
        check(
            "Crème BRÛLÉE Ångström İstanbul",
            "creme brulee angstrom istanbul",
        );
        check("ﬁne ＦＵＬＬ ①", "fine full 1");
        check("ΤΈΛΟΣ τέλος", "τελοσ τελοσ");
        check("co\u{ad}operate zero\u{200b}width", "cooperate zerowidth");
        check("हिन्दी में", "हिन्दी में");
        check("שָׁלוֹם مُحَمَّد", "שלום محمد");
        check("https://a.example/x?y=1", "https a example x y 1");
        check("👍 !!! \u{301}", "");
    }

    #[test]
    fn cjk_runs_become_overlapping_bigrams() {
        check("東", "東");
        check("東京", "東京");
        check("東京都庁", "東京 京都 都庁");
        check("東京tower東", "東京 tower 東");
        check("がんばる", "がん んば ばる");
        check("ｶﾞ", "ガ");
        check("안녕 하세요", "안녕 하세 세요");
    }

    #[test]
    fn tokens_are_bounded() {
        let long = tokens(&"ж".repeat(500));
        assert_eq!(long, ["ж".repeat(32)]);
        assert_eq!(tokens(&"a ".repeat(30_000)).len(), MAX_TOKENS);
        assert_eq!(tokens(&"東".repeat(30_000)).len(), MAX_TOKENS);
    }

    proptest! {
        #[test]
        fn the_short_way_gives_the_same(text in "[ -~\n\t]{0,300}") {
            prop_assert_eq!(ascii_tokens(&text), unicode_tokens(&text));
        }

        /// FTS5 with `tokenize='ascii'` and a tsvector literal both take the joined tokens
        /// as they are, and making tokens of tokens changes nothing.
        #[test]
        fn tokens_hold_no_syntax_and_are_stable(text in "\\PC{0,60}") {
            let once = tokens(&text);
            for token in &once {
                prop_assert!(!token.is_empty() && token.len() <= MAX_TOKEN_BYTES);
                prop_assert!(token.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
                prop_assert!(!token.contains(char::is_whitespace));
            }
            let words: Vec<_> = once.iter().flat_map(|token| tokens(token)).collect();
            prop_assert_eq!(&words, &once);
        }
    }
}
