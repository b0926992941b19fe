//! `parlour migrate`: the schema brought up to date, or only looked at.

use std::process::ExitCode;

use store::sqlite::SqliteStore;

use super::{make_data_dir, say};
use crate::config::Config;

pub(super) fn run(config: &Config, check: bool) -> anyhow::Result<ExitCode> {
    let file = config.sqlite_file();
    if check {
        let missing = SqliteStore::pending_migrations(&file)?;
        if missing.is_empty() {
            say("no migration is missing")?;
            return Ok(ExitCode::SUCCESS);
        }
        for name in &missing {
            say(&format!("missing: {name}"))?;
        }
        return Ok(ExitCode::FAILURE);
    }
    make_data_dir(config)?;
    let applied = SqliteStore::migrate(&file)?;
    for name in &applied {
        say(&format!("applied: {name}"))?;
    }
    if applied.is_empty() {
        say("no migration is missing")?;
    }
    Ok(ExitCode::SUCCESS)
}
