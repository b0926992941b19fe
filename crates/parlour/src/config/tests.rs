use std::ffi::OsString;
use std::path::Path;

use super::keys::{KEYS, Name};
use super::{Asked, Config, Database, Problem, Registration, Source, load};

struct House(tempfile::TempDir);

impl House {
    fn new(files: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        House(folder)
    }

    fn load(
        &self,
        environment: &[(&str, &str)],
        flags: &[(Name, &str)],
    ) -> Result<Config, Problem> {
        load(&Asked {
            folder: self.0.path(),
            environment: environment
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
            file: None,
            flags: flags
                .iter()
                .map(|(name, text)| (*name, (*text).to_owned()))
                .collect(),
        })
    }
}

fn from_env(name: &str, value: &str) -> Result<Config, Problem> {
    House::new(&[]).load(&[(name, value)], &[])
}

/// The refusal must hold every part and fit one line.
fn check_refusal(outcome: Result<Config, Problem>, parts: &[&str]) {
    let line = outcome.expect_err("accepted").to_string();
    assert!(!line.contains('\n'), "more than one line: {line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in: {line}");
    }
}

#[test]
fn nothing_given_is_a_whole_configuration() {
    let config = House::new(&[]).load(&[], &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!(config.sqlite_file(), Path::new("./data/parlour.sqlite3"));
    assert_eq!(config.registration, Registration::Open);
    assert_eq!(config.max_message_chars, 1000);
    assert!(config.rate_limits && !config.debug && !config.guests && !config.auto_bot);
    assert!(config.secret_key.is_none() && config.base_url.is_none());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.settings.len(), KEYS.len());
    assert!(
        config
            .settings
            .iter()
            .all(|setting| setting.source == Source::Default)
    );
}

#[test]
fn flags_stand_over_environment_over_env_file_over_toml() {
    let house = House::new(&[
        (
            "parlour.toml",
            "listen = \"127.0.0.1:1\"\nmax_message_chars = 11\ndebug = true\n",
        ),
        (
            ".env",
            "PARLOUR_LISTEN=127.0.0.1:2\nPARLOUR_MAX_MESSAGE_CHARS=22\n",
        ),
    ]);
    let port = |environment: &[(&str, &str)], flags: &[(Name, &str)]| {
        house.load(environment, flags).unwrap().listen.port()
    };
    assert_eq!(port(&[], &[]), 2);
    assert_eq!(port(&[("PARLOUR_LISTEN", "127.0.0.1:3")], &[]), 3);
    let flags = [(Name::Listen, "127.0.0.1:4")];
    assert_eq!(port(&[("PARLOUR_LISTEN", "127.0.0.1:3")], &flags), 4);
    let config = house.load(&[], &[]).unwrap();
    assert_eq!(config.max_message_chars, 22);
    assert!(config.debug);
    let source = |name| {
        let setting = config
            .settings
            .iter()
            .find(|setting| setting.key.name == name)
            .unwrap();
        setting.source.to_string()
    };
    assert!(
        source(Name::Debug).ends_with("parlour.toml line 3"),
        "{}",
        source(Name::Debug)
    );
    assert_eq!(source(Name::MaxMessageChars), ".env line 2");
    assert_eq!(source(Name::BaseUrl), "default");
}

#[test]
fn plain_names_are_accepted_and_yield_to_prefixed_ones() {
    assert!(from_env("DEBUG", "True").unwrap().debug);
    assert_eq!(
        from_env("ALLOWED_HOSTS", "a.example, B.example ,")
            .unwrap()
            .allowed_hosts,
        ["a.example", "b.example"]
    );
    let both = [("PARLOUR_DEBUG", "off"), ("DEBUG", "on")];
    assert!(!House::new(&[]).load(&both, &[]).unwrap().debug);
    let file = House::new(&[(".env", "PARLOUR_DEBUG=off\nDEBUG=on\n")]);
    assert!(!file.load(&[], &[]).unwrap().debug);
    // Containers pass variables that nobody has filled.
    assert!(from_env("SECRET_KEY", "").unwrap().secret_key.is_none());
}

#[test]
fn env_files_are_read_as_people_write_them() {
    let house = House::new(&[(
        ".env",
        "\u{feff}# a remark\r\n\r\nexport PARLOUR_BASE_URL = \"https://Chat.example/\" # why\r\n\
         SECRET_KEY='0123456789 #abc$DEF'\r\nPARLOUR_REGISTRATION=closed # nobody\r\n\
         PARLOUR_DATA_DIR=\"a \\\"b\\\\\"\nREDIS_URL=\nPARLOUR_TOKEN=for-the-clients",
    )]);
    let config = house.load(&[], &[]).unwrap();
    assert_eq!(config.base_url.as_deref(), Some("https://chat.example"));
    assert_eq!(config.secret_key.unwrap().bytes(), b"0123456789 #abc$DEF");
    assert_eq!(config.registration, Registration::Closed);
    assert_eq!(config.data_dir, Path::new("a \"b\\"));
}

