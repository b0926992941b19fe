//! What is measured, and how a figure comes about.
//!
//! Server and limit take turns (A B A B) and the medians are compared, because the machine
//! is shared and its speed drifts.

mod bench;
mod connect;
mod fan_out;
mod history;
mod limits;
mod many_rooms;
mod page;
mod posting;
mod start;

use anyhow::Result;

use crate::args::{Args, Scenario, Settings};
use crate::report::Report;
use bench::Bench;

/// Runs all scenarios asked for.
pub fn run(args: &Args, open_files: u64) -> Result<Report> {
    let settings = Settings::from(args);
    let mut bench = Bench::new(args, settings, open_files)?;
    for scenario in bench.settings.scenarios.clone() {
        let outcome = match scenario {
            Scenario::Start => start::measure(&mut bench),
            Scenario::Connect | Scenario::Idle => connect::measure(&mut bench),
            Scenario::FanOut => fan_out::measure(&mut bench),
            Scenario::ManyRooms => many_rooms::measure(&mut bench),
            Scenario::PostingHttp => posting::measure_http(&mut bench),
            Scenario::PostingSocket => posting::measure_socket(&mut bench),
            Scenario::Page => page::measure(&mut bench),
            Scenario::History => history::measure(&mut bench),
            Scenario::Limit => limits::measure(&mut bench),
        };
        bench.unpin();
        if let Err(error) = outcome {
            let name = format!("{scenario:?}");
            eprintln!("bench: {name}: {error:#}");
            bench.failures.push(format!("{name}: {error:#}"));
        }
    }
    Ok(bench.into_report())
}
