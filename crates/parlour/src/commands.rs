//! One module per command, and what they share: configuration, output, questions.

mod bench;
mod config_check;
mod createsuperuser;
mod dummy_data;
mod migrate;
mod openapi;
mod serve;
mod users;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{Cli, Command, ConfigCommand};
use crate::config::{Asked, Config};
use crate::{WrongUse, logging};

/// Runs the command.
///
/// # Errors
/// [`WrongUse`] and [`crate::config::Problem`] mean exit code 2, all else 1.
pub fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    // These two need no configuration, and must work when it is broken.
    match &cli.command {
        Some(Command::Openapi) => return openapi::run(),
        Some(Command::Bench(args)) => return bench::run(args),
        _ => {}
    }
    let config = crate::config::load(&Asked {
        folder: Path::new("."),
        environment: std::env::vars_os().collect(),
        file: cli.common.config.clone(),
        flags: cli.config_flags().map_err(WrongUse)?,
    })?;
    if let Some(Command::Config(ConfigCommand::Check(_))) = cli.command {
        return config_check::run(&config);
    }
    let is_server = matches!(cli.command, None | Some(Command::Serve(_)));
    let usual = match (config.debug, is_server) {
        (true, _) => LevelFilter::DEBUG,
        (false, true) => LevelFilter::INFO,
        // A command says on standard output what it did.
        (false, false) => LevelFilter::WARN,
    };
    logging::start(
        config.debug,
        usual,
        std::env::var("RUST_LOG").ok().as_deref(),
    );
    logging::catch_panics();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match &cli.command {
        None | Some(Command::Serve(_)) => serve::run(&config),
        Some(Command::Migrate { check }) => migrate::run(&config, *check),
        Some(Command::Createsuperuser(args)) => createsuperuser::run(&config, args),
        Some(Command::Users(command)) => users::run(&config, command),
        Some(Command::DummyData(args)) => dummy_data::run(&config, args),
        Some(Command::Config(_) | Command::Bench(_) | Command::Openapi) => Ok(ExitCode::SUCCESS),
    }
}

/// An error and its causes as one line.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // Some errors print their source as part of themselves.
        if !parts.last().is_some_and(|last| last.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ").replace(['\n', '\r'], " ")
}

/// Prints a line on standard output.
///
/// # Errors
/// When nobody can be told. A reader that went away (`parlour users list | head -1`) is no
/// failure: the process ends quietly.
pub fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot write to standard output"),
    }
}

/// A new password: asked for twice in a terminal, else the first line of standard input.
fn new_password(from_stdin: bool) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() && !from_stdin {
        let password = rpassword::prompt_password("Password: ").context("cannot ask")?;
        let again = rpassword::prompt_password("Again: ").context("cannot ask")?;
        if password != again {
            bail!("the two passwords are not the same; nothing was changed");
        }
        return Ok(password);
    }
    let mut line = String::new();
    // Far above the longest password; a stream without line ends must not fill the memory.
    let mut limited = std::io::Read::take(stdin.lock(), 64 * 1024);
    limited
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(WrongUse(
            "no password on standard input; put it into the first line, or run in a terminal"
                .to_owned(),
        )
        .into());
    }
    Ok(password)
}

/// A runtime for commands: they wait for one thing at a time.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .context("cannot start threads")
}

/// Makes the data folder, private to its owner, if it is absent.
fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let make = |folder: &Path| {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))
    };
    make(&config.data_dir)?;
    match config.sqlite_file().parent() {
        Some(parent) if !parent.as_os_str().is_empty() => make(parent),
        _ => Ok(()),
    }
}
