//! `parlour bench`: the load tester, mounted.

use std::process::ExitCode;

use super::say;

pub(super) fn run(args: &bench::Args) -> anyhow::Result<ExitCode> {
    let report = bench::run(args.clone())?;
    if args.limit_broadcaster {
        return Ok(ExitCode::SUCCESS);
    }
    say(report.render(args.json).trim_end())?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
