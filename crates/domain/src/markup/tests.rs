//! What comes out of the compiler, judged by an allow-list and not by a list of attacks.

mod allow_list;
mod hostile;

use super::{compile, compile_markdown, guard, mentions_in, plain_line};

/// What every link carries, left out of the expectations below.
const REL: &str = " rel=\"noopener noreferrer nofollow ugc\" target=\"_blank\"";

fn check(source: &str, expected: &str) {
    let html = compile(source).html;
    allow_list::check(&html).unwrap_or_else(|why| panic!("{why}\n{source:?}\n{html}"));
    assert_eq!(html.replace(REL, ""), expected, "{source:?}");
}

fn check_line(source: &str, max_chars: usize, expected: &str) {
    assert_eq!(plain_line(source, max_chars), expected, "{source:?}");
}

#[test]
fn text_becomes_paragraphs_and_every_line_end_a_break() {
    check("hello", "<p>hello</p>");
    check("one\ntwo", "<p>one<br>two</p>");
    check("one\n\ntwo", "<p>one</p><p>two</p>");
    check("one  \ntwo\\\nthree", "<p>one<br>two<br>three</p>");
    check("a\n\n\n\n\n\nb", "<p>a</p><p>b</p>");
    check(&format!("a{}b", "\n".repeat(10_000)), "<p>a</p><p>b</p>");
    check(
        &format!("a{}b", "\u{200b}\n".repeat(10_000)),
        "<p>a\u{200b}</p><p>b</p>",
    );
    check(
        "1 < 2 & 3 > 2 \"q\" 'r'",
        "<p>1 &lt; 2 &amp; 3 &gt; 2 \"q\" 'r'</p>",
    );
}

#[test]
fn markdown_as_people_write_it() {
    check(
        "**b** *i* _i_ ~~s~~ `c`",
        "<p><strong>b</strong> <em>i</em> <em>i</em> <del>s</del> <code>c</code></p>",
    );
    check(
        "snake_case_name 2*3*4",
        "<p>snake_case_name 2<em>3</em>4</p>",
    );
    check(
        "- a\n- b\n  - c",
        "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>",
    );
    check("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>");
    check("7) a", "<ol start=\"7\"><li>a</li></ol>");
    check("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>");
    check("> a\n> b", "<blockquote><p>a<br>b</p></blockquote>");
    check("a\n***\nb", "<p>a</p><hr><p>b</p>");
    check(
        "- [ ] a\n- [x] b",
        "<ul><li><input type=\"checkbox\" disabled aria-label=\"To do\"> a</li>\
         <li><input type=\"checkbox\" disabled checked aria-label=\"Done\"> b</li></ul>",
    );
    check(
        "# H *i*\n###### h",
        "<p><strong>H <em>i</em></strong></p><p><strong>h</strong></p>",
    );
    check("T\n===", "<p><strong>T</strong></p>");
    check(
        "| a | b |\n|:--|--:|\n| 1 | **2** |\n| 3 |",
        "<table><thead><tr><th align=\"left\">a</th><th align=\"right\">b</th></tr></thead>\
         <tbody><tr><td align=\"left\">1</td><td align=\"right\"><strong>2</strong></td></tr>\
         <tr><td align=\"left\">3</td><td align=\"right\"></td></tr></tbody></table>",
    );
    check(
        "|a|\n|-|",
        "<table><thead><tr><th>a</th></tr></thead></table>",
    );
}

#[test]
fn code_is_verbatim_and_names_only_simple_languages() {
    check(
        "```rust\nlet x = a<b>(\"&\");\n```",
        "<pre><code class=\"language-rust\">let x = a&lt;b&gt;(\"&amp;\");\n</code></pre>",
    );
    check(
        "```C++ x=y\n**a** @ada\n```",
        "<pre><code class=\"language-c++\">**a** @ada\n</code></pre>",
    );
    check("    indented", "<pre><code>indented\n</code></pre>");
    check("```\nopen", "<pre><code>open</code></pre>");
    check(
        "`<b>` `@ada` ``a`b``",
        "<p><code>&lt;b&gt;</code> <code>@ada</code> <code>a`b</code></p>",
    );
    for info in [
        "\" onclick=x",
        "c#",
        "é",
        "a\"b",
        "<b>",
        "abcdefghijklmnopqrstuvwxyz",
    ] {
        check(&format!("```{info}\nx\n```"), "<pre><code>x\n</code></pre>");
    }
}

