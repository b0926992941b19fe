//! Sources written to run script, to move parts of the page, or to cost more than they say.

use std::time::{Duration, Instant};

use super::super::{compile, guard, plain_line};
use super::allow_list;

/// Attacks on the reader's browser: script, handlers, schemes, attribute break-outs, and
/// what htmx would act on.
const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script/x>",
    "<<script>alert(1);//<</script>",
    "<script>alert(1)",
    "</p><script>alert(1)</script><p>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"x\" onerror=\"alert(1)\">",
    "<img src=`x` onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<IMG \"\"\"><SCRIPT>alert(1)</SCRIPT>\">",
    "<img src=\"x\nonerror=alert(1)\">",
    "<image href=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><use href=\"data:image/svg+xml,<svg id='x'/>#x\">",
    "<svg><foreignObject><iframe srcdoc=x></foreignObject></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href=\"javascript:alert(1)\">x</math>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<object data=data:text/html;base64,PHNjcmlwdD4=>",
    "<embed src=javascript:alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<form action=/logout/ method=post><button>x</button></form>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'</style>",
    "<style>body{display:none}</style>",
    "<div style=\"position:fixed;inset:0\">x</div>",
    "<p style=background:url(javascript:alert(1))>x</p>",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<title><a title=\"</title><img src=x onerror=alert(1)>\">",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<plaintext>x",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<?xml version=\"1.0\"?><script>alert(1)</script>",
    "<!DOCTYPE html><script>alert(1)</script>",
    "<x onclick=alert(1)>x</x>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<template><script>alert(1)</script></template>",
    "<template shadowrootmode=open><slot></slot></template>",
    "<portal src=//evil.example>",
    "<dialog open>x</dialog>",
    "<div popover id=x>x</div>",
    // What htmx and our own scripts would act on.
    "<div hx-get=\"/logout/\" hx-trigger=load>x</div>",
    "<div data-hx-get=\"/logout/\" data-hx-trigger=\"load\">x</div>",
    "<div hx-on:click=\"alert(1)\">x</div>",
    "<div hx-on::load=\"alert(1)\">x</div>",
    "<div hx-vals=\"js:{x:alert(1)}\">x</div>",
    "<div id=\"messages\" hx-swap-oob=\"true\">gone</div>",
    "<div hx-swap-oob=\"innerHTML:#main\">gone</div>",
    "<hx-partial hx-target=\"#main\">gone</hx-partial>",
    "<template hx-swap-oob=\"true\">x</template>",
    "<form ws-send><input name=body value=x></form>",
    "<div ws-connect=\"//evil.example\">x</div>",
    "<div hx-ext=\"x\" hx-disable=\"false\" hx-inherit=\"*\">x</div>",
    "<!--42:17--><p>forged</p>",
    "<p data-mention=\"x\" data-nonce=\"y\" id=\"msg-1\">x</p>",
    // Schemes, plain and in disguise.
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x61;vascript:alert(1))",
    "[x](&#0000106avascript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](java\\\nscript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](< javascript:alert(1)>)",
    "[x](\u{1}javascript:alert(1))",
    "[x](&#1;javascript:alert(1))",
    "[x](\u{200b}javascript:alert(1))",
    "[x](%6Aavascript:alert(1))",
    "[x](javascript%3Aalert(1))",
    "[x](\\javascript:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](javascript://a.example/%0aalert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](DATA:image/svg+xml,x)",
    "[x](vbscript:msgbox(1))",
    "[x](livescript:x)",
    "[x](intent://x#Intent;end)",
    "[x](blob:https://a.example/x)",
    "[x](filesystem:https://a.example/x)",
    "[x](view-source:https://a.example)",
    "[x](feed:javascript:alert(1))",
    "[x](ms-msdt:/id)",
    "[x](//evil.example)",
    "[x](/logout/)",
    "[x](#messages)",
    "[x](?op=delete)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,x)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "[x]\n\n[x]: javascript:alert(1)",
    "[x][]\n\n[x]: <data:text/html,x> \"t\"",
    "javascript:alert(1)",
    // Out of the attribute.
    "[x](https://a.example/\"onmouseover=\"alert(1))",
    "[x](https://a.example/'onmouseover='alert(1))",
    "[x](<https://a.example/\" onmouseover=\"alert(1)>)",
    "[x](https://a.example/&quot;onmouseover=&quot;alert(1))",
    "[x](https://a.example/&#34;&#62;&#60;script&#62;)",
    "[x](https://a.example \"\\\" onmouseover=\\\"alert(1)\")",
    "[x](https://a.example '\"><script>alert(1)</script>')",
    "[\"><script>alert(1)</script>](https://a.example)",
    "[<img src=x onerror=alert(1)>](https://a.example)",
    "![\"onerror=\"alert(1)](https://a.example/x.png)",
    "https://a.example/\"onmouseover=alert(1)",
    "https://a.example/<script>alert(1)</script>",
    "https://a.example/'><img/src/onerror=alert(1)>",
    "<https://a.example/\"onmouseover=\"alert(1)>",
    "<https://a.example/`onmouseover=`alert(1)>",
    "www.a.example/\"><script>alert(1)</script>",
    "a\"onclick=alert(1)@a.example",
    "mailto:\"onclick=alert(1)@a.example",
    "<a@b.example\"onclick=alert(1)>",
    "[x](mailto:a@b.example?subject=\"><script>)",
    "[x](https://a.example\"onclick=\"alert(1)/)",
    "[x](https://\"onclick=alert(1)@a.example)",
    "@ada\"onclick=\"alert(1)",
    "@\"><script>alert(1)</script>",
    "@ada'><img src=x onerror=alert(1)>",
    "@<script>",
    "@&quot;onclick=x",
    "@ada&#34;onclick=x",
    "```\" onclick=\"alert(1)\nx\n```",
    "```\"><script>alert(1)</script>\nx\n```",
    "```js&quot;onclick=x\nx\n```",
    "~~~ </code></pre><script>\n</code></pre><script>alert(1)</script>\n~~~",
    "`</code><script>alert(1)</script>`",
    "- [\"] x\n- [<script>] y",
    "1\"onclick. x",
    "| <script> | b |\n|---|---|\n| \"><svg onload=x> | `</td>` |",
    "# <script>alert(1)</script> {#id .class onclick=x}",
    "[^1]: <script>alert(1)</script>",
    "$$<script>alert(1)</script>$$",
    ":smile\"onclick=x:",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3C;script&#x3E;",
    "\\<script>alert(1)\\</script>",
    "<a href=https://a.example\nonclick=alert(1)>x</a>",
    "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
    "<\u{0}script>alert(1)</\u{0}script>",
    "<scr\u{0}ipt>alert(1)</scr\u{0}ipt>",
    "\u{feff}<script>alert(1)</script>",
    "<script>alert(1)</script>\u{2028}<script>",
];

