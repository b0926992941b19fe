//! The one table of configuration keys.
//!
//! Parsing, `--help`, `docs/configuration.md` and `.env.example` all come from it, so a key
//! cannot exist in one and not in the others. A new key is a line here, an arm in
//! `config::values` and a field of `Config`; the compiler asks for the last two.

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Address and port.
    Listen,
    /// Folder of everything kept.
    DataDir,
    /// Which database.
    DatabaseUrl,
    /// How nodes hear each other.
    RedisUrl,
    /// The house's key.
    SecretKey,
    /// Host headers that are answered.
    AllowedHosts,
    /// Public address.
    BaseUrl,
    /// Whose `X-Forwarded-*` is believed.
    TrustedProxies,
    /// Who may sign up.
    Registration,
    /// Whether people may come in by a name alone.
    Guests,
    /// Longest message.
    MaxMessageChars,
    /// Whether limits hold.
    RateLimits,
    /// The bot in the lobby.
    AutoBot,
    /// For developers.
    Debug,
}

/// A key and everything that is said about it.
#[derive(Debug)]
pub struct Key {
    /// Which.
    pub name: Name,
    /// As written in `parlour.toml`; in capitals behind `PARLOUR_` in the environment.
    pub word: &'static str,
    /// A name without prefix that is accepted in the environment and `.env` too.
    pub plain: Option<&'static str>,
    /// The flag that sets it.
    pub flag: Option<&'static str>,
    /// What it takes, in words.
    pub takes: &'static str,
    /// What holds when nobody says anything.
    pub default: &'static str,
    /// A value for `.env.example`.
    pub example: &'static str,
    /// What it means: whole sentences.
    pub doc: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
}

impl Key {
    /// The name in the environment and in `.env`.
    pub fn env_name(&self) -> String {
        format!("PARLOUR_{}", self.word.to_ascii_uppercase())
    }
}

/// Variables that belong to Parlour's client commands and are no configuration of the server.
pub const OTHER_VARIABLES: &[&str] = &["PARLOUR_TOKEN"];

