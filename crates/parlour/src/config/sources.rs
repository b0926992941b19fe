//! Where values come from: flags, environment, `.env`, `parlour.toml`.
//!
//! This file finds out who said what and where, and refuses names nobody knows. What a
//! value means is `values`' business. `.env` is read here and not by a library, because a
//! refusal has to name the line.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Problem;
use super::keys::{self, KEYS, Key, OTHER_VARIABLES};
use super::nearest::nearest;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the process environment.
    Environment,
    /// In a file, at a line; 0 when it is about the file as a whole.
    File {
        /// The file as the person named it.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// Nowhere: the built-in value.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment => f.write_str("environment"),
            Self::File { file, line: 0 } => f.write_str(file),
            Self::File { file, line } => write!(f, "{file} line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value that someone gave.
#[derive(Clone, Debug)]
pub struct Given {
    /// The key.
    pub key: &'static Key,
    /// The name under which it was given, for the refusal.
    pub called: String,
    /// The value as text.
    pub text: String,
    /// Where.
    pub source: Source,
}

/// Values from `parlour.toml`.
///
/// `required` says that the person named the file, so its absence is a mistake.
pub fn from_toml(path: &Path, required: bool) -> Result<Vec<Given>, Problem> {
    let file = path.display().to_string();
    let Some(text) = read(path, &file, required)? else {
        return Ok(Vec::new());
    };
    let at = |span: Range<usize>| Source::File {
        file: file.clone(),
        line: line_of(&text, span.start),
    };
    let table = DeTable::parse(&text).map_err(|error| Problem::File {
        source: at(error.span().unwrap_or(0..0)),
        reason: format!("not TOML: {}", error.message()),
        way_out: "write lines such as listen = \"127.0.0.1:8000\"".to_owned(),
    })?;
    let mut given = Vec::new();
    for (name, value) in table.get_ref() {
        let word = name.get_ref().as_ref();
        let source = at(name.span());
        if let DeValue::Table(_) = value.get_ref() {
            return Err(Problem::File {
                source,
                reason: format!("[{}] is a table", word.escape_debug()),
                way_out: "write all keys at the top level, without tables".to_owned(),
            });
        }
        let Some(key) = keys::by_word(word) else {
            return Err(unknown(word, source, KEYS.iter().map(|key| key.word)));
        };
        let text = toml_text(value.get_ref()).ok_or_else(|| Problem::Value {
            key: word.into(),
            value: None,
            source: source.clone(),
            reason: "has a type that no key takes".to_owned(),
            way_out: format!("write {} between quotation marks", key.takes),
        })?;
        given.push(Given {
            key,
            called: word.to_owned(),
            text,
            source,
        });
    }
    Ok(given)
}

/// The text of a value: lists are joined by commas, as they are in the environment.
fn toml_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let mut texts = Vec::new();
            for item in items {
                let DeValue::String(text) = item.get_ref() else {
                    return None;
                };
                texts.push(text.to_string());
            }
            Some(texts.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// Values from `.env`; none when the file is absent.
pub fn from_env_file(path: &Path) -> Result<Vec<Given>, Problem> {
    let Some(text) = read(path, ".env", false)? else {
        return Ok(Vec::new());
    };
    let mut given: Vec<Given> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let source = Source::File {
            file: ".env".to_owned(),
            line: index + 1,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(Problem::File {
                source,
                reason: "no = in the line".to_owned(),
                way_out: "write NAME=value, or # in front of a remark".to_owned(),
            });
        };
        let name = name.trim();
        let Some(key) = keys::by_variable(name) else {
            if OTHER_VARIABLES.contains(&name) {
                continue;
            }
            return Err(unknown_variable(name, source));
        };
        let Some(text) = unquote(value.trim()) else {
            return Err(Problem::File {
                source,
                reason: format!("{name} has a quotation mark that does not end"),
                way_out: "close it in the same line and write nothing but a # remark behind"
                    .to_owned(),
            });
        };
        if let Some(first) = given.iter().find(|earlier| earlier.called == name) {
            return Err(Problem::File {
                reason: format!("{name} is set twice, first in {}", first.source),
                source,
                way_out: "keep one of the two lines".to_owned(),
            });
        }
        given.push(Given {
            key,
            called: name.to_owned(),
            text,
            source,
        });
    }
    Ok(prefer_prefixed(given))
}

/// The value behind `=`: in quotation marks, or up to a remark. Nothing is substituted:
/// a `$` in a secret is a `$`.
fn unquote(value: &str) -> Option<String> {
    let Some(quote) = value
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        let bare = value
            .split_once(" #")
            .or_else(|| value.split_once("\t#"))
            .map_or(value, |(bare, _)| bare);
        let bare = if bare.starts_with('#') { "" } else { bare };
        return Some(bare.trim().to_owned());
    };
    let mut text = String::new();
    let mut rest = value.chars().skip(1);
    while let Some(next) = rest.next() {
        if next == quote {
            let behind: String = rest.collect();
            let behind = behind.trim();
            return (behind.is_empty() || behind.starts_with('#')).then_some(text);
        }
        match next {
            '\\' if quote == '"' => match rest.next()? {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

/// Values from the environment, and warnings about variables that look like ours.
pub fn from_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Vec<Given>, Vec<String>), Problem> {
    let mut given = Vec::new();
    let mut warnings = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = keys::by_variable(name) else {
            if name.starts_with("PARLOUR_") && !OTHER_VARIABLES.contains(&name) {
                warnings.push(format!(
                    "{} is ignored",
                    unknown_variable(name, Source::Environment)
                ));
            }
            continue;
        };
        let Ok(text) = value.into_string() else {
            return Err(Problem::Value {
                key: name.into(),
                value: None,
                source: Source::Environment,
                reason: "is not UTF-8".to_owned(),
                way_out: format!("write {}", key.takes),
            });
        };
        given.push(Given {
            key,
            called: name.to_owned(),
            text: text.trim().to_owned(),
            source: Source::Environment,
        });
    }
    warnings.sort();
    Ok((prefer_prefixed(given), warnings))
}

/// Puts plain names first, so that the prefixed name of the same key, read later, wins; and
/// drops empty values: containers pass variables that nobody has filled.
fn prefer_prefixed(mut given: Vec<Given>) -> Vec<Given> {
    given.retain(|given| !given.text.is_empty());
    given.sort_by_key(|given| given.called.starts_with("PARLOUR_"));
    given
}

fn unknown_variable(name: &str, source: Source) -> Problem {
    let prefixed: Vec<String> = KEYS.iter().map(Key::env_name).collect();
    let known = prefixed
        .iter()
        .map(String::as_str)
        .chain(KEYS.iter().filter_map(|key| key.plain));
    unknown(name, source, known)
}

fn unknown<'a>(
    name: &str,
    source: Source,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    let way_out = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known keys: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Problem::Unknown {
        key: name.to_owned(),
        source,
        way_out,
    }
}

fn read(path: &Path, file: &str, required: bool) -> Result<Option<String>, Problem> {
    // A file of configuration is some hundred bytes; a device or a log given by mistake
    // must not be read to its end.
    const MAX_BYTES: u64 = 1024 * 1024;
    let problem = |reason: String, way_out: &str| Problem::File {
        source: Source::File {
            file: file.to_owned(),
            line: 0,
        },
        reason,
        way_out: way_out.to_owned(),
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
            return Ok(None);
        }
        Err(error) => {
            return Err(problem(
                format!("cannot be read: {error}"),
                "check the path",
            ));
        }
        Ok(found) if !found.is_file() => {
            return Err(problem(
                "is no file".to_owned(),
                "name a file or move it away",
            ));
        }
        Ok(found) if found.len() > MAX_BYTES => {
            return Err(problem(
                "is over 1 MiB".to_owned(),
                "name a configuration file",
            ));
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(path)
        .map_err(|error| problem(format!("cannot be read: {error}"), "check its permissions"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| problem("is not UTF-8".to_owned(), "save it as UTF-8 text"))?;
    Ok(Some(
        text.strip_prefix('\u{feff}')
            .map_or(text.clone(), str::to_owned),
    ))
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
