//! The binary: command line, configuration, wiring, start and stop.
//!
//! It decides nothing about chat; it puts the parts together and reports to the shell. A
//! newcomer looking for what a command *does* finds a call into `chat` or `store` here.

pub mod args;
pub mod commands;
pub mod config;
pub mod lock;
pub mod logging;
pub mod secret;
pub mod signals;
pub mod wiring;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use config::Problem;

/// Wrong use or wrong configuration: one line on standard error, exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    // Everything made from here on (database, secret, lock) is the owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: standard output, exit code 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match commands::run(&cli) {
        Ok(code) => code,
        Err(error) => {
            let is_wrong_use = error.is::<WrongUse>() || error.is::<Problem>();
            eprintln!("parlour: {}", commands::one_line(&error));
            ExitCode::from(if is_wrong_use { 2 } else { 1 })
        }
    }
}
