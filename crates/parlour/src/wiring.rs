//! The parts put together: configuration → store, live path, application, web.
//!
//! Nothing here decides anything; it translates one part's settings into another's. Also
//! the one place that asks the system for the time and for random bytes.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use chat::Chat;
use domain::{Event, Signal, Time};
use live::{Control, Format, Live};
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{Store, StoreError};

use crate::config::{Config, Registration};
use crate::secret::{self, Secret};

/// The present.
#[must_use]
pub fn now() -> Time {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The system's clock and random bytes.
#[must_use]
pub fn env() -> chat::Env {
    chat::Env::new(now, |bytes| {
        if let Err(error) = getrandom::fill(bytes) {
            // Going on would hand out guessable secrets; there is no smaller answer.
            tracing::error!("the system gives no random bytes: {error}");
            std::process::abort();
        }
    })
}

/// The house's key: the operator's, else the one in the data folder.
///
/// # Errors
/// When the key file cannot be made or read.
pub fn secret(config: &Config) -> anyhow::Result<Secret> {
    match &config.secret_key {
        Some(secret) => Ok(secret.clone()),
        None => secret::load_or_make(&config.data_dir),
    }
}

/// What the application is told.
#[must_use]
pub fn chat_settings(config: &Config, secret: &Secret) -> chat::Settings {
    chat::Settings {
        secret_key: secret.bytes().to_vec(),
        registration: match config.registration {
            Registration::Open => chat::Registration::Open,
            Registration::Invite => chat::Registration::Invite,
            Registration::Closed => chat::Registration::Closed,
        },
        max_message_chars: config.max_message_chars,
        rate_limits: config.rate_limits,
        setup_needs_code: is_public(config),
        hashing_threads: cores().min(4),
        ..chat::Settings::default()
    }
}

/// Whether others than this machine's users can reach the server: it listens beyond
/// loopback, or stands behind a proxy that does. Then the first stranger must not become
/// the owner.
fn is_public(config: &Config) -> bool {
    let base_is_public = config.base_url.as_deref().is_some_and(|url| {
        let authority = url
            .split_once("://")
            .map_or(url, |(_, authority)| authority);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        host != "localhost" && !is_loopback
    });
    base_is_public || !config.listen.ip().is_loopback() || !config.trusted_proxies.is_empty()
}

/// What the web is told. `listen` is the address in force, with the real port.
///
/// # Errors
/// Never for a checked configuration.
pub fn web_settings(config: &Config, listen: SocketAddr) -> anyhow::Result<web::Settings> {
    let base_url = config.base_url.as_deref().map(str::parse).transpose()?;
    let networks = config.trusted_proxies.iter();
    let trusted_proxies = networks
        .map(|(address, prefix)| format!("{address}/{prefix}").parse())
        .collect::<Result<_, _>>()?;
    // Requests and sockets go down side by side; with the last flush the whole stop stays
    // within ten seconds.
    let bounds = web::Bounds {
        drain: Duration::from_secs(7),
        ..web::Bounds::default()
    };
    Ok(web::Settings {
        base_url,
        allowed_hosts: config.allowed_hosts.clone(),
        trusted_proxies,
        debug: config.debug,
        max_message_chars: config.max_message_chars,
        bounds,
        ..web::Settings::new(listen)
    })
}

/// What the live path is told.
#[must_use]
pub fn live_config(config: &Config) -> live::Config {
    let mut live = live::Config {
        // A frame may hold the longest message with every character escaped.
        max_message_bytes: (64 * 1024).max(12 * config.max_message_chars + 4 * 1024),
        ..live::Config::default()
    };
    if !config.rate_limits {
        live.max_per_user = None;
        live.max_per_address = None;
    }
    live
}

/// Threads that can run at once.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens the database, making and migrating it as needed. Blocks.
///
/// # Errors
/// As a sentence with the file and the way out.
pub fn open_store(file: &Path) -> anyhow::Result<Arc<SqliteStore>> {
    let options = SqliteOptions {
        on_fatal: Some(Arc::new(|cause: &str| {
            tracing::error!("the disk did not keep what was written ({cause}); stopping at once");
            std::process::exit(1);
        })),
        ..SqliteOptions::default()
    };
    SqliteStore::open(file, options).map_err(opening_failed)
}

fn opening_failed(error: StoreError) -> anyhow::Error {
    match error {
        // These say the file and the way out themselves.
        StoreError::Corrupt(_) | StoreError::Unavailable(_) | StoreError::Newer { .. } => {
            error.into()
        }
        other => anyhow::Error::new(other).context("cannot open the database"),
    }
}

/// Everything but the web, for commands that act and end. Works beside a running server,
/// which learns of changes from the database.
pub struct House {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The application.
    pub chat: Arc<Chat>,
    live: Live,
}

impl House {
    /// Opens the house for one command.
    ///
    /// # Errors
    /// When the key or the database cannot be opened.
    pub async fn open(config: &Config) -> anyhow::Result<House> {
        let secret = secret(config)?;
        let file = config.sqlite_file();
        let store: Arc<dyn Store> = tokio::task::spawn_blocking(move || open_store(&file))
            .await
            .context("opening the database failed")??;
        let live_config = live::Config {
            shards: 1,
            ..live_config(config)
        };
        let live = Live::start(live_config, Arc::clone(&store), Arc::new(Silent))
            .await
            .context("cannot start threads")?;
        let settings = chat_settings(config, &secret);
        let chat = Chat::start(Arc::clone(&store), live.clone(), env(), settings);
        Ok(House { store, chat, live })
    }

    /// Writes what is under way and lets go.
    pub async fn close(self) {
        self.chat.stop().await;
        self.live.stop(Duration::ZERO).await;
        self.store.close().await;
    }
}

/// Renders nothing: a command has no sockets.
struct Silent;

impl live::Render for Silent {
    fn event(&self, _format: Format, _event: &Event, _out: &mut String) {}
    fn signal(&self, _format: Format, _signal: &Signal, _out: &mut String) {}
    fn control(&self, _format: Format, _control: &Control, _out: &mut String) {}
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::is_public;
    use crate::config::{Asked, load};

    #[test]
    fn whoever_can_be_reached_by_strangers_is_public() {
        let check = |name: &str, value: &str, expected: bool| {
            let folder = tempfile::tempdir().unwrap();
            let asked = Asked {
                folder: folder.path(),
                environment: vec![(OsString::from(name), OsString::from(value))],
                ..Asked::default()
            };
            assert_eq!(
                is_public(&load(&asked).unwrap()),
                expected,
                "{name}={value}"
            );
        };
        check("UNRELATED", "1", false);
        check("PARLOUR_LISTEN", "[::1]:0", false);
        check("PARLOUR_LISTEN", "0.0.0.0:0", true);
        check("PARLOUR_LISTEN", "192.0.2.1:80", true);
        check("PARLOUR_BASE_URL", "http://localhost:8000", false);
        check("PARLOUR_BASE_URL", "http://127.0.0.1", false);
        check("PARLOUR_BASE_URL", "http://[::1]:8000", false);
        check("PARLOUR_BASE_URL", "http://[2001:db8::1]", true);
        check("PARLOUR_BASE_URL", "https://chat.example.org:8443", true);
        check("PARLOUR_TRUSTED_PROXIES", "127.0.0.1", true);
    }
}
