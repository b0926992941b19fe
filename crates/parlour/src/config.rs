//! Configuration: flags over environment over `.env` over `parlour.toml` → one checked
//! [`Config`].
//!
//! Not for looking up values while running: everything is read once, here. Every value in
//! every source is checked, also one that a stronger source hides: a wrong line in a file
//! is a surprise waiting for the day the flag is dropped.

pub mod docs;
pub mod keys;
mod nearest;
mod sources;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

pub use docs::help;
use keys::{KEYS, Key, Name};
pub use sources::Source;
use sources::{Given, from_env_file, from_environment, from_toml};

use crate::secret::Secret;

/// What the process was asked, as values, so that tests need no process.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The working folder.
    pub folder: &'a Path,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The file given with `--config`.
    pub file: Option<PathBuf>,
    /// Flags that were given.
    pub flags: Vec<(Name, String)>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Asked {
            folder: Path::new("."),
            environment: Vec::new(),
            file: None,
            flags: Vec::new(),
        }
    }
}

/// Everything the server wants to know, checked.
#[derive(Debug)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
    /// Folder of everything kept.
    pub data_dir: PathBuf,
    /// Which database; `None` is the file in the data folder.
    pub database: Option<Database>,
    /// The house's key, when the operator brings one.
    pub secret_key: Option<Secret>,
    /// Host headers that are answered besides the obvious ones.
    pub allowed_hosts: Vec<String>,
    /// Public address without a final slash.
    pub base_url: Option<String>,
    /// Networks whose `X-Forwarded-*` is believed: address and length of the prefix.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// Who may sign up.
    pub registration: Registration,
    /// Asked for, not there yet.
    pub guests: bool,
    /// Longest message in Unicode scalar values.
    pub max_message_chars: usize,
    /// Whether limits hold.
    pub rate_limits: bool,
    /// Asked for, not there yet.
    pub auto_bot: bool,
    /// For developers.
    pub debug: bool,
    /// What holds for each key and where it comes from, secrets hidden.
    pub settings: Vec<Setting>,
    /// What the operator should know and need not act on.
    pub warnings: Vec<String>,
}

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// People with an invitation.
    Invite,
    /// Nobody.
    Closed,
}

/// What holds for one key.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value as it may be shown.
    pub shown: String,
    /// Where it comes from.
    pub source: Source,
}

/// A mistake in the configuration: one line that names key, value, place, reason, way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A name nobody knows.
    Unknown {
        /// The name.
        key: String,
        /// Where.
        source: Source,
        /// What instead.
        way_out: String,
    },
    /// A value that does not do.
    Value {
        /// The name under which it was given.
        key: Box<str>,
        /// The value as it may be shown.
        value: Option<Box<str>>,
        /// Where.
        source: Source,
        /// Why not.
        reason: String,
        /// What instead.
        way_out: String,
    },
    /// A file that cannot be understood.
    File {
        /// Where.
        source: Source,
        /// Why not.
        reason: String,
        /// What instead.
        way_out: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                key,
                source,
                way_out,
            } => {
                write!(f, "unknown key {} ({source}): {way_out}", shown(key))
            }
            Self::Value {
                key,
                value,
                source,
                reason,
                way_out,
            } => {
                f.write_str(key)?;
                if let Some(value) = value {
                    write!(f, "={value}")?;
                }
                write!(f, " ({source}): {reason}; {way_out}")
            }
            Self::File {
                source,
                reason,
                way_out,
            } => {
                write!(f, "{source}: {reason}; {way_out}")
            }
        }
    }
}

impl std::error::Error for Problem {}

impl Config {
    /// The SQLite file.
    pub fn sqlite_file(&self) -> PathBuf {
        match &self.database {
            Some(Database::Sqlite(path)) => path.clone(),
            None => self.data_dir.join("parlour.sqlite3"),
        }
    }