#[test]
fn raw_html_is_text() {
    check("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>");
    check(
        "<div id=\"messages\" hx-swap-oob=\"true\">\nx\n</div>",
        "<p>&lt;div id=\"messages\" hx-swap-oob=\"true\"&gt;<br>x<br>&lt;/div&gt;</p>",
    );
    check("a <!-- b --> c", "<p>a &lt;!-- b --&gt; c</p>");
    check(
        "&lt;b&gt; &#60;b&#62; &amp;lt;",
        "<p>&lt;b&gt; &lt;b&gt; &amp;lt;</p>",
    );
}

#[test]
fn links_lead_where_they_say() {
    check(
        "[t](https://a.example/?x=1&y)",
        "<p><a href=\"https://a.example/?x=1&amp;y\">t</a></p>",
    );
    check(
        "https://a.example/x.",
        "<p><a href=\"https://a.example/x\">https://a.example/x</a>.</p>",
    );
    check(
        "www.a.example",
        "<p><a href=\"http://www.a.example\">www.a.example</a></p>",
    );
    check(
        "<https://a.example>",
        "<p><a href=\"https://a.example\">https://a.example</a></p>",
    );
    check(
        "me@a.example",
        "<p><a href=\"mailto:me@a.example\">me@a.example</a></p>",
    );
    check(
        "[t](https://a.example \"title\")",
        "<p><a href=\"https://a.example\">t</a></p>",
    );
    check(
        "[t][r]\n\n[r]: https://a.example",
        "<p><a href=\"https://a.example\">t</a></p>",
    );
    check(
        "![alt](https://a.example/p.png)",
        "<p><a href=\"https://a.example/p.png\">alt</a></p>",
    );
    check(
        "![](https://a.example/p.png)",
        "<p><a href=\"https://a.example/p.png\">https://a.example/p.png</a></p>",
    );
    check(
        "[a ![b](https://b.example) c](https://a.example)",
        "<p><a href=\"https://a.example\">a b c</a></p>",
    );
    check("[t](javascript:alert(1))", "<p>t</p>");
    check(
        "[t](/logout/) http://chat.example/logout/",
        "<p>t http://chat.example/logout/</p>",
    );
    check(
        "[bank.example](https://evil.example/x)",
        "<p><a href=\"https://evil.example/x\">bank.example</a> (evil.example)</p>",
    );
    check(
        "[**https://bank.example**](https://evil.example)",
        "<p><a href=\"https://evil.example\"><strong>https://bank.example</strong></a> (evil.example)</p>",
    );
}

#[test]
fn hosts_in_other_letters_are_shown_as_punycode() {
    check(
        "https://аррӏе.com/x",
        "<p><a href=\"https://xn--80ak6aa92e.com/x\">https://xn--80ak6aa92e.com/x</a></p>",
    );
    check(
        "[https://аррӏе.com](https://аррӏе.com)",
        "<p><a href=\"https://xn--80ak6aa92e.com\">https://xn--80ak6aa92e.com</a></p>",
    );
    check(
        "[https://apple.com](https://аррӏе.com)",
        "<p><a href=\"https://xn--80ak6aa92e.com\">https://apple.com</a> (xn--80ak6aa92e.com)</p>",
    );
    check(
        "[shop](https://аррӏе.com)",
        "<p><a href=\"https://xn--80ak6aa92e.com\">shop</a> (xn--80ak6aa92e.com)</p>",
    );
}

fn check_mentions(source: &str, expected: &[&str]) {
    let compiled = compile(source);
    assert_eq!(compiled.mentions, expected, "{source:?}");
    let mut marked: Vec<&str> = Vec::new();
    for name in mentions_in(&compiled.html) {
        if !marked.contains(&name) {
            marked.push(name);
        }
    }
    assert_eq!(marked, expected, "{source:?}");
    allow_list::check(&compiled.html).unwrap();
}