/// Every key, in the order people meet them.
pub const KEYS: &[Key] = &[
    Key {
        name: Name::Listen,
        word: "listen",
        plain: None,
        flag: Some("--listen"),
        takes: "an IP address and a port",
        default: "127.0.0.1:8000",
        example: "0.0.0.0:8000",
        doc: "Where the server listens. Port 0 picks a free one; the line \
              `listening on http://…` says which. `:8000` means the loopback address; \
              `0.0.0.0:8000` is reachable from other machines.",
        is_secret: false,
    },
    Key {
        name: Name::DataDir,
        word: "data_dir",
        plain: None,
        flag: Some("--data"),
        takes: "a folder",
        default: "./data",
        example: "/var/lib/parlour",
        doc: "Holds the SQLite file `parlour.sqlite3`, uploaded files and the generated secret \
              (`secret`, mode 0600). Made when absent.",
        is_secret: false,
    },
    Key {
        name: Name::DatabaseUrl,
        word: "database_url",
        plain: Some("DATABASE_URL"),
        flag: Some("--database-url"),
        takes: "`sqlite:PATH`",
        default: "`parlour.sqlite3` in the data folder",
        example: "sqlite:/var/lib/parlour/parlour.sqlite3",
        doc: "Which database. `postgres://…` is recognised and refused: this build has no \
              PostgreSQL yet.",
        is_secret: false,
    },
    Key {
        name: Name::RedisUrl,
        word: "redis_url",
        plain: Some("REDIS_URL"),
        flag: Some("--redis-url"),
        takes: "nothing yet",
        default: "none: one node",
        example: "",
        doc: "Joins several nodes. `redis://…` is recognised and refused: this build runs as one \
              node and has no Redis yet.",
        is_secret: false,
    },
    Key {
        name: Name::SecretKey,
        word: "secret_key",
        plain: Some("SECRET_KEY"),
        flag: None,
        takes: "at least 16 characters",
        default: "made at first start, kept in the data folder (mode 0600)",
        example: "",
        doc: "The house's key: sessions and API tokens are stored as HMAC(key, token). With \
              another key everyone is signed out and tokens end; messages and people stay.",
        is_secret: true,
    },
    Key {
        name: Name::AllowedHosts,
        word: "allowed_hosts",
        plain: Some("ALLOWED_HOSTS"),
        flag: None,
        takes: "host names and IP addresses, separated by commas; `.example.org` is the domain and \
                everything below it, `*` any name (with a warning)",
        default: "loopback names, the listen address, the base URL's host",
        example: "chat.example.org",
        doc: "Host headers that are answered; others get 421, except at `/healthz` and `/readyz`. \
              Listening on `0.0.0.0` or `[::]` without a base URL also accepts literal IP \
              addresses.",
        is_secret: false,
    },
    Key {
        name: Name::BaseUrl,
        word: "base_url",
        plain: None,
        flag: None,
        takes: "`http://HOST[:PORT]` or `https://HOST[:PORT]`",
        default: "taken from the request",
        example: "https://chat.example.org",
        doc: "The public address, for links and cookies. `https` turns on `Secure` and `__Host-` \
              cookies and HSTS.",
        is_secret: false,
    },
    Key {
        name: Name::TrustedProxies,
        word: "trusted_proxies",
        plain: None,
        flag: None,
        takes: "IP addresses and networks such as `10.0.0.0/8`, separated by commas",
        default: "none",
        example: "127.0.0.1",
        doc: "Addresses whose `X-Forwarded-*` headers are believed: the proxy in front of \
              Parlour, nobody else.",
        is_secret: false,
    },
    Key {
        name: Name::Registration,
        word: "registration",
        plain: None,
        flag: None,
        takes: "`open`, `invite` or `closed`",
        default: "open",
        example: "invite",
        doc: "Who may sign up: anyone, only people with an invitation, nobody.",
        is_secret: false,
    },
    Key {
        name: Name::Guests,
        word: "guests",
        plain: None,
        flag: None,
        takes: "`on` or `off`",
        default: "off",
        example: "off",
        doc: "`on` will open `/chat/` to people who give only a name. This build has no guests \
              yet: `on` is answered by a warning and changes nothing.",
        is_secret: false,
    },
    Key {
        name: Name::MaxMessageChars,
        word: "max_message_chars",
        plain: None,
        flag: None,
        takes: "a number from 1 to 40000",
        default: "1000",
        example: "4000",
        doc: "Longest message, in Unicode scalar values, counted after line ends are made `\\n` \
              and outer white space is cut.",
        is_secret: false,
    },
    Key {
        name: Name::RateLimits,
        word: "rate_limits",
        plain: None,
        flag: None,
        takes: "`on` or `off`",
        default: "on",
        example: "on",
        doc: "`off` lifts every rate and count limit, sockets and sign-ups included. For load \
              tests only; the log says so at every start.",
        is_secret: false,
    },
    Key {
        name: Name::AutoBot,
        word: "auto_bot",
        plain: None,
        flag: None,
        takes: "`on` or `off`",
        default: "off",
        example: "off",
        doc: "`on` will add the auto-responder bot to the lobby. This build has no bots of its \
              own yet: `on` is answered by a warning and changes nothing.",
        is_secret: false,
    },
    Key {
        name: Name::Debug,
        word: "debug",
        plain: Some("DEBUG"),
        flag: None,
        takes: "`true` or `false`",
        default: "false",
        example: "false",
        doc: "For developers: readable logs, assets from disk, test routes such as \
              `/debug/ws-echo`. Never in production.",
        is_secret: false,
    },
];

/// The key of a name in `parlour.toml`.
pub fn by_word(word: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.word == word)
}

/// The key of a variable's name, prefixed or plain.
pub fn by_variable(variable: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.plain == Some(variable) || key.env_name() == variable)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{KEYS, by_variable, by_word};

    #[test]
    fn every_name_is_used_once_and_found_again() {
        let mut seen = BTreeSet::new();
        for key in KEYS {
            assert!(seen.insert(key.word.to_owned()), "{} twice", key.word);
            assert!(seen.insert(key.env_name()), "{} twice", key.env_name());
            if let Some(plain) = key.plain {
                assert!(seen.insert(plain.to_owned()), "{plain} twice");
                assert_eq!(by_variable(plain).unwrap().name, key.name);
            }
            assert_eq!(by_word(key.word).unwrap().name, key.name);
            assert_eq!(by_variable(&key.env_name()).unwrap().name, key.name);
        }
        assert!(by_variable("listen").is_none());
        assert!(by_word("PARLOUR_LISTEN").is_none());
    }
}