    fn defaults() -> Config {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            data_dir: PathBuf::from("./data"),
            database: None,
            secret_key: None,
            allowed_hosts: Vec::new(),
            base_url: None,
            trusted_proxies: Vec::new(),
            registration: Registration::Open,
            guests: false,
            max_message_chars: 1000,
            rate_limits: true,
            auto_bot: false,
            debug: false,
            settings: KEYS
                .iter()
                .map(|key| Setting {
                    key,
                    shown: key.default.replace('`', ""),
                    source: Source::Default,
                })
                .collect(),
            warnings: Vec::new(),
        }
    }

    /// Takes a value over everything taken before.
    fn take(&mut self, given: Given) -> Result<(), Problem> {
        let Given {
            key,
            called,
            text,
            source,
        } = given;
        if let Err(refusal) = self.set(key.name, &text) {
            let mut value = shown_value(key, &text);
            // A refused URL may be refused because its credentials are where nobody looks
            // for them, so only its scheme is told.
            if matches!(key.name, Name::DatabaseUrl | Name::RedisUrl) && text.contains('@') {
                let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
                value = shown(&format!("{scheme}:…"));
            }
            return Err(Problem::Value {
                key: called.into(),
                value: Some(value.into()),
                source,
                reason: refusal.reason,
                way_out: refusal.way_out,
            });
        }
        for setting in &mut self.settings {
            if setting.key.name == key.name {
                setting.shown = shown_value(key, &text);
                setting.source = source.clone();
            }
        }
        Ok(())
    }

    fn set(&mut self, name: Name, text: &str) -> Result<(), values::Refusal> {
        if text.is_empty() {
            return Err(values::Refusal {
                reason: "is empty".to_owned(),
                way_out: "give a value or leave it out".to_owned(),
            });
        }
        match name {
            Name::Listen => self.listen = values::listen(text)?,
            Name::DataDir => self.data_dir = values::folder(text)?,
            Name::DatabaseUrl => self.database = Some(values::database(text)?),
            Name::RedisUrl => values::redis(text)?,
            Name::SecretKey => self.secret_key = Some(Secret::of_text(values::secret(text)?)),
            Name::AllowedHosts => self.allowed_hosts = values::hosts(text)?,
            Name::BaseUrl => self.base_url = Some(values::base_url(text)?),
            Name::TrustedProxies => self.trusted_proxies = values::proxies(text)?,
            Name::Registration => self.registration = values::registration(text)?,
            Name::Guests => self.guests = values::switch(text)?,
            Name::MaxMessageChars => self.max_message_chars = values::message_chars(text)?,
            Name::RateLimits => self.rate_limits = values::switch(text)?,
            Name::AutoBot => self.auto_bot = values::switch(text)?,
            Name::Debug => self.debug = values::switch(text)?,
        }
        Ok(())
    }

    /// Says what is allowed and yet probably not meant.
    fn advise(&mut self) {
        let mut say = |text: &str| self.warnings.push(text.to_owned());
        if self.guests {
            say("guests=on has no effect: this build has no guests yet");
        }
        if self.auto_bot {
            say("auto_bot=on has no effect: this build has no auto-responder yet");
        }
        if !self.rate_limits {
            say("rate_limits=off: every rate and count limit is lifted; for load tests only");
        }
        if self.allowed_hosts.iter().any(|host| host == "*") {
            say(
                "allowed_hosts=* answers to any name, so another site can act as this one; list the names people type",
            );
        }
        if self.debug && !self.listen.ip().is_loopback() {
            say("debug=true while listening beyond this machine: test routes are reachable");
        }
        if self.trusted_proxies.iter().any(|(_, prefix)| *prefix == 0) {
            say("trusted_proxies holds a network of every address: anyone can forge their own");
        }
    }
}

/// Reads and checks everything.
///
/// # Errors
/// The first mistake found, weakest source first.
pub fn load(asked: &Asked<'_>) -> Result<Config, Problem> {
    let mut config = Config::defaults();
    let file = match &asked.file {
        Some(file) => from_toml(file, true)?,
        // Joined to "." it would read "./parlour.toml" in messages; shorter is clearer.
        None if asked.folder == Path::new(".") => from_toml(Path::new("parlour.toml"), false)?,
        None => from_toml(&asked.folder.join("parlour.toml"), false)?,
    };
    let env_file = from_env_file(&asked.folder.join(".env"))?;
    let (environment, warnings) = from_environment(asked.environment.iter().cloned())?;
    config.warnings = warnings;
    for given in file
        .into_iter()
        .chain(env_file)
        .chain(environment)
        .chain(flags(asked))
    {
        config.take(given)?;
    }
    config.advise();
    Ok(config)
}

fn flags<'a>(asked: &'a Asked<'_>) -> impl Iterator<Item = Given> + 'a {
    asked.flags.iter().filter_map(|(name, text)| {
        let key = KEYS.iter().find(|key| key.name == *name)?;
        Some(Given {
            key,
            called: key.flag.unwrap_or(key.word).to_owned(),
            text: text.clone(),
            source: Source::Flag,
        })
    })
}

fn shown_value(key: &Key, text: &str) -> String {
    if key.is_secret {
        "(hidden)".to_owned()
    } else {
        shown(text)
    }
}

/// A foreign text made fit for one line of a terminal.
fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    let mut line: String = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    // Quotation marks need no escape where nothing is quoted.
    line = line.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().count() > MAX_CHARS {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
