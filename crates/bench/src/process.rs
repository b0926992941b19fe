//! What the kernel knows of a process and of the machine: CPU time, memory, cores.
//!
//! CPU comes from the scheduler's nanosecond clock (`task/*/schedstat`), because
//! `/proc/PID/stat` counts in ticks of 10 ms. A thread that ends takes its nanoseconds
//! along, so when threads went away between two readings the ticks are used instead.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::CpuSet;
use serde::Serialize;

/// Ticks per second of `/proc/PID/stat`: `USER_HZ`, 100 on every Linux of today.
const TICKS_PER_S: u64 = 100;

/// CPU time of a process at one moment.
#[derive(Clone, Debug)]
pub struct CpuReading {
    threads: BTreeMap<u32, u64>,
    ticks: u64,
}

impl CpuReading {
    /// Reads process `pid`, all threads.
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .with_context(|| format!("process {pid} is gone or not readable"))?;
        for task in tasks {
            let task = task?;
            let Some(tid) = task.file_name().to_str().and_then(|t| t.parse().ok()) else {
                continue;
            };
            // A thread may end between the listing and the reading.
            if let Some(ns) = fs::read_to_string(task.path().join("schedstat"))
                .ok()
                .and_then(|text| schedstat_ns(&text))
            {
                threads.insert(tid, ns);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = stat_ticks(&stat).context("/proc/PID/stat is not readable")?;
        Ok(Self { threads, ticks })
    }

    /// CPU time spent since `earlier`.
    pub fn since(&self, earlier: &CpuReading) -> Duration {
        let is_complete = earlier.threads.keys().all(|t| self.threads.contains_key(t));
        if is_complete && !self.threads.is_empty() {
            let sum = |r: &CpuReading| r.threads.values().sum::<u64>();
            return Duration::from_nanos(sum(self).saturating_sub(sum(earlier)));
        }
        Duration::from_millis(self.ticks.saturating_sub(earlier.ticks) * 1000 / TICKS_PER_S)
    }
}

/// CPU time of the calling thread so far.
pub fn thread_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    schedstat_ns(&text)
        .map(Duration::from_nanos)
        .context("/proc/thread-self/schedstat is not readable")
}

/// Resident memory of process `pid` in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    // `smaps_rollup` counts pages; `VmRSS` of `status` may be off by 64 pages per thread.
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .or_else(|_| fs::read_to_string(format!("/proc/{pid}/status")))
        .with_context(|| format!("memory of process {pid} is not readable"))?;
    kilobytes(&text, &["Rss:", "VmRSS:"])
        .map(|kb| kb * 1024)
        .context("no resident size in /proc")
}

/// Restricts every thread of `pid` (`None`: the calling thread alone) to `cores`.
pub fn pin(pid: Option<u32>, cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    let Some(pid) = pid else {
        return rustix::thread::sched_setaffinity(None, &set).context("cannot pin this thread");
    };
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let tid = task?.file_name().to_str().and_then(|t| t.parse().ok());
        if let Some(tid) = tid.and_then(Pid::from_raw) {
            // Threads come and go; one that is gone needs no pinning.
            let _ = rustix::thread::sched_setaffinity(Some(tid), &set);
        }
    }
    Ok(())
}

/// Raises the limit of open files as far as the system lets us and returns it.
pub fn raise_open_files() -> u64 {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let wanted = 200_000;
    for limit in [now.maximum.map(|m| m.max(wanted)), now.maximum] {
        let ask = Rlimit {
            current: limit,
            maximum: limit,
        };
        if rustix::process::setrlimit(Resource::Nofile, ask).is_ok() {
            break;
        }
    }
    rustix::process::getrlimit(Resource::Nofile)
        .current
        .unwrap_or(u64::MAX)
}

/// The machine a run happened on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Logical cores this process may use.
    pub cores: usize,
    /// Name of the processor.
    pub cpu: String,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Release of the kernel.
    pub kernel: String,
}

impl Machine {
    /// Reads this one.
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu_model(&cpuinfo)
                .unwrap_or("unknown processor")
                .to_owned(),
            memory_gib: kilobytes(&meminfo, &["MemTotal:"]).unwrap_or(0) as f64 / 1048576.0,
            kernel: kernel.trim().to_owned(),
        }
    }
}

fn schedstat_ns(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// User plus system ticks. The second field is the command in brackets and may itself
/// hold spaces and brackets, so counting starts after the last one.
fn stat_ticks(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kilobytes(text: &str, names: &[&str]) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, rest) = line.split_once(char::is_whitespace)?;
        if !names.contains(&name) {
            return None;
        }
        rest.trim().trim_end_matches(" kB").trim().parse().ok()
    })
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_after_a_command_with_spaces_and_brackets() {
        let text = "12 (a (b) c) S 1 12 12 0 -1 4194304 100 0 0 0 37 5 0 0 20 0 4 0 99 1 2";
        assert_eq!(stat_ticks(text), Some(42));
        assert_eq!(stat_ticks("12 (x) S 1"), None);
        assert_eq!(stat_ticks(""), None);
    }

    #[test]
    fn schedstat_and_sizes_and_names_are_found() {
        assert_eq!(schedstat_ns("110484 64706 2\n"), Some(110_484));
        assert_eq!(schedstat_ns(""), None);
        let rollup = "55-7f ---p 00000000 00:00 0   [rollup]\nRss:          1756 kB\nPss: 3 kB\n";
        assert_eq!(kilobytes(rollup, &["Rss:", "VmRSS:"]), Some(1756));
        assert_eq!(
            kilobytes("VmRSS:\t  12 kB\n", &["Rss:", "VmRSS:"]),
            Some(12)
        );
        assert_eq!(kilobytes("Name:\tx\n", &["Rss:"]), None);
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: A B 9000\n"),
            Some("A B 9000")
        );
    }

    fn reading(threads: &[(u32, u64)], ticks: u64) -> CpuReading {
        CpuReading {
            threads: threads.iter().copied().collect(),
            ticks,
        }
    }

    #[test]
    fn nanoseconds_count_while_threads_live_and_ticks_when_one_ended() {
        let before = reading(&[(1, 1000), (2, 500)], 10);
        let grown = reading(&[(1, 4000), (2, 500), (3, 250)], 12);
        assert_eq!(grown.since(&before), Duration::from_nanos(3250));
        let ended = reading(&[(1, 4000)], 12);
        assert_eq!(ended.since(&before), Duration::from_millis(20));
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = std::process::id();
        let before = CpuReading::of(pid).unwrap();
        let mut x = 1u64;
        while CpuReading::of(pid).unwrap().since(&before) < Duration::from_millis(1) {
            x = std::hint::black_box(x.wrapping_mul(31));
        }
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(thread_cpu().unwrap() > Duration::ZERO);
        assert!(CpuReading::of(u32::MAX).is_err());
        assert!(Machine::read().cores >= 1);
    }
}
