//! The options of `parlour bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

/// Load tester: fan-out, posting, connecting, memory, pages; against the machine's limit.
///
/// Starts a server of its own on a temporary folder unless --server names a running one.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  parlour bench                                  everything, a few minutes
  parlour bench --quick                          a smoke test, half a minute
  parlour bench --scenario fan-out --readers 1000
  parlour bench --json > bench.json
  parlour bench --server http://127.0.0.1:8000 --pid 4242
                                                 a running server (started with
                                                 PARLOUR_RATE_LIMITS=off and open sign-up)
  parlour bench --binary ./parlour-before --scenario posting-http
                                                 another build, for before and after")]
pub struct Args {
    /// Measure the server at this address instead of starting one.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The process of --server, for CPU and memory.
    #[arg(long, requires = "server")]
    pub pid: Option<u32>,
    /// Start this parlour executable instead of the one that runs now.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub binary: Option<PathBuf>,
    /// Where temporary data goes (its disk is what is measured).
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// What to measure; all when left out.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scenario: Vec<Scenario>,
    /// Readers of one room in fan-out; the largest is also used for connecting and memory.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub readers: Vec<usize>,
    /// Writers: connections over HTTP, sockets, and posts under way in many rooms.
    #[arg(long, value_name = "N")]
    pub writers: Option<usize>,
    /// Posts under way over the JSON sockets of the writers.
    #[arg(long, value_name = "N")]
    pub in_flight: Option<usize>,
    /// Rooms of ten readers each in many-rooms.
    #[arg(long, value_name = "N")]
    pub rooms: Option<usize>,
    /// Messages in the house of the history scenario.
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// People who sign up; sockets and posts are spread over them.
    #[arg(long, value_name = "N")]
    pub users: Option<usize>,
    /// Length of one measurement, in seconds.
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    /// Interleaved measurements of server and limit; the median counts.
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Small numbers and one round: does it work at all?
    #[arg(long)]
    pub quick: bool,
    /// Let server and load generator share all cores instead of giving each one.
    #[arg(long)]
    pub no_pin: bool,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Printed with the conditions, as it is.
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,
    /// Be the bare broadcaster (used by the load tester itself).
    #[arg(long, hide = true)]
    pub limit_broadcaster: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Time to ready and memory of an empty house.
    Start,
    /// Connecting and subscribing; includes idle memory.
    Connect,
    /// Memory per idle connection (measured together with connect).
    Idle,
    /// One room, many readers.
    FanOut,
    /// Many rooms of ten readers.
    ManyRooms,
    /// Closed loop over HTTP keep-alive, and one writer alone.
    PostingHttp,
    /// Closed loop over the JSON socket.
    PostingSocket,
    /// The room page, complete and unchanged.
    Page,
    /// A house with many messages: start, history pages, room pages.
    History,
    /// The limit rows alone, without a server: what this machine can do (not part of all).
    Limit,
}

/// The options with their defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub readers: Vec<usize>,
    pub writers: usize,
    pub in_flight: usize,
    pub rooms: usize,
    pub messages: u64,
    pub users: usize,
    pub window: Duration,
    pub rounds: usize,
    pub scenarios: Vec<Scenario>,
}

impl Settings {
    pub(crate) fn from(args: &Args) -> Self {
        let pick = |given: Option<usize>, usual: usize, quick: usize| {
            given
                .unwrap_or(if args.quick { quick } else { usual })
                .max(1)
        };
        let mut readers = args.readers.clone();
        if readers.is_empty() {
            readers = if args.quick {
                vec![200]
            } else {
                vec![1_000, 10_000]
            };
        }
        let seconds = args.seconds.unwrap_or(if args.quick { 0.5 } else { 4.0 });
        let mut scenarios = args.scenario.clone();
        if scenarios.is_empty() {
            scenarios = Scenario::value_variants().to_vec();
            scenarios.retain(|scenario| *scenario != Scenario::Limit);
        }
        if scenarios.contains(&Scenario::Connect) {
            scenarios.retain(|scenario| *scenario != Scenario::Idle);
        }
        Self {
            readers,
            writers: pick(args.writers, 64, 16),
            in_flight: pick(args.in_flight, 256, 32),
            rooms: pick(args.rooms, 1_000, 40),
            messages: args
                .messages
                .unwrap_or(if args.quick { 20_000 } else { 1_000_000 }),
            users: pick(args.users, 64, 8),
            window: Duration::from_secs_f64(seconds.clamp(0.05, 3_600.0)),
            rounds: pick(args.rounds, 3, 1),
            scenarios,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn settings(line: &str) -> Settings {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        Settings::from(&Cli::try_parse_from(words).unwrap().args)
    }

    #[test]
    fn defaults_lists_and_quick() {
        let usual = settings("");
        assert_eq!(usual.readers, [1_000, 10_000]);
        assert_eq!((usual.writers, usual.in_flight, usual.rounds), (64, 256, 3));
        assert!(
            !usual.scenarios.contains(&Scenario::Idle),
            "connect includes it"
        );
        let quick = settings("--quick --writers 3");
        assert_eq!((quick.readers.as_slice(), quick.writers), (&[200][..], 3));
        let some = settings("--scenario fan-out,posting-http --readers 5,7 --seconds 0.25");
        assert_eq!(some.scenarios, [Scenario::FanOut, Scenario::PostingHttp]);
        assert_eq!(some.readers, [5, 7]);
        assert_eq!(some.window, Duration::from_millis(250));
        assert!(Cli::try_parse_from(["bench", "--pid", "3"]).is_err());
    }
}
