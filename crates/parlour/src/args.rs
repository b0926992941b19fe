//! The command line as types.
//!
//! Values that are configuration stay text here: `config` checks them, so that a wrong
//! `--listen` and a wrong `PARLOUR_LISTEN` are refused with the same words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::keys::Name;

/// A chat server for your own house.
///
/// Without a command it serves: it makes what is missing in the data folder, listens, and
/// prints one line `listening on http://ADDR:PORT` when it is ready. Logs go to standard
/// error.
#[derive(Debug, Parser)]
#[command(
    name = "parlour",
    version,
    after_help = "Examples:
  parlour                                   serve on http://127.0.0.1:8000, data in ./data
  parlour --listen 0.0.0.0:8000             reachable from other machines
  parlour createsuperuser --username ada    make the owner from the shell
  parlour config check                      say what the configuration means",
    after_long_help = long_help(),
    args_conflicts_with_subcommands = false
)]
pub struct Cli {
    /// Configuration of every command.
    #[command(flatten)]
    pub common: Common,
    /// `serve` may be left out.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

fn long_help() -> String {
    format!(
        "Examples:
  parlour                                   serve on http://127.0.0.1:8000, data in ./data
  parlour --listen 0.0.0.0:8000             reachable from other machines
  parlour createsuperuser --username ada    make the owner from the shell
  parlour config check                      say what the configuration means

Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration.

{}",
        crate::config::help()
    )
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Read this file instead of parlour.toml in the working folder
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Configuration"
    )]
    pub config: Option<PathBuf>,
    /// Folder of everything kept [default: ./data]
    #[arg(
        long = "data",
        global = true,
        value_name = "DIR",
        help_heading = "Configuration"
    )]
    pub data: Option<String>,
    /// Database, sqlite:PATH [default: parlour.sqlite3 in the data folder]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Configuration"
    )]
    pub database_url: Option<String>,
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Address and port; port 0 picks a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Joins several nodes; refused, this build runs as one node
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server; the default
    #[command(after_help = "Examples:
  parlour serve
  parlour serve --listen 0.0.0.0:8000 --data /var/lib/parlour
  parlour serve --listen 127.0.0.1:0        picks a free port and prints it")]
    Serve(ServeArgs),
    /// Apply missing migrations and stop
    #[command(after_help = "Examples:
  parlour migrate
  parlour migrate --check                   exit 1 when some are missing, change nothing")]
    Migrate {
        /// Only say which are missing: exit 1 when some are
        #[arg(long)]
        check: bool,
    },
    /// Make the owner if there is none, else an administrator
    #[command(
        after_help = "The password is asked for in a terminal, else it is the first line of \
standard input.

Examples:
  parlour createsuperuser --username ada
  parlour createsuperuser --username ada --email ada@example.org --password-stdin < password"
    )]
    Createsuperuser(SuperuserArgs),
    /// Look after people's accounts from the shell
    #[command(subcommand)]
    Users(UsersCommand),
    /// Fill a house with people, rooms and conversations for trying things out
    #[command(
        after_help = "The same numbers and seed make the same words. The people have no \
password; give one to whom
you want to be with `parlour users passwd NAME`.

Examples:
  parlour dummy-data
  parlour dummy-data --users 200 --messages 1000000 --rooms 50 --seed 7"
    )]
    DummyData(DummyDataArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    // Its help is the load tester's own.
    Bench(Box<bench::Args>),
    /// Print the description of the HTTP API (OpenAPI 3.1, JSON)
    #[command(after_help = "Example:
  parlour openapi > openapi.json")]
    Openapi,
}

/// Who becomes owner or administrator.
#[derive(Args, Clone, Debug)]
pub struct SuperuserArgs {
    /// 2 to 32 of letters, digits, _ . -
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Address for password links
    #[arg(long, value_name = "MAIL")]
    pub email: Option<String>,
    /// Take the password from the first line of standard input, also in a terminal
    #[arg(long)]
    pub password_stdin: bool,
}

