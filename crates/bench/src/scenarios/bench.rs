//! What the scenarios share: the house, its people, the broadcaster, the books.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::{Args, Settings};
use crate::fleet::{Dialect, Door, Fleet, Integrity};
use crate::house::{House, Person, temporary_folder};
use crate::http::Client;
use crate::limit::broadcast::Broadcaster;
use crate::process::{self, CpuReading, Machine};
use crate::report::{Report, Row, Target};

/// How many of an event log are read back to compare it with the acknowledgements.
const READ_BACK: usize = 5_000;

/// A run in progress.
pub struct Bench {
    pub settings: Settings,
    pub binary: PathBuf,
    pub failures: Vec<String>,
    args: Args,
    // Dropped in this order: the server stops before its folder goes.
    house: Option<House>,
    broadcaster: Option<Broadcaster>,
    folder: tempfile::TempDir,
    people: Vec<Person>,
    rows: Vec<Row>,
    integrity: Integrity,
    conditions: Vec<String>,
    fleets: u8,
    rooms_made: usize,
    cores: usize,
}

impl Bench {
    pub fn new(args: &Args, settings: Settings, open_files: u64) -> Result<Self> {
        let binary = match &args.binary {
            Some(binary) => binary.canonicalize().context("--binary cannot be found")?,
            None => std::env::current_exe()?,
        };
        let cores = Machine::read().cores;
        let mut conditions = vec![
            "CPU is user and system time of the whole server process; the limit is a bare \
             epoll loop of one `send` per socket and message, with payloads of the same length"
                .to_owned(),
            format!(
                "windows of {:.1} s, {} interleaved rounds, medians; {} people hold all sockets",
                settings.window.as_secs_f64(),
                settings.rounds,
                settings.users
            ),
        ];
        let most = settings.readers.iter().max().copied().unwrap_or(0) as u64;
        if open_files < most + 200 {
            conditions.push(format!(
                "only {open_files} open files are allowed; raise ulimit -n for {most} readers"
            ));
        }
        if cores > 1 && !args.no_pin {
            conditions.push(
                "fan-out and many rooms: server and limit on one core, the load generator on \
                 another, where it never sleeps, so that neither side pays for waking it; \
                 everything else shares all cores"
                    .into(),
            );
        }
        Ok(Self {
            settings,
            binary,
            failures: Vec::new(),
            args: args.clone(),
            house: None,
            broadcaster: None,
            folder: temporary_folder(args.folder.as_ref())?,
            people: Vec::new(),
            rows: Vec::new(),
            integrity: Integrity::default(),
            conditions,
            fleets: 0,
            rooms_made: 0,
            cores,
        })
    }

    /// Where temporary data goes.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Whether the server is one that runs without us.
    pub fn is_foreign(&self) -> bool {
        self.args.server.is_some()
    }

    /// Makes sure that the house runs and people live in it.
    pub fn open_house(&mut self) -> Result<()> {
        if self.house.is_some() {
            return Ok(());
        }
        let house = match &self.args.server {
            Some(url) => House::running(url, self.args.pid)?,
            None => {
                let house = House::start(&self.binary, self.folder.path())?;
                house.set_up()?;
                house
            }
        };
        let count = self.settings.users;
        eprintln!("bench: {count} people sign up at {}", house.host);
        // Unlikely to exist already in a house that was measured before.
        let prefix = match house.is_own() {
            true => "guest".to_owned(),
            false => format!("bench{}x", std::process::id()),
        };
        self.people = house.people(&prefix, count)?;
        self.house = Some(house);
        Ok(())
    }

    /// A fresh process on the same data, so that set-up work does not colour its memory.
    pub fn restart_house(&mut self) -> Result<()> {
        self.open_house()?;
        if self.is_foreign() {
            return Ok(());
        }
        self.house = None;
        self.house = Some(House::start(&self.binary, self.folder.path())?);
        Ok(())
    }

    pub fn house(&self) -> Result<&House> {
        self.house.as_ref().context("the house is not open")
    }

    pub fn client(&self) -> Result<Client> {
        Ok(self.house()?.client())
    }

    /// Someone; the same for the same number.
    pub fn person(&self, number: usize) -> Result<&Person> {
        self.people
            .get(number % self.people.len().max(1))
            .context("nobody lives here")
    }

    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// The beginning of a username that nobody has, also in a house measured before.
    pub fn fresh_name(&self) -> String {
        format!("new{}x{}n", std::process::id(), self.rooms_made)
    }

    /// The token of person `number`.
    pub fn token(&self, number: usize) -> String {
        self.person(number)
            .map_or(String::new(), |person| person.token.clone())
    }

    /// A new open room of person `owner`: id and slug.
    pub fn new_room(&mut self, client: &mut Client, owner: usize) -> Result<(u64, String)> {
        self.rooms_made += 1;
        let name = format!("Bench {} {}", std::process::id(), self.rooms_made);
        self.house()?.room(client, self.person(owner)?, &name)
    }

    /// Everybody among the first `count` people joins.
    pub fn join_all(&self, client: &mut Client, room: u64, count: usize) -> Result<()> {
        for number in 0..count.min(self.people.len()) {
            self.house()?.join(client, self.person(number)?, room)?;
        }
        Ok(())
    }

    /// An empty fleet at the server.
    pub fn server_fleet(&mut self, rooms: Vec<u64>) -> Result<Fleet> {
        let house = self.house()?;
        let (addr, host) = (house.addr, house.host.clone());
        let source = self.next_source(addr);
        Fleet::new(
            Door {
                addr,
                source,
                dialect: Dialect::Parlour { host },
            },
            rooms,
        )
    }

