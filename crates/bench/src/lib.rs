//! The load tester behind `parlour bench`.
//!
//! It measures a whole server from outside: sockets and HTTP as any client speaks them,
//! CPU time and memory from `/proc`. Beside each figure stands the *limit*: what the same
//! machine reaches in the same run with nothing but the unavoidable system calls
//! ([`limit`]). It is not a profiler and not a test of correctness, except that it counts
//! every lost, doubled or reordered delivery.
//!
//! What a newcomer would get wrong: absolute figures of two runs cannot be compared, the
//! ratios can. And a debug build measures nothing.

mod args;
mod fleet;
mod frames;
mod house;
mod http;
pub mod limit;
mod process;
mod report;
mod scenarios;
mod stats;
mod text;

pub use args::{Args, Scenario};
pub use fleet::Integrity;
pub use process::Machine;
pub use report::{Of, Report, Row, Target, Verdict};

use anyhow::Result;

/// Measures what `args` ask for. Progress goes to standard error; print the report with
/// [`Report::render`] and leave with failure unless [`Report::is_clean`].
///
/// A scenario that cannot be measured is named in the report and the others go on.
///
/// # Errors
/// When no server can be started or reached at all.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command line hands its options over"
)]
pub fn run(args: Args) -> Result<Report> {
    if args.limit_broadcaster {
        limit::broadcast::run_child()?;
        return Ok(Report::default());
    }
    let open_files = process::raise_open_files();
    scenarios::run(&args, open_files)
}