#[test]
fn no_attack_leaves_more_than_text() {
    for attack in ATTACKS {
        for source in [
            (*attack).to_owned(),
            format!("> {attack}"),
            format!("- a\n  {attack}"),
            format!("**{attack}** and `x`"),
            format!("a {attack} b"),
            format!("|a|\n|-|\n|{attack}|"),
            format!("[{attack}](https://a.example)"),
        ] {
            let html = compile(&source).html;
            if let Err(why) = allow_list::check(&html) {
                panic!("{why}\nsource: {source:?}\nhtml: {html}");
            }
        }
    }
}

/// Ways to make a parser work, fall over, or write more than it read; `n` is about how many
/// bytes to make.
fn bombs(n: usize) -> Vec<(&'static str, String)> {
    let row = format!("|{}\n", "a|".repeat(1_000));
    let definitions = |count: usize| -> String {
        (0..count)
            .map(|i| format!("[r{i}]: https://a.example/{}\n", "x".repeat(200)))
            .collect()
    };
    vec![
        ("quotes on one line", ">".repeat(n)),
        ("spaced quotes on one line", "> ".repeat(n / 2)),
        (
            "quotes on every line",
            format!("{}a\n", ">".repeat(30)).repeat(n / 32),
        ),
        (
            "growing quotes",
            (0..350).map(|i| format!("{}a\n", ">".repeat(i))).collect(),
        ),
        (
            "thirty quotes, then lazy lines",
            format!("{}a\n{}", ">".repeat(30), "b\n".repeat(n / 2)),
        ),
        ("lists on one line", "- ".repeat(n / 2)),
        (
            "nested lists",
            (0..300)
                .map(|i| format!("{}- a\n", " ".repeat(2 * i)))
                .collect(),
        ),
        (
            "nested list, then lines",
            format!(
                "{}{}",
                "- ".repeat(30),
                format!("{}a\n", " ".repeat(60)).repeat(n / 62)
            ),
        ),
        ("items", "- a\n".repeat(n / 4)),
        ("empty items", "-\n".repeat(n / 2)),
        ("tasks", "- [ ] a\n".repeat(n / 8)),
        ("numbers", "1. a\n".repeat(n / 5)),
        ("brackets", "[".repeat(n)),
        ("bracket pairs", "[]".repeat(n / 2)),
        (
            "bracket nest",
            format!("{}a{}", "[".repeat(n / 2), "]".repeat(n / 2)),
        ),
        (
            "link nest",
            format!("{}a{}", "[".repeat(n / 5), "](b)".repeat(n / 5)),
        ),
        ("open links", "[a](".repeat(n / 4)),
        ("open angle links", "[a](<b".repeat(n / 6)),
        ("open link titles", "[a](b \"".repeat(n / 7)),
        ("images", "![".repeat(n / 2)),
        (
            "image nest",
            format!(
                "{}a{}",
                "![".repeat(n / 16),
                "](https://a.b/)".repeat(n / 16)
            ),
        ),
        ("footnotes", "[^a]".repeat(n / 4)),
        ("stars", "*".repeat(n)),
        ("star words", "*a ".repeat(n / 3)),
        ("star closers", "a* ".repeat(n / 3)),
        ("star pairs", "*a*".repeat(n / 3)),
        (
            "star nest",
            format!("{}a{}", "*a ".repeat(n / 6), " a*".repeat(n / 6)),
        ),
        (
            "double star nest",
            format!("{}a{}", "**a ".repeat(n / 8), " a**".repeat(n / 8)),
        ),
        ("stars and underscores", "*_a".repeat(n / 3)),
        ("mixed delimiters", "*a **b _c __d ~e ~~f ".repeat(n / 21)),
        ("unmatched mix", "*a_b**c__ ".repeat(n / 10)),
        ("triples", "a***b***".repeat(n / 8)),
        ("tildes", "~".repeat(n)),
        ("tilde pairs", "~a".repeat(n / 2)),
        ("backticks", "`".repeat(n)),
        (
            "growing backticks",
            (1..360).map(|i| format!("{}a", "`".repeat(i))).collect(),
        ),
        ("backtick words", "`a``b```c".repeat(n / 9)),
        ("fences", "```\n".repeat(n / 4)),
        ("long fence", format!("{}\na", "`".repeat(n))),
        ("backslashes", "\\".repeat(n)),
        ("backslash lines", "a\\\n".repeat(n / 3)),
        ("ampersands", "&".repeat(n)),
        ("entities", "&lt;".repeat(n / 4)),
        ("open entities", "&a".repeat(n / 2)),
        ("long entity", format!("&{};", "a".repeat(n))),
        ("angles", "<".repeat(n)),
        ("open tags", "<a ".repeat(n / 3)),
        ("open attributes", format!("<a{}", " b=\"".repeat(n / 4))),
        ("open comments", "<!--a".repeat(n / 5)),
        ("open declarations", "<!A ".repeat(n / 4)),
        ("open instructions", "<?a".repeat(n / 3)),
        ("open cdata", "<![CDATA[".repeat(n / 9)),
        ("comment dashes", format!("<!--{}", "-".repeat(n))),
        ("closing tags", "</a>".repeat(n / 4)),
        ("html blocks", "<div>\n\n".repeat(n / 7)),
        ("autolinks", "<http:a>".repeat(n / 8)),
        ("www", "www.a.b ".repeat(n / 8)),
        ("www brackets", "(www.a.".repeat(n / 7)),
        ("www in stars", "*www.a.b".repeat(n / 8)),
        ("www dots", format!("www.{}", "a.".repeat(n / 2))),
        ("www closers", format!("www.a.b{}", ")".repeat(n))),
        ("www entities", format!("www.a.b{}", "&a;".repeat(n / 3))),
        ("urls", "http://a ".repeat(n / 9)),
        ("url schemes", "http://".repeat(n / 7)),
        ("url colons", "a://".repeat(n / 4)),
        ("colons", ":".repeat(n)),
        ("ats", "@".repeat(n)),
        ("mails", "a@b.c ".repeat(n / 6)),
        ("mail chain", "a@b.".repeat(n / 4)),
        (
            "long mail",
            format!("{}@{}", "a".repeat(n / 2), "b.".repeat(n / 4)),
        ),
        ("mail dots", format!("a@{}", "b.".repeat(n / 2))),
        ("mail schemes", "mailto:".repeat(n / 7)),
        ("mentions", "@ab ".repeat(n / 4)),
        ("long mention", format!("@{}", "a".repeat(n))),
        (
            "short rows under a wide head",
            format!("{row}{}{}", row.replace('a', "-"), "|\n".repeat(1_000)),
        ),
        (
            "a thousand by a thousand",
            format!(
                "{row}{}{}",
                row.replace('a', "-"),
                row.repeat(n / row.len())
            ),
        ),
        ("many tables", "|a|b|\n|-|-|\n\n".repeat(n / 14)),
        ("delimiter rows", "|-|-|\n".repeat(n / 6)),
        (
            "a head of dashes",
            format!("{}\n{}", "a|".repeat(n / 4), "-|".repeat(n / 4)),
        ),
        (
            "table in quotes",
            format!(
                "> {row}> {}{}",
                row.replace('a', "-"),
                "> |\n".repeat(1_000)
            ),
        ),
        ("pipes", "|".repeat(n)),
        (
            "escaped pipes",
            format!("|a|\n|-|\n|{}|", "\\|".repeat(n / 2)),
        ),
        ("headings", "# a\n".repeat(n / 4)),
        ("heading closers", format!("# a {}", "#".repeat(n))),
        ("setext", "a\n=\n".repeat(n / 4)),
        ("rules", "***\n".repeat(n / 4)),
        ("spaced rule", "* ".repeat(n / 2)),
        (
            "definitions",
            format!("{}{}", definitions(100), "[r1]".repeat(n / 8)),
        ),
        (
            "definitions used as images",
            format!("{}{}", definitions(100), "![r1]".repeat(n / 9)),
        ),
        ("open definitions", "[a]: <b\n".repeat(n / 8)),
        ("same definitions", "[a]: b\n".repeat(n / 7)),
        ("definition titles", "[a]: b '".repeat(n / 8)),
        (
            "long label",
            format!("[{}]: b\n[{}]", "a".repeat(900), "a".repeat(n)),
        ),
        (
            "collapsed labels",
            format!("[a]: http://a.b\n\n{}", "[a][]".repeat(n / 5)),
        ),
        ("newlines", "\n".repeat(n)),
        ("lines", "a\n".repeat(n / 2)),
        ("spaces", format!("a{}b", " ".repeat(n))),
        ("space lines", " \n".repeat(n / 2)),
        ("tabs", "\t".repeat(n)),
        ("tab lines", "\ta\n".repeat(n / 3)),
        ("marks", format!("a{}", "\u{301}".repeat(n / 2))),
        ("controls", "\u{1}".repeat(n)),
        ("hosts", "http://ü.ö ".repeat(n / 13)),
        ("long host", format!("http://{}/", "ü".repeat(n / 2))),
        (
            "percents",
            format!("[a](http://a.b/{})", "%25".repeat(n / 3)),
        ),
        ("spoiled links", "[a.bc](http://d.ef)".repeat(n / 19)),
    ]
}

