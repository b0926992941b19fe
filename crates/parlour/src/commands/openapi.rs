//! `parlour openapi`: the description of the API, for generators and for the checked-in copy.

use std::process::ExitCode;

use super::say;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    say(web::openapi_json().trim_end())?;
    Ok(ExitCode::SUCCESS)
}
