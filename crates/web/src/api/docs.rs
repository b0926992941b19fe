//! `GET /api/docs`: the description of the API as a page that works offline and without
//! scripting. The same operations as in the document, shown with the site's own style.

use std::fmt::Write as _;
use std::sync::OnceLock;

use axum::response::{Html, IntoResponse, Response};
use http::header::CACHE_CONTROL;

use super::openapi::{LIMITS, all};
use super::operation::Operation;
use crate::problem::CODES;
use crate::routes::Who;

/// `GET /api/docs`.
pub(super) async fn page() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(render).as_str();
    ([(CACHE_CONTROL, "public, no-cache")], Html(page)).into_response()
}

// Writing to a String cannot fail, so the results of `write!` are dropped here.
fn render() -> String {
    let mut out = String::with_capacity(64 * 1024);
    let (style, theme) = (assets::url("app.css"), assets::url("theme.js"));
    let icon = assets::url("favicon.svg");
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>API · Parlour</title><script src=\"{theme}\"></script>\
         <link rel=\"stylesheet\" href=\"{style}\">\
         <link rel=\"icon\" type=\"image/svg+xml\" href=\"{icon}\"></head>\
         <body class=\"docs\"><main id=\"main\" class=\"prose docs__main\">\
         <h1>The API of Parlour</h1>\
         <p>Programs read <a href=\"/api/openapi.json\">/api/openapi.json</a> (OpenAPI 3.1). \
         Make a token, then send it as <code>Authorization: Bearer …</code>:</p>\
         <pre><code>curl -H 'Content-Type: application/json' \\\n  \
         -d '{{\"username\":\"ada\",\"password\":\"…\",\"name\":\"script\"}}' \\\n  \
         https://chat.example.org/api/v1/tokens</code></pre>\
         <p>Unknown fields and query parameters are refused. Lists are pages: pass \
         <code>next</code> back as <code>cursor</code> until it is null. Times are RFC 3339 in \
         UTC.</p>"
    );
    let operations = all();
    let mut tags: Vec<&str> = operations.iter().map(|operation| operation.tag).collect();
    tags.dedup();
    for tag in tags {
        let _ = write!(out, "<section><h2>{}</h2>", escape(tag));
        for operation in operations.iter().filter(|operation| operation.tag == tag) {
            one(&mut out, operation);
        }
        out.push_str("</section>");
    }
    schemas(&mut out);
    codes(&mut out);
    out.push_str("</main></body></html>\n");
    out
}

fn one(out: &mut String, operation: &Operation) {
    let _ = write!(
        out,
        "<details id=\"{}\"><summary><code>{} {}</code> {}</summary><p>{}</p>",
        operation.id,
        operation.method,
        escape(operation.path),
        escape(operation.summary),
        marked(operation.detail),
    );
    let _ = write!(out, "<p>Who may: {}.</p>", who(operation.who));
    if !operation.parameters.is_empty() {
        out.push_str(
            "<table><thead><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr></thead><tbody>",
        );
        for parameter in &operation.parameters {
            let place = if parameter.is_header {
                "header"
            } else {
                "query"
            };
            let _ = write!(
                out,
                "<tr><td><code>{}</code></td><td>{place}</td><td>{}</td></tr>",
                escape(parameter.name),
                marked(parameter.meaning)
            );
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("<ul>");
    if let Some(request) = operation.request {
        let _ = write!(out, "<li>takes {}</li>", link(&request.name()));
    }
    for answer in &operation.answers {
        let _ = write!(
            out,
            "<li><strong>{}</strong> {}",
            answer.status,
            marked(answer.meaning)
        );
        if let Some(body) = answer.body {
            let _ = write!(out, ": {}", link(&body.name()));
        }
        out.push_str("</li>");
    }
    let codes: Vec<String> = operation
        .codes
        .iter()
        .map(|code| format!("<a href=\"#code-{code}\"><code>{code}</code></a>"))
        .collect();
    let _ = write!(
        out,
        "<li>refuses with {}</li></ul></details>",
        codes.join(", ")
    );
}

/// The shapes of bodies and frames, as they stand in the document.
fn schemas(out: &mut String) {
    let document: serde_json::Value =
        serde_json::from_str(&super::openapi_json()).unwrap_or_default();
    let Some(schemas) = document["components"]["schemas"].as_object() else {
        return;
    };
    out.push_str("<section><h2>Shapes</h2>");
    for (name, schema) in schemas {
        let text = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(
            out,
            "<details id=\"shape-{name}\"><summary><code>{name}</code></summary>\
             <pre><code>{}</code></pre></details>",
            escape(&text)
        );
    }
    out.push_str("</section>");
}

fn codes(out: &mut String) {
    out.push_str(
        "<section><h2>Codes</h2><table><thead><tr><th>Code</th><th>Status</th><th>When</th></tr>\
         </thead><tbody>",
    );
    for code in CODES {
        let _ = write!(
            out,
            "<tr id=\"code-{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td></tr>",
            code.word,
            if code.status == 0 {
                "–".to_owned()
            } else {
                code.status.to_string()
            },
            marked(code.meaning),
        );
    }
    out.push_str(
        "</tbody></table></section><section><h2>Limits</h2><table><thead><tr><th>What</th>\
         <th>At most</th></tr></thead><tbody>",
    );
    for (what, limit) in LIMITS {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(what),
            escape(limit)
        );
    }
    out.push_str("</tbody></table></section>");
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Anyone | Who::BeforeSetup | Who::Debug => "anyone",
        Who::SignedIn => "whoever is signed in",
        Who::Reader => "whoever may read the room",
        Who::Member => "members of the room",
        Who::Author => "the author, or whoever may tidy up after them",
        Who::RoomKeeper => "whoever may change the room",
        Who::Administrator => "administrators",
    }
}

fn link(name: &str) -> String {
    format!("<a href=\"#shape-{0}\"><code>{0}</code></a>", escape(name))
}

/// Escapes, and shows what stands between backquotes as code.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escape(part));
        } else {
            out.push_str(&escape(part));
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{all, marked, render};

    #[test]
    fn the_page_shows_every_operation_and_needs_nothing_from_elsewhere() {
        let page = render();
        for operation in all() {
            assert!(page.contains(&format!("<details id=\"{}\">", operation.id)));
        }
        assert!(!page.contains("<script>") && !page.contains("style=\""));
        assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
        for name in page
            .split("href=\"#")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
        {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn backquotes_become_code() {
        assert_eq!(marked("a `b<` & c"), "a <code>b&lt;</code> &amp; c");
    }
}