    /// An empty fleet at the broadcaster.
    pub fn limit_fleet(&mut self, rooms: usize, payload_bytes: usize) -> Result<Fleet> {
        let addr = self.broadcaster()?.addr;
        let source = self.next_source(addr);
        Fleet::new(
            Door {
                addr,
                source,
                dialect: Dialect::Limit { payload_bytes },
            },
            (0..rooms as u64).collect(),
        )
    }

    /// The broadcaster, fresh when it was dropped.
    pub fn broadcaster(&mut self) -> Result<&Broadcaster> {
        if self.broadcaster.is_none() {
            self.broadcaster = Some(Broadcaster::start()?);
        }
        self.broadcaster.as_ref().context("no broadcaster")
    }

    /// Lets the next round have a new broadcaster.
    pub fn drop_broadcaster(&mut self) {
        self.broadcaster = None;
    }

    // Closed connections keep their ports for a minute; each fleet comes from its own
    // address, so that ten thousand always find one.
    fn next_source(&mut self, to: std::net::SocketAddr) -> Option<std::net::Ipv4Addr> {
        self.fleets = self.fleets.wrapping_add(1);
        let is_loopback_v4 = to.is_ipv4() && to.ip().is_loopback();
        is_loopback_v4.then(|| [127, 0, 1, self.fleets.max(1)].into())
    }

    /// Gives `pid` the first core and this thread the last.
    pub fn pin(&self, pid: u32) -> Result<()> {
        if self.is_pinning() {
            process::pin(Some(pid), &[0])?;
            process::pin(None, &[self.cores - 1])?;
        }
        Ok(())
    }

    /// Whether the load generator gets a core of its own.
    pub fn is_pinning(&self) -> bool {
        self.cores > 1 && !self.args.no_pin && !self.is_foreign()
    }

    /// Gives everybody all cores again.
    pub fn unpin(&self) {
        let all: Vec<usize> = (0..self.cores).collect();
        let _ = process::pin(None, &all);
        if let Some(pid) = self.house.as_ref().and_then(|house| house.pid)
            && !self.is_foreign()
        {
            let _ = process::pin(Some(pid), &all);
        }
    }

    pub fn window(&self) -> Duration {
        self.settings.window
    }

    /// Adds a figure.
    pub fn row(
        &mut self,
        scenario: &'static str,
        what: impl Into<String>,
        (value, unit): (f64, &'static str),
        limit: Option<f64>,
        target: Option<Target>,
        note: impl Into<String>,
    ) {
        let row = Row {
            scenario,
            what: what.into(),
            value,
            unit,
            limit,
            // A figure taken in passing says nothing about a target.
            target: target.filter(|_| !self.args.quick),
            note: note.into(),
        };
        eprintln!(
            "bench: {}: {}: {:.2} {}{}",
            row.scenario,
            row.what,
            row.value,
            row.unit,
            row.ratio()
                .map_or(String::new(), |r| format!(", {r:.2} × the limit"))
        );
        self.rows.push(row);
    }

    pub fn condition(&mut self, sentence: impl Into<String>) {
        self.conditions.push(sentence.into());
    }

    pub fn count(&mut self, integrity: &Integrity) {
        self.integrity.add(integrity);
    }

    /// Compares what was acknowledged with what room `id` holds after `head_before`: every
    /// acknowledged seq once, none above the head, no hole in what is read back.
    pub fn check_stored(&mut self, id: u64, head_before: u64, acknowledged: &[u64]) -> Result<()> {
        let house = self.house()?;
        let mut client = house.client();
        let person = self.person(0)?;
        let head = house.head(&mut client, person, id)?;
        let read_back = house.event_seqs(&mut client, person, id, head_before, READ_BACK)?;
        let unstored = unstored(head_before, head, &read_back, acknowledged);
        if unstored > 0 {
            self.integrity.unstored += unstored;
            let note = format!("room {id}: {unstored} acknowledged posts are not there once");
            self.integrity.error(|| note);
        }
        Ok(())
    }

    pub fn into_report(self) -> Report {
        Report {
            machine: Some(Machine::read()),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            date: self.args.date.clone(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            conditions: self.conditions,
            rows: self.rows,
            failures: self.failures,
            integrity: self.integrity,
        }
    }
}

/// How many acknowledgements are false.
fn unstored(head_before: u64, head: u64, read_back: &[u64], acknowledged: &[u64]) -> u64 {
    let mut seqs = acknowledged.to_vec();
    seqs.sort_unstable();
    let total = seqs.len();
    seqs.dedup();
    let doubled = total - seqs.len();
    let beyond = seqs.iter().filter(|seq| **seq > head).count();
    let holes = read_back
        .iter()
        .zip(head_before + 1..)
        .filter(|(seq, expected)| **seq != *expected)
        .count();
    let missing_tail = (head - head_before.min(head))
        .min(READ_BACK as u64)
        .saturating_sub(read_back.len() as u64);
    (doubled + beyond + holes) as u64 + missing_tail
}

/// CPU time since `before`, in µs, divided by `count`.
pub fn us_each(now: &CpuReading, before: &CpuReading, count: u64) -> f64 {
    now.since(before).as_secs_f64() * 1e6 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::unstored;

    #[test]
    fn acknowledgements_are_compared_with_the_room() {
        assert_eq!(unstored(3, 6, &[4, 5, 6], &[6, 4, 5]), 0);
        assert_eq!(
            unstored(3, 6, &[4, 5, 6], &[4, 5, 5]),
            1,
            "acknowledged twice"
        );
        assert_eq!(unstored(3, 5, &[4, 5], &[4, 5, 6]), 1, "never stored");
        assert_eq!(unstored(3, 6, &[4, 6, 7], &[]), 2, "a hole");
        assert_eq!(unstored(3, 6, &[4], &[]), 2, "a short log");
        assert_eq!(unstored(3, 3, &[], &[]), 0);
    }
}
