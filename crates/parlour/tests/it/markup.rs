//! What people write cannot become anything but text: hostile pieces through every door,
//! looked at where a browser would read them.

use std::collections::BTreeSet;

use crate::support::browser::{Element, elements};
use crate::support::{PASSWORD, Server, Socket};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](\u{1}javascript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](%6aavascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox(1))",
    "[x](intent://x#Intent;end)",
    "![x](javascript:alert(1))",
    "![x\" onerror=\"alert(1)](http://a.example/x.png)",
    "[x](http://a.example/\"onmouseover=\"alert(1))",
    "[x](http://a.example \"t\" onclick=alert(1))",
    "<http://a.example/'onclick='alert(1)>",
    "[a]: javascript:alert(1)\n\n[a]",
    "`<script>alert(1)</script>`",
    "```html\" onclick=\"alert(1)\n<script>alert(1)</script>\n```",
    "<div hx-get=\"/logout/\" hx-trigger=\"load\">x</div>",
    "<div data-hx-post=\"/admin/\" hx-on:click=\"alert(1)\">x</div>",
    "<li id=\"msg-1\" hx-swap-oob=\"outerHTML\">x</li>",
    "<ol id=\"messages\">x</ol>",
    "<template><script>alert(1)</script></template>",
    "<form action=/logout/ method=post><button>win</button></form>",
    "<input name=body ws-send autofocus onfocus=alert(1)>",
    "<!--1:99--><hx-partial hx-target=\"body\">x</hx-partial>",
    "--><script>alert(1)</script><!--",
    "</li></ol><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<style>*{display:none}</style><p style=\"position:fixed\">x</p>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example>",
    "<object data=x></object><embed src=x>",
    "{{7*7}} ${7*7} {% raw %} <%= 7*7 %>",
    "\u{202e}<b>gnp.exe\u{202c}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
];

/// Elements the markup may make out of what people write.
const ALLOWED: &[&str] = &[
    "a",
    "p",
    "br",
    "em",
    "strong",
    "del",
    "s",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
    "div",
    "bdi",
    "sup",
    "sub",
    "u",
    "mark",
];

fn check_body(source: &str, html: &str) {
    for element in elements(html) {
        assert!(
            ALLOWED.contains(&element.name.as_str()),
            "{source:?} made <{}>: {html}",
            element.name
        );
        for (name, value) in &element.attributes {
            check_attribute(source, &element, name, value);
        }
    }
}

fn check_attribute(source: &str, element: &Element, name: &str, value: &str) {
    let is_known = match name {
        "href" => {
            let scheme = value.to_ascii_lowercase();
            scheme.starts_with("http://")
                || scheme.starts_with("https://")
                || scheme.starts_with("mailto:")
                || (scheme.starts_with('/') && !scheme.starts_with("//"))
        }
        "rel" => value.contains("nofollow") && value.contains("noopener"),
        "class" | "start" | "align" | "dir" | "lang" | "title" | "target" => true,
        name => name.starts_with("data-mention") || name.starts_with("data-user"),
    };
    assert!(
        is_known,
        "{source:?} made <{} {name}={value:?}>",
        element.name
    );
    if name == "href" && value.starts_with("http") {
        assert!(
            element.attribute("rel").is_some(),
            "{source:?}: a link out says nofollow"
        );
    }
}

/// What the page itself is made of, from a page without anything hostile on it.
fn shape(html: &str) -> BTreeSet<String> {
    elements(html)
        .into_iter()
        .flat_map(|element| {
            let name = element.name.clone();
            let attributes = element
                .attributes
                .into_iter()
                .map(move |(attribute, _)| format!("{name} {attribute}"));
            attributes.chain([element.name])
        })
        .collect()
}

#[tokio::test]
async fn hostile_messages_stay_text_in_the_api_the_page_and_on_sockets() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    bob.say(
        room,
        "plain [link](https://a.example/) `code` *em* **strong** > quote",
    )
    .await;
    let mut page = Socket::of_page(&server.browser_of("eve")).await;
    page.subscribe(room).await;
    let harmless = server
        .browser_of("eve")
        .get("/rooms/garden/")
        .await
        .expect(200)
        .text();
    let mut allowed = shape(&harmless);
    allowed.extend(ALLOWED.iter().map(|name| (*name).to_owned()));
    for more in [
        "a href",
        "a rel",
        "a class",
        "code class",
        "pre class",
        "ol start",
        "span class",
        "td align",
        "th align",
        "li class",
        "a target",
    ] {
        allowed.insert(more.to_owned());
    }
    for source in HOSTILE {
        let said = bob.say(room, source).await;
        check_body(source, said["html"].as_str().unwrap());
        let fragment = page.fragment().await;
        let body = crate::support::browser::inside(&fragment, "class=\"message__body\"", "</div>")
            .expect("a body");
        check_body(source, body);
        assert_eq!(
            fragment.matches("<hx-partial").count(),
            1,
            "{source:?}: {fragment}"
        );
        assert!(!fragment.contains("<script"), "{source:?}: {fragment}");
        let comments = fragment.matches("<!--").count();
        assert_eq!(comments, 1, "{source:?}: the number alone: {fragment}");
    }
    let html = server
        .browser_of("eve")
        .get("/rooms/garden/")
        .await
        .expect(200)
        .text();
    for found in shape(&html) {
        assert!(allowed.contains(&found), "the page has {found:?} now");
    }
    // Markup that looks like our own swaps nothing: user HTML has no id and no hx-*.
    let is_timeline = |element: &&Element| element.attribute("id") == Some("messages");
    assert_eq!(elements(&html).iter().filter(is_timeline).count(), 1);
    // Editing goes the same way.
    let said = bob.say(room, "x").await;
    page.fragment().await;
    for source in &HOSTILE[..8] {
        let path = format!("/api/v1/messages/{}", said["id"]);
        let edited = bob
            .patch(&path, serde_json::json!({"body": source}))
            .await
            .expect(200)
            .json();
        check_body(source, edited["html"].as_str().unwrap());
        let form = server
            .browser_of("bob")
            .get(&format!("/messages/{}/edit", said["id"]))
            .await
            .expect(200)
            .text();
        assert_eq!(
            form.matches("</textarea>").count(),
            form.matches("<textarea").count(),
            "{source:?}"
        );
    }
}

