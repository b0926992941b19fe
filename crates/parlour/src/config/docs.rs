//! The texts made from the table of keys: help, `docs/configuration.md`, `.env.example`.
//!
//! A test compares the two files with what is made here; `PARLOUR_WRITE_DOCS=1 cargo test
//! -p parlour docs` writes them.

use std::fmt::Write as _;

use super::keys::{KEYS, Key};

/// The configuration part of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "Configuration (flags over environment over .env over parlour.toml; \
         `parlour config check` shows what holds):\n",
    );
    for key in KEYS {
        let _ = writeln!(
            text,
            "  {} [default: {}]",
            key.env_name(),
            plain(key.default)
        );
        for line in wrap(&plain(key.doc), 84) {
            let _ = writeln!(text, "      {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// `docs/configuration.md`.
pub fn page() -> String {
    let mut text = String::from(PAGE_HEAD);
    for key in KEYS {
        let _ = writeln!(text, "\n### `{}`\n\n{}\n", key.env_name(), key.doc);
        let _ = writeln!(text, "- Takes: {}", key.takes);
        let _ = writeln!(text, "- Default: {}", code_unless_prose(key.default));
        let _ = writeln!(text, "- In `parlour.toml`: `{}`", key.word);
        if let Some(plain) = key.plain {
            let _ = writeln!(text, "- Also accepted: `{plain}`");
        }
        if let Some(flag) = key.flag {
            let _ = writeln!(text, "- Flag: `{flag}`");
        }
        if key.is_secret {
            text.push_str("- Secret: its value appears in no log, no help and no check\n");
        }
    }
    text
}

const PAGE_HEAD: &str = "\
<!-- Made from crates/parlour/src/config/keys.rs; a test compares. -->
# Configuration

Nothing needs to be configured: `parlour` on an empty folder gives a chat on
<http://127.0.0.1:8000>.

A value is looked for in this order; the first place that has one wins:

1. flags: `parlour --listen 0.0.0.0:8000`
2. the environment: `PARLOUR_LISTEN=0.0.0.0:8000`
3. `.env` in the working folder: the same names, one `NAME=value` per line
4. `parlour.toml` in the working folder, or the file given with `--config`:
   the names in lower case without prefix, `listen = \"0.0.0.0:8000\"`

`parlour config check` reads all of them, says which value holds and where it comes from, and
hides secrets.

Mistakes are not passed over. A wrong value anywhere, or a key in `.env` or `parlour.toml` that
does not exist, ends the start with exit code 2 and one line that names the key, the value, the
reason, the place and the way out. An unknown `PARLOUR_…` variable in the environment is only a
warning, because container platforms add such. An empty value in the environment or in `.env`
counts as not given. When both `PARLOUR_SECRET_KEY` and the plain `SECRET_KEY` are given in the
same place, the prefixed one holds.

Logs go to standard error: one line per event, `key=value`. `RUST_LOG` chooses how much, for
example `RUST_LOG=debug` or `RUST_LOG=info,store=debug`.

## Keys
";

/// `.env.example`.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Copy to .env and change what you need; every line may stay away.\n\
         # Made from crates/parlour/src/config/keys.rs; docs/configuration.md says more.\n",
    );
    for key in KEYS {
        text.push('\n');
        for line in wrap(&plain(key.doc), 88) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# Default: {}", plain(key.default));
        let _ = writeln!(text, "#{}={}", example_name(key), key.example);
    }
    text
}

/// The short name where there is one: it is what deployment guides use.
fn example_name(key: &Key) -> String {
    key.plain.map_or_else(|| key.env_name(), str::to_owned)
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// Literal defaults are shown as code, sentences as they are.
fn code_unless_prose(text: &str) -> String {
    if text.contains(' ') || text.contains('`') || text == "none" {
        text.to_owned()
    } else {
        format!("`{text}`")
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{env_example, help, page};

    fn check(file: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(file);
        if std::env::var_os("PARLOUR_WRITE_DOCS").is_some() {
            std::fs::write(&path, expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "{file} differs from the table of keys; \
             run PARLOUR_WRITE_DOCS=1 cargo test -p parlour docs"
        );
    }

    #[test]
    fn the_docs_are_made_from_the_table() {
        check("docs/configuration.md", &page());
        check(".env.example", &env_example());
    }

    #[test]
    fn the_example_is_valid_with_every_line_switched_on() {
        let folder = tempfile::tempdir().unwrap();
        let on: String = env_example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(on.contains("\nALLOWED_HOSTS=chat.example.org\n"), "{on}");
        std::fs::write(folder.path().join(".env"), on).unwrap();
        let asked = crate::config::Asked {
            folder: folder.path(),
            ..Default::default()
        };
        let config = crate::config::load(&asked).unwrap();
        assert_eq!(config.base_url.as_deref(), Some("https://chat.example.org"));
    }

    #[test]
    fn help_names_every_key_and_no_secret() {
        let help = help();
        for key in crate::config::keys::KEYS {
            assert!(help.contains(&key.env_name()), "{}", key.word);
        }
    }
}