#[test]
fn toml_takes_its_own_types() {
    let house = House::new(&[(
        "parlour.toml",
        "# remark\nallowed_hosts = [\"a.example\", \"b.example\"]\nmax_message_chars = 4_000\n\
         trusted_proxies = \"10.0.0.0/8, ::1\"\nrate_limits = false\n",
    )]);
    let config = house.load(&[], &[]).unwrap();
    assert_eq!(config.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.max_message_chars, 4000);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.trusted_proxies[0].1, 8);
    assert_eq!(config.trusted_proxies[1].1, 128);
    assert!(!config.rate_limits);
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn good_values_are_taken() {
    let listen = |text| from_env("PARLOUR_LISTEN", text).unwrap().listen.to_string();
    assert_eq!(listen("0.0.0.0:80"), "0.0.0.0:80");
    assert_eq!(listen("[::]:8000"), "[::]:8000");
    assert_eq!(listen(":0"), "127.0.0.1:0");
    assert_eq!(listen("localhost:9"), "127.0.0.1:9");
    let database = |text| from_env("DATABASE_URL", text).unwrap().database;
    for (text, path) in [
        ("sqlite:a/b.db", "a/b.db"),
        ("sqlite:/a/b.db", "/a/b.db"),
        ("sqlite:///a/b.db", "/a/b.db"),
        ("SQLite://b.db", "b.db"),
    ] {
        assert_eq!(
            database(text),
            Some(Database::Sqlite(path.into())),
            "{text}"
        );
    }
    let base = |text| {
        from_env("PARLOUR_BASE_URL", text)
            .unwrap()
            .base_url
            .unwrap()
    };
    assert_eq!(base("http://[::1]:8000"), "http://[::1]:8000");
    assert_eq!(
        base("HTTPS://Chat.Example:8443/"),
        "https://chat.example:8443"
    );
    assert_eq!(
        from_env("PARLOUR_ALLOWED_HOSTS", "[::1],10.0.0.1,x_y")
            .unwrap()
            .allowed_hosts
            .len(),
        3
    );
}

#[test]
fn wrong_values_say_key_value_reason_and_way_out() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "PARLOUR_LISTEN",
            "abc",
            &["PARLOUR_LISTEN=abc", "environment", "127.0.0.1:8000"],
        ),
        (
            "PARLOUR_LISTEN",
            "127.0.0.1",
            &["no port", "127.0.0.1:8000"],
        ),
        ("PARLOUR_LISTEN", "::1", &["no port", "[::1]:8000"]),
        ("PARLOUR_LISTEN", ":99999", &["65535"]),
        ("PARLOUR_LISTEN", "chat.example:80", &["not an IP address"]),
        (
            "DATABASE_URL",
            "postgres://u:hunter2@db/x",
            &["no PostgreSQL yet", "sqlite:PATH"],
        ),
        (
            "DATABASE_URL",
            "postgresql://db/x",
            &["no PostgreSQL yet", "sqlite:PATH"],
        ),
        (
            "DATABASE_URL",
            "mysql://db",
            &["does not know", "sqlite:PATH"],
        ),
        ("DATABASE_URL", "sqlite:", &["does not name a file"]),
        ("DATABASE_URL", "sqlite::memory:", &["lose every message"]),
        ("DATABASE_URL", "/a/b", &["not a database URL"]),
        (
            "REDIS_URL",
            "redis://:hunter2@r:6379/0",
            &["no Redis yet", "leave it out"],
        ),
        ("PARLOUR_REDIS_URL", "nonsense", &["no Redis yet"]),
        (
            "SECRET_KEY",
            "hunter2",
            &["SECRET_KEY=(hidden)", "16 characters", "openssl rand"],
        ),
        (
            "ALLOWED_HOSTS",
            "https://a.example",
            &["without scheme", "https://a.example"],
        ),
        ("ALLOWED_HOSTS", "a..example", &["a..example", "host name"]),
        (
            "PARLOUR_BASE_URL",
            "chat.example",
            &["https://chat.example.org"],
        ),
        ("PARLOUR_BASE_URL", "https://a.example/chat", &["path"]),
        ("PARLOUR_BASE_URL", "https://u:p@a.example", &["password"]),
        ("PARLOUR_BASE_URL", "https://a.example:0", &["port"]),
        ("PARLOUR_BASE_URL", "https://", &["host"]),
        ("PARLOUR_BASE_URL", "https://bücher.example", &["xn--"]),
        (
            "PARLOUR_TRUSTED_PROXIES",
            "10.0.0.0/33",
            &["0 to 32", "10.0.0.0/8"],
        ),
        ("PARLOUR_TRUSTED_PROXIES", "nginx", &["nginx", "10.0.0.0/8"]),
        (
            "PARLOUR_REGISTRATION",
            "opne",
            &["PARLOUR_REGISTRATION=opne", "open, invite or closed"],
        ),
        ("PARLOUR_GUESTS", "maybe", &["on or off"]),
        (
            "PARLOUR_MAX_MESSAGE_CHARS",
            "0",
            &["out of range", "1 to 40000"],
        ),
        (
            "PARLOUR_MAX_MESSAGE_CHARS",
            "40001",
            &["out of range", "1 to 40000"],
        ),
        (
            "PARLOUR_MAX_MESSAGE_CHARS",
            "many",
            &["not a whole number", "1 to 40000"],
        ),
        ("DEBUG", "*", &["DEBUG=*", "on or off"]),
        ("DEBUG", "a\u{1b}[31m\nb", &["\\u{1b}[31m\\nb"]),
    ];
    for (name, value, parts) in cases {
        check_refusal(from_env(name, value), parts);
        let outcome = from_env(name, value);
        let line = outcome.unwrap_err().to_string();
        assert!(!line.contains("hunter2"), "a secret is shown: {line}");
        assert!(!line.contains('\u{1b}'), "a control character is shown");
    }
    check_refusal(
        House::new(&[]).load(&[], &[(Name::Listen, "")]),
        &["--listen", "is empty"],
    );
}