#[test]
fn mentions_are_marked_and_collected_once() {
    check(
        "hi @ada!",
        "<p>hi <span data-mention=\"ada\">@ada</span>!</p>",
    );
    check_mentions(
        "@ada, @bob. @ada @Zoë_1 (@x.y-z) **@dd**\n@ee",
        &["ada", "bob", "Zoë_1", "x.y-z", "dd", "ee"],
    );
    check_mentions("@here @room", &["here", "room"]);
    check_mentions("@हिन्दी @田中", &["हिन्दी", "田中"]);
    check_mentions(
        "a@b @ @d @@ada @. @- /@x a@b.example https://a.example/@ada",
        &[],
    );
    check_mentions("`@ada` [@bob](https://a.example)\n\n    @eve", &[]);
    check_mentions(
        "`<span data-mention=\"eve\">` <span data-mention=\"eve\">",
        &[],
    );
    check_mentions("@\"onclick=\"x @<b> @'x", &[]);
    check_mentions(&format!("@{}", "x".repeat(151)), &[]);
    check_mentions("> @ada\n\n- @bob\n\n<div>\n@eve", &["ada", "bob", "eve"]);
    let many: String = (0..80).map(|n| format!("@user{n} ")).collect();
    assert_eq!(compile(&many).mentions.len(), super::MAX_MENTIONS);
}

#[test]
fn nothing_leaks_out_of_its_line_or_piles_up() {
    check("a\u{202e}b\u{2066}c\u{202c}", "<p>abc</p>");
    check("`a\u{202e}b`", "<p><code>ab</code></p>");
    check("a\0b\u{1b}[31m\u{9b}", "<p>ab[31m</p>");
    let zalgo = format!("z{}y", "\u{301}".repeat(1_000));
    check(&zalgo, &format!("<p>z{}y</p>", "\u{301}".repeat(8)));
    let joined = format!("z{}", "\u{301}\u{200d}".repeat(1_000));
    assert_eq!(compile(&joined).html.matches('\u{301}').count(), 8);
    check(
        "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}",
        "<p>👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}</p>",
    );
}

#[test]
fn what_would_vanish_is_shown_as_text() {
    check("[a]: https://a.example", "<p>[a]: https://a.example</p>");
    check("-", "<p>-</p>");
    check(">", "<p>&gt;</p>");
    check("***", "<hr>");
}

#[test]
fn plain_lines_lose_their_markup() {
    check_line(
        "**Hello** [there](https://a.example), `you`!",
        80,
        "Hello there, you!",
    );
    check_line(
        "# T\n\n- a\n- b\n\n> c\n\n| d | e |\n|-|-|\n| f | g |",
        80,
        "T a b c d e f g",
    );
    check_line("```rust\nlet x;\n```", 80, "let x;");
    check_line(
        "<b>x</b> &amp; ![alt](https://a.example/p.png)",
        80,
        "<b>x</b> & alt",
    );
    check_line("one\n\ntwo   three", 80, "one two three");
    check_line("0123456789", 10, "0123456789");
    check_line("01234567890", 10, "012345678…");
    check_line("hello world", 7, "hello…");
    check_line(
        "👨\u{200d}👩\u{200d}👧👨\u{200d}👩\u{200d}👧",
        6,
        "👨\u{200d}👩\u{200d}👧…",
    );
    check_line("abc", 0, "");
    check_line("abc", 1, "…");
    check_line("", 10, "");
    check_line("[a]: https://a.example", 80, "[a]: https://a.example");
    check_line("a\u{202e}b\0c", 80, "abc");
}

#[test]
fn ordinary_chat_takes_the_fast_path() {
    for plain in [
        "hello",
        "Yes, I'll be there at 10:30!",
        "10 people\nwere there",
        "ok 👍",
        "“q” – привет",
        "one\n\ntwo",
    ] {
        assert!(guard::is_plain(plain), "{plain:?}");
    }
    for rich in [
        "*a*", "a_b_", "# a", "- a", "1. a", "1) a", "a\n===", "a\n---", "    a", "a  \nb", "@a",
        "www.a.b", "http://a", "a\\b", "&amp;", "+ a", " a", "a ", "a\n b", "a\n\t", "<a", "a | b",
        "~a~",
    ] {
        assert!(!guard::is_plain(rich), "{rich:?}");
    }
}