/// What can be done to accounts.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// List people with role and state
    #[command(after_help = "Examples:
  parlour users list
  parlour users list --query ada")]
    List {
        /// Only those whose username or display name contains this
        #[arg(long, value_name = "TEXT")]
        query: Option<String>,
    },
    /// Set a password; ends the person's sessions and tokens
    #[command(after_help = "Examples:
  parlour users passwd ada
  parlour users passwd ada < password")]
    Passwd {
        /// Username
        name: String,
        /// Take the password from the first line of standard input, also in a terminal
        #[arg(long)]
        password_stdin: bool,
    },
    /// Print a link with which the person sets a new password, once, within 15 minutes
    #[command(after_help = "Example:
  parlour users reset-link ada")]
    ResetLink {
        /// Username
        name: String,
    },
    /// Give another role
    #[command(after_help = "Example:
  parlour users role ada administrator")]
    Role {
        /// Username
        name: String,
        /// owner, administrator, moderator, member or guest
        role: String,
    },
    /// Shut a person out: sessions, tokens and sockets end, messages stay
    #[command(after_help = "Example:
  parlour users ban mallory")]
    Ban {
        /// Username
        name: String,
    },
    /// Let a banned person in again
    #[command(after_help = "Example:
  parlour users unban mallory")]
    Unban {
        /// Username
        name: String,
    },
    /// Close an account: sessions, tokens and sockets end, messages stay
    #[command(after_help = "Example:
  parlour users deactivate bob")]
    Deactivate {
        /// Username
        name: String,
    },
    /// Open a closed account again
    #[command(after_help = "Example:
  parlour users reactivate bob")]
    Reactivate {
        /// Username
        name: String,
    },
}

/// How much to make up.
#[derive(Args, Clone, Debug)]
pub struct DummyDataArgs {
    /// People
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub users: u32,
    /// Messages
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub messages: u32,
    /// Rooms besides the lobby [default: 1 for every 5 people, at most 12]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub rooms: Option<u32>,
    /// Another seed makes other words
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What can be done to the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and say what it means; exit 2 when it is wrong
    #[command(after_help = "Examples:
  parlour config check
  parlour config check --config /etc/parlour.toml --listen 0.0.0.0:80")]
    Check(ServeArgs),
}

impl Cli {
    /// The flags that are configuration, as `config` wants them.
    ///
    /// # Errors
    /// A sentence when a flag of `serve` stands before another command.
    pub fn config_flags(&self) -> Result<Vec<(Name, String)>, String> {
        let mut flags = Vec::new();
        let mut give = |name, value: &Option<String>| {
            if let Some(value) = value {
                flags.push((name, value.clone()));
            }
        };
        give(Name::DataDir, &self.common.data);
        give(Name::DatabaseUrl, &self.common.database_url);
        give(Name::Listen, &self.serve.listen);
        give(Name::RedisUrl, &self.serve.redis_url);
        let own = match &self.command {
            Some(Command::Serve(own) | Command::Config(ConfigCommand::Check(own))) => Some(own),
            _ => None,
        };
        if let Some(own) = own {
            give(Name::Listen, &own.listen);
            give(Name::RedisUrl, &own.redis_url);
        }
        let may_serve = own.is_some() || self.command.is_none();
        if !may_serve && (self.serve.listen.is_some() || self.serve.redis_url.is_some()) {
            return Err(
                "--listen and --redis-url belong to serve alone; leave them out".to_owned(),
            );
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;
    use crate::config::keys::Name;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &mut clap::Command, path: &str) {
            let has_children = command.has_subcommands() && path != "parlour";
            let help = command.render_long_help().to_string();
            assert!(
                has_children || help.contains("Example"),
                "{path} has no example"
            );
            for child in command.get_subcommands_mut() {
                if child.get_name() != "help" {
                    let path = format!("{path} {}", child.get_name());
                    check(child, &path);
                }
            }
        }
        let mut command = Cli::command();
        command.build();
        check(&mut command, "parlour");
    }

    #[test]
    fn serve_may_be_left_out() {
        let flags = |line: &[&str]| Cli::try_parse_from(line).unwrap().config_flags();
        let expected = vec![(Name::Listen, ":1".to_owned())];
        assert_eq!(flags(&["parlour", "--listen", ":1"]).unwrap(), expected);
        assert_eq!(
            flags(&["parlour", "serve", "--listen", ":1"]).unwrap(),
            expected
        );
        assert_eq!(
            flags(&["parlour", "--listen", ":1", "config", "check"]).unwrap(),
            expected
        );
        let data = vec![(Name::DataDir, "d".to_owned())];
        assert_eq!(flags(&["parlour", "--data", "d", "migrate"]).unwrap(), data);
        assert_eq!(flags(&["parlour", "migrate", "--data", "d"]).unwrap(), data);
        assert!(
            flags(&["parlour", "--listen", ":1", "migrate"])
                .unwrap_err()
                .contains("serve")
        );
        assert!(Cli::try_parse_from(["parlour", "migrate", "--listen", ":1"]).is_err());
    }
}