#[test]
fn files_name_the_line() {
    let toml = |text| House::new(&[("parlour.toml", text)]).load(&[], &[]);
    check_refusal(
        toml("\n\nlisten = \"x\"\n"),
        &["listen=x", "parlour.toml line 3"],
    );
    check_refusal(
        toml("debug = true\nlissten = 1"),
        &["lissten", "line 2", "did you mean listen?"],
    );
    check_refusal(
        toml("colour = 1"),
        &["colour", "line 1", "known keys: listen, data_dir"],
    );
    check_refusal(
        toml("[server]\nlisten = \"x\""),
        &["server", "line 1", "top level"],
    );
    check_refusal(toml("a b c"), &["line 1", "not TOML"]);
    check_refusal(toml("debug = true\ndebug = true"), &["line 2", "not TOML"]);
    check_refusal(
        toml("listen = 1.5"),
        &["listen", "line 1", "quotation marks"],
    );
    check_refusal(toml("listen = \"\""), &["listen", "is empty"]);
    check_refusal(toml("allowed_hosts = [1]"), &["allowed_hosts", "line 1"]);
    let env = |text| House::new(&[(".env", text)]).load(&[], &[]);
    check_refusal(
        env("#\nPARLOUR_LISTEN=x"),
        &["PARLOUR_LISTEN=x", ".env line 2"],
    );
    check_refusal(
        env("PARLOUR_LISTN=x"),
        &["PARLOUR_LISTN", "did you mean PARLOUR_LISTEN?"],
    );
    check_refusal(env("SECRETKEY=x"), &["did you mean SECRET_KEY?"]);
    check_refusal(env("listen"), &[".env line 1", "NAME=value"]);
    check_refusal(env("DEBUG=\"on"), &["does not end"]);
    check_refusal(
        env("DEBUG=on\nDEBUG=off"),
        &["twice", ".env line 1", ".env line 2"],
    );
}

#[test]
fn a_wrong_value_is_refused_even_where_another_source_hides_it() {
    let house = House::new(&[("parlour.toml", "listen = \"x\"")]);
    check_refusal(
        house.load(&[("PARLOUR_LISTEN", ":1")], &[]),
        &["parlour.toml line 1"],
    );
}

#[test]
fn unknown_variables_of_ours_are_warned_about_and_others_ignored() {
    let house = House::new(&[]);
    let environment = [
        ("PARLOUR_LISTN", "x"),
        ("PARLOUR_TOKEN", "x"),
        ("HOME", "/"),
        ("LISTEN", "x"),
    ];
    let config = house.load(&environment, &[]).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("PARLOUR_LISTN"));
    assert!(config.warnings[0].contains("did you mean PARLOUR_LISTEN?"));
}

#[test]
fn what_is_not_there_yet_is_said() {
    let any = from_env("ALLOWED_HOSTS", "*").unwrap();
    assert!(any.warnings[0].contains("any name"));
    for (name, word) in [
        ("PARLOUR_GUESTS", "guests"),
        ("PARLOUR_AUTO_BOT", "auto_bot"),
    ] {
        let config = from_env(name, "on").unwrap();
        assert!(config.warnings[0].contains(word) && config.warnings[0].contains("no effect"));
    }
}

#[test]
fn a_named_file_must_exist_and_be_one() {
    let house = House::new(&[("other.toml", "debug = true")]);
    let ask = |file: &str| {
        load(&Asked {
            folder: house.0.path(),
            file: Some(house.0.path().join(file)),
            ..Default::default()
        })
    };
    assert!(ask("other.toml").unwrap().debug);
    check_refusal(ask("absent.toml"), &["absent.toml", "check the path"]);
    check_refusal(ask(""), &["is no file"]);
    std::fs::write(house.0.path().join("bytes.toml"), [0xff, 0xfe]).unwrap();
    check_refusal(ask("bytes.toml"), &["not UTF-8"]);
}

#[test]
fn secrets_are_hidden_in_what_is_shown() {
    let config = from_env("SECRET_KEY", "hunter2hunter2hunter2").unwrap();
    let all = format!("{config:?}");
    assert!(!all.contains("hunter2"), "{all}");
}