/// The limits are far from what people write: as long a message as can be allowed, full of
/// markup, still comes out as Markdown.
#[test]
fn the_longest_honest_message_is_still_markdown() {
    let section = "## Plan\n\n**Bold** and _italic_ with `code`, [a link](https://a.example/x) and @ada.\n\n\
                   - one\n  - two\n    - three\n- [x] done\n\n> > quoted *words*\n\n\
                   | a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n\n```rust\nlet x = 1;\n```\n\n";
    let source = section.repeat(40_000 / section.len());
    let html = compile(&source).html;
    allow_list::check(&html).unwrap();
    assert_eq!(
        html.matches("<table>").count(),
        source.len() / section.len()
    );
    let dense = "**a** ".repeat(6_000);
    assert_eq!(compile(&dense).html.matches("<strong>").count(), 6_000);
    let items = "- a\n".repeat(10_000);
    assert_eq!(compile(&items).html.matches("<li>").count(), 10_000);
    let nested = "- a\n  - b\n    - c\n".repeat(2_000);
    assert_eq!(compile(&nested).html.matches("<li>").count(), 6_000);
    let code = format!("```\n{}```", "x\n".repeat(10_000));
    assert_eq!(compile(&code).html.matches("<pre>").count(), 1);
    let quotes = "> a\n\nb `c` *d* ~~e~~ &amp; \\*\n\n".repeat(1_000);
    assert_eq!(compile(&quotes).html.matches("<blockquote>").count(), 1_000);
    let links = "https://a.example/some/longer/path ".repeat(300);
    assert_eq!(compile(&links).html.matches("<a ").count(), 300);
}

/// Both paths on one source; the fast one only where it applies.
fn paths_agree(source: &str) -> bool {
    let clean = guard::clean(source);
    !guard::is_plain(&clean) || super::render::plain(&clean) == compile_markdown(&clean)
}

#[test]
fn both_paths_agree_on_awkward_lines() {
    for source in [
        "a\n\nb",
        "a\nb\n\n\nc",
        "(a)\n\"b\"",
        "!a\n/b\n$c %d",
        "10\n20",
        "2026",
        "10:00",
        "3.",
        "a:b",
        "a.www",
        "x\u{a0}y",
        "\u{a0}x",
        "a\u{2028}b",
        "a\u{85}b",
        "e\u{301}",
        "a = b",
        "a # b",
        "a - b",
        "a + b",
        "{a} ^b$",
        "a\n: b",
        "=",
        "a\n=",
        "::",
        "a;b",
        "%%",
        "?",
        "...",
        "---",
        "\u{feff}a",
        "ａ",
        "ww.x",
        "WWW.x",
        "http:/x",
        "a\u{0b}b",
        "a\u{0c}b",
    ] {
        assert!(
            paths_agree(source),
            "{source:?}\n{:?}\n{:?}",
            compile(source),
            compile_markdown(&guard::clean(source))
        );
    }
}

mod properties {
    use proptest::prelude::*;

    use super::super::{compile, guard, plain_line};
    use super::{allow_list, paths_agree};

    /// Pieces that mean something to Markdown, to HTML or to us, in any order.
    fn markdownish() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z ]{1,6}",
            1 => "\\PC{1,3}",
            6 => prop::sample::select(vec![
                "\n", "\n\n", "\n> ", "\n- ", "\n1. ", "\n# ", "\n```", "\n~~~\n", "    ", "\t", "*", "**", "_",
                "~~", "`", "``", "[", "]", "(", ")", "](", "![", "][", "]: ", "<", ">", "</", "/>", "\"", "'", "=",
                "&", "&#", "&quot;", "&lt;", "&#x3c;", ";", "\\", "|", "|-|\n", "\n|---|---|\n", ":-:", "@", "@ada",
                "http://", "https://a.b/", "www.a.b", "mailto:", "a@b.cc", "javascript:", "data:", "//", "\\\\",
                "<script>", "<img src=x onerror=", "<a href=", "<!--", "-->", "<![CDATA[", "<?", "id=x", "hx-get=",
                "[x] ", "[ ] ", "\u{200b}", "\u{202e}", "\u{301}", "\0", "\r", "\u{a0}", "аррӏе.com", "logout",
            ].into_iter().map(str::to_owned).collect::<Vec<_>>()),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_source_is_safe_bounded_and_stable(source in markdownish()) {
            let compiled = compile(&source);
            prop_assert!(allow_list::check(&compiled.html).is_ok(),
                "{:?} {}", allow_list::check(&compiled.html), compiled.html);
            prop_assert!(compiled.html.len() <= guard::max_output(source.len()));
            prop_assert_eq!(&compile(&source), &compiled);
            prop_assert!(paths_agree(&source));
            let line = plain_line(&source, 20);
            prop_assert!(line.chars().count() <= 20 && !line.contains('\n'));
        }

        #[test]
        fn the_fast_path_gives_what_the_parser_gives(source in "[a-z0-9 .,:;!?'\"()/$%#=+{}^é👍\u{a0}w-]{1,12}(\n{1,3}[a-zA-Z0-9 .,:!?'\"()=+#-]{1,10}){0,4}") {
            prop_assert!(paths_agree(source.trim()), "{:?}", source);
        }
    }
}