#[tokio::test]
async fn hostile_names_and_topics_stay_text_everywhere() {
    let server = Server::start();
    let bob = server.browser_of("bob");
    let before: BTreeSet<String> = ["/rooms/", "/rooms/lobby/", "/settings/"]
        .map(String::from)
        .into();
    let mut allowed = BTreeSet::new();
    bob.post_form("/rooms/", &[("name", "Harmless"), ("topic", "a topic")])
        .await
        .expect(303);
    server.bob().say(server.bob().lobby().await, "hello").await;
    for path in before.iter().map(String::as_str).chain([
        "/rooms/harmless/",
        "/rooms/harmless/members",
        "/rooms/harmless/settings",
    ]) {
        allowed.extend(shape(&bob.get(path).await.expect(200).text()));
    }
    for hostile in HOSTILE
        .iter()
        .filter(|text| !text.contains(['\n', '\u{1}', '\u{202e}']))
    {
        let short: String = hostile.chars().take(60).collect();
        bob.post_form("/settings/name", &[("display_name", &short)])
            .await
            .expect(303);
        let made = bob
            .post_form("/rooms/", &[("name", &short), ("topic", hostile)])
            .await
            .expect(303);
        let room = made.header("location").to_owned();
        bob.post_form(&format!("{room}messages"), &[("body", "hi")])
            .await
            .expect(303);
        for path in [
            room.clone(),
            format!("{room}members"),
            format!("{room}settings"),
            "/rooms/".to_owned(),
        ] {
            let html = bob.get(&path).await.expect(200).text();
            for found in shape(&html) {
                assert!(
                    allowed.contains(&found),
                    "{hostile:?} as a name made {found:?} at {path}"
                );
            }
        }
    }
    // Log-in and sign-up repeat what was typed; so does the console.
    let stranger = server.stranger();
    let mut forms = shape(
        &stranger
            .post_form("/login/", &[("username", "x"), ("next", "/rooms/")])
            .await
            .text(),
    );
    let harmless = [
        ("username", ""),
        ("password", "x"),
        ("display_name", ""),
        ("email", "x"),
    ];
    forms.extend(shape(
        &stranger.post_form("/signup/", &harmless).await.text(),
    ));
    for hostile in HOSTILE {
        for (path, form) in [
            (
                "/login/",
                vec![("username", *hostile), ("password", "x"), ("next", hostile)],
            ),
            (
                "/signup/",
                vec![
                    ("username", *hostile),
                    ("password", PASSWORD),
                    ("display_name", hostile),
                    ("email", hostile),
                ],
            ),
        ] {
            let html = stranger.post_form(path, &form).await.text();
            assert!(
                !html.contains("<script>") && !html.contains("onerror=alert(1)>"),
                "{hostile:?} at {path}"
            );
            for found in shape(&html) {
                assert!(
                    forms.contains(&found),
                    "{hostile:?} made {found:?} at {path}"
                );
            }
        }
        let path = format!("/admin/?query={}", crate::support::http::escape(hostile));
        let html = server
            .browser_of("olga")
            .get(&path)
            .await
            .expect(200)
            .text();
        assert!(!html.contains("onerror=alert(1)>"), "{hostile:?}");
    }
}

#[tokio::test]
async fn markdown_bombs_are_quick_and_small() {
    let server = Server::with()
        .set("PARLOUR_MAX_MESSAGE_CHARS", "40000")
        .start();
    let bob = server.bob();
    let room = bob.lobby().await;
    let header = format!("|{}\n|{}\n", "a|".repeat(500), "-|".repeat(500));
    for bomb in [
        ">".repeat(10_000),
        "[".repeat(20_000),
        "*".repeat(20_000),
        "*a ".repeat(13_000),
        "`".repeat(40_000),
        "![".repeat(15_000),
        format!("{header}{}", format!("|{}\n", "b|".repeat(500)).repeat(30)),
        "[a](".repeat(10_000),
        "<".repeat(40_000),
        "- ".repeat(15_000),
        format!(
            "[a]: http://a.example/{}\n\n{}",
            "x".repeat(1000),
            "[a] ".repeat(9_000)
        ),
        "&".repeat(40_000),
        "\\".repeat(40_000),
        "~~".repeat(20_000),
        "_a".repeat(20_000),
        "http://a.example ".repeat(2300),
        "@a ".repeat(13_000),
        "1. ".repeat(13_000),
    ] {
        let began = std::time::Instant::now();
        let said = bob.say(room, &bomb).await;
        let shown: String = bomb.chars().take(12).collect();
        // The promise is 20 ms of optimised code; this is a debug build on shared cores.
        assert!(
            began.elapsed().as_millis() < 2000,
            "{shown:?} took {:?}",
            began.elapsed()
        );
        let html = said["html"].as_str().unwrap();
        assert!(
            html.len() <= 10 * bomb.len() + 1000,
            "{shown:?} grew to {}",
            html.len()
        );
    }
    server
        .browser_of("eve")
        .get("/rooms/lobby/")
        .await
        .expect(200);
}
