//! Reads HTML as strictly as we write it and refuses everything not on the list.
//!
//! Not a browser: text that a browser would repair (an unescaped `<`, an attribute without
//! quotes, a tag closed out of order) is a failure here.

/// Tags that a message may contain; the second word says whether one stands alone.
const TAGS: &[(&str, bool)] = &[
    ("p", false),
    ("br", true),
    ("hr", true),
    ("strong", false),
    ("em", false),
    ("del", false),
    ("code", false),
    ("pre", false),
    ("blockquote", false),
    ("ul", false),
    ("ol", false),
    ("li", false),
    ("input", true),
    ("table", false),
    ("thead", false),
    ("tbody", false),
    ("tr", false),
    ("th", false),
    ("td", false),
    ("a", false),
    ("span", false),
];

/// Says what is wrong with `html`, if anything.
pub(super) fn check(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text(&rest[..at])?;
        let end = tag_end(&rest[at..]).ok_or("a tag does not end")?;
        let tag = &rest[at + 1..at + end];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
        } else {
            if tag.ends_with(' ') {
                return Err(format!("a space before the end of <{tag}>"));
            }
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            let Some((_, is_alone)) = TAGS.iter().find(|(known, _)| *known == name) else {
                return Err(format!("<{name}> is not allowed"));
            };
            if name == "a" && open.contains(&"a") {
                return Err("a link in a link".to_owned());
            }
            all_attributes(name, attributes)?;
            if !is_alone {
                open.push(name);
            }
        }
        rest = &rest[at + end + 1..];
    }
    text(rest)?;
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("not closed: {open:?}"))
    }
}

/// Where the tag's `>` is, quotes respected.
fn tag_end(tag: &str) -> Option<usize> {
    let mut is_quoted = false;
    tag.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '"';
        (c == '>' && !is_quoted).then_some(at)
    })
}

fn text(text: &str) -> Result<(), String> {
    if text.contains(['<', '>']) {
        return Err(format!("unescaped: {text:?}"));
    }
    if let Some(c) = text.chars().find(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) {
        return Err(format!("{c:?} got through"));
    }
    entities(text)
}

/// Every `&` begins one of the five entities that we write.
fn entities(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        if !known.iter().any(|entity| text[at..].starts_with(entity)) {
            return Err(format!("an open entity: {:?}", &text[at..]));
        }
    }
    Ok(())
}

fn all_attributes(tag: &str, attributes: &str) -> Result<(), String> {
    let mut rest = attributes;
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let (value, tail) = match tail.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').ok_or("an open quote")?,
            None => ("", tail),
        };
        if seen.contains(&name) {
            return Err(format!("{name} twice"));
        }
        seen.push(name);
        if value.contains(['<', '>', '\'']) {
            return Err(format!("unescaped in {name}: {value:?}"));
        }
        entities(value)?;
        if !is_allowed(tag, name, value) {
            return Err(format!("<{tag} {name}={value:?}> is not allowed"));
        }
        rest = match tail.strip_prefix(' ') {
            Some(next) if !next.is_empty() => next,
            None if tail.is_empty() => "",
            _ => return Err(format!("after {name}: {tail:?}")),
        };
    }
    let needed: &[&str] = if tag == "a" {
        &["href", "rel", "target"]
    } else {
        &[]
    };
    needed
        .iter()
        .all(|name| seen.contains(name))
        .then_some(())
        .ok_or_else(|| format!("<{tag} {attributes}> lacks one of {needed:?}"))
}

fn is_allowed(tag: &str, name: &str, value: &str) -> bool {
    match (tag, name) {
        ("a", "href") => {
            let is_schemed = ["http://", "https://", "mailto:"]
                .iter()
                .any(|scheme| value.starts_with(scheme));
            is_schemed && value.bytes().all(|b| (b'!'..=b'~').contains(&b))
        }
        ("a", "rel") => value == "noopener noreferrer nofollow ugc",
        ("a", "target") => value == "_blank",
        ("code", "class") => value.strip_prefix("language-").is_some_and(|language| {
            !language.is_empty()
                && language.len() <= 20
                && language
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-".contains(&b))
        }),
        ("span", "data-mention") => !value.is_empty() && !value.contains(char::is_whitespace),
        ("ol", "start") => value.parse::<u32>().is_ok(),
        ("th" | "td", "align") => matches!(value, "left" | "center" | "right"),
        ("input", "type") => value == "checkbox",
        ("input", "disabled" | "checked") => value.is_empty(),
        ("input", "aria-label") => matches!(value, "Done" | "To do"),
        _ => false,
    }
}

/// The checker is worth nothing if it lets things through.
#[test]
fn the_checker_refuses_what_it_should() {
    for good in [
        "",
        "<p>a &lt; b<br>c</p>",
        "<ol start=\"3\"><li>x</li></ol>",
        "<a href=\"https://a.example\" rel=\"noopener noreferrer nofollow ugc\" target=\"_blank\">x</a>",
        "<input type=\"checkbox\" disabled checked aria-label=\"Done\">",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    let rel = "rel=\"noopener noreferrer nofollow ugc\" target=\"_blank\"";
    for bad in [
        "<script>x</script>",
        "<p onclick=\"x\">a</p>",
        "<p id=\"x\">a</p>",
        "<p class=\"x\">a</p>",
        "<p hx-get=\"/x\">a</p>",
        "<p data-hx-get=\"/x\">a</p>",
        "<p style=\"x\">a</p>",
        "<p>a",
        "a</p>",
        "<p><em>a</p></em>",
        "a > b",
        "a & b",
        "&nbsp;",
        "<img src=\"x\">",
        "<P>a</P>",
        "<p >a</p>",
        "<a href=\"https://a.example\">x</a>",
        "\u{202e}",
        "\0",
        "<code class=\"x\">a</code>",
        "<code class=\"language-a b\">a</code>",
        "<span data-mention=\"a b\">x</span>",
        "<p",
        "<template></template>",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
    for href in [
        "javascript:x",
        "data:x",
        "/x",
        "//x",
        "",
        "https://a\u{e9}.example",
        "https://a b",
    ] {
        assert!(
            check(&format!("<a href=\"{href}\" {rel}>x</a>")).is_err(),
            "{href}"
        );
    }
    assert!(
        check(&format!(
            "<a href=\"http://a.b\" {rel}><a href=\"http://a.b\" {rel}>x</a></a>"
        ))
        .is_err()
    );
}
