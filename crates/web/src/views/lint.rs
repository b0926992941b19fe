//! Holds every template to the house rules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

fn templates() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 20, "templates were not found");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// What stands in the quotes of every `{{ "name"|filter }}`.
fn arguments<'a>(text: &'a str, filter: &str) -> Vec<&'a str> {
    let end = format!("\"|{filter}");
    text.match_indices(&end)
        .filter_map(|(at, _)| text[..at].rsplit('"').next())
        .collect()
}

#[test]
fn no_template_carries_script_style_or_anything_that_htmx_would_evaluate() {
    for (name, text) in templates() {
        let lower = text.to_lowercase();
        for forbidden in [
            "js:",
            "javascript:",
            "hx-on",
            "hx-vals",
            "hx-headers",
            "style=",
            "<style",
            " onclick",
            " onload",
            " onsubmit",
            "http://",
            "https://",
        ] {
            assert!(!lower.contains(forbidden), "{name} contains {forbidden}");
        }
        for (at, _) in lower.match_indices("<script") {
            let tag = &lower[at..at + lower[at..].find('>').unwrap()];
            assert!(tag.contains(" src="), "{name}: {tag}");
        }
        for (at, _) in lower.match_indices("hx-trigger=\"") {
            let value = lower[at + 12..].split('"').next().unwrap();
            assert!(
                !value.contains('['),
                "{name}: a filter in hx-trigger={value}"
            );
        }
    }
}

#[test]
fn only_a_messages_compiled_body_is_put_in_unescaped() {
    for (name, text) in templates() {
        for (place, line) in text.lines().enumerate() {
            if !(line.contains("|safe") || line.contains("| safe") || line.contains("escape")) {
                continue;
            }
            assert_eq!(name, "messages/message.html", "line {}", place + 1);
            assert!(line.contains("hx-ignore>{{ html|safe }}</div>"), "{line}");
            assert_eq!(line.matches("|safe").count(), 1);
        }
    }
}

#[test]
fn every_icon_and_asset_that_a_template_names_exists() {
    for (name, text) in templates() {
        for icon in arguments(&text, "icon") {
            assert!(
                assets::icon(icon).is_some(),
                "{name}: no icon {icon}; see icons.txt"
            );
        }
        for asset in arguments(&text, "asset") {
            assert_ne!(
                assets::url(asset),
                assets::url(""),
                "{name}: no asset {asset}"
            );
        }
    }
}

#[test]
fn every_id_that_scripts_look_for_is_in_a_template() {
    let all: String = templates().into_iter().map(|(_, text)| text).collect();
    for id in crate::ids::IN_TEMPLATES {
        assert!(
            all.contains(&format!("id=\"{id}\"")),
            "no template has id=\"{id}\""
        );
    }
}

#[test]
fn every_form_posts_to_an_address_and_every_button_and_field_has_words() {
    for (name, text) in templates() {
        for (at, _) in text.match_indices("<form") {
            let tag = &text[at..at + text[at..].find('>').unwrap()];
            assert!(
                tag.contains("method=") && tag.contains("action="),
                "{name}: {tag}"
            );
        }
        for (at, _) in text.match_indices("button--icon") {
            let tag = &text[at..at + text[at..].find('>').unwrap()];
            assert!(tag.contains("aria-label="), "{name}: {tag}");
        }
    }
}