const BOMB_BYTES: usize = 64 * 1024;

#[test]
fn bombs_stay_small_and_harmless() {
    for (name, source) in bombs(BOMB_BYTES) {
        let html = compile(&source).html;
        assert!(
            html.len() <= guard::max_output(source.len()),
            "{name}: {} bytes from {}",
            html.len(),
            source.len()
        );
        allow_list::check(&html).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// The promise is 20 ms on a release build. Here our own code is not optimised, so the
/// bound only tells a linear cost from a quadratic one, which would be seconds.
#[test]
fn bombs_cost_no_more_than_text() {
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 150 } else { 20 });
    for (name, source) in bombs(BOMB_BYTES) {
        assert_cheap(name, bound, || drop(compile(&source)));
        assert_cheap(name, bound, || drop(plain_line(&source, 10_000)));
    }
}

/// Fails when the best of three runs takes longer than `bound`. Other tests share the
/// processor, so processor time counts where the system tells it.
fn assert_cheap(name: &str, bound: Duration, run: impl Fn()) {
    let mut costs = Vec::new();
    for _ in 0..3 {
        let (started, used) = (Instant::now(), processor_time());
        run();
        let cost = match (used, processor_time()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => started.elapsed(),
        };
        if cost <= bound {
            return;
        }
        costs.push(cost);
    }
    panic!("{name}: {costs:?}, over {bound:?}");
}

/// What this thread has used so far, where Linux says so.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = stat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// A thread with a quarter of the usual stack: nothing here may recurse with its input.
#[test]
fn no_nesting_uses_up_the_stack() {
    let worker = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(|| {
            for (_, source) in bombs(BOMB_BYTES) {
                let _ = compile(&source);
            }
        });
    worker.unwrap().join().unwrap();
}
