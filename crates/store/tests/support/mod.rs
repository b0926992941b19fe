//! A PostgreSQL cluster of our own: made with `initdb` in a temporary folder, on a socket
//! there, one per test process.
//!
//! A static is never dropped, so nobody here could stop the server at the end. A watchdog
//! does: a shell that waits for the end of its input, a pipe only this process holds. It
//! comes when the process ends, whether it succeeds, panics or is killed.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers; not every test binary uses all"
)]

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Debian's `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
const STARTED_WITHIN: Duration = Duration::from_secs(60);

/// Shell: a process and its children, one per line. By `/proc`, as a small Debian has no
/// `pgrep`.
const FAMILY: &str = r#"
family() {
  echo "$1"
  grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d / -f 3
}
"#;
const SIGNAL: &str = r#"for one in $(family "$2"); do kill -s "$1" "$one"; done"#;

/// A running cluster. Dropped, it is stopped; so it is when the process ends.
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    settings: String,
    watchdog: Child,
}

impl Cluster {
    /// The one all cases share. It does not wait for the disk: they do not pull the plug.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::start("-c fsync=off -c synchronous_commit=off -c full_page_writes=off")
        })
    }

    /// Makes and starts a cluster.
    pub fn start(settings: &str) -> Self {
        let bin = binaries();
        let folder = tempfile::Builder::new()
            .prefix("parlour-pg-")
            .tempdir()
            .unwrap()
            .keep();
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| {
            use std::os::unix::fs::MetadataExt;
            me.uid() == 0
        });
        if is_root {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.join("data");
        run(as_user(&bin.join("initdb"), &folder)
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--username=parlour", "--pgdata"])
            .arg(&data));
        let watchdog = watch(&bin, &folder);
        let settings = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c max_connections=100 \
             -c shared_buffers=64MB {settings}",
            folder.display()
        );
        let cluster = Self {
            folder,
            bin,
            settings,
            watchdog,
        };
        cluster.start_server();
        cluster
    }

    /// Starts the server of a stopped cluster and waits until it answers.
    pub fn start_server(&self) {
        run(as_user(&self.bin.join("pg_ctl"), &self.folder)
            .args(["start", "--wait", "--silent", "--timeout"])
            .arg(STARTED_WITHIN.as_secs().to_string())
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .arg("--log")
            .arg(self.folder.join("log"))
            .arg("--options")
            .arg(&self.settings));
    }

    /// Stops the server as `pg_ctl --mode` says; `immediate` is a crash.
    pub fn stop_server(&self, mode: &str) {
        run(as_user(&self.bin.join("pg_ctl"), &self.folder)
            .args(["stop", "--wait", "--silent", "--mode", mode, "--pgdata"])
            .arg(self.folder.join("data")));
    }

    /// Sends a signal, by name, to every process of the server.
    pub fn signal(&self, signal: &str) {
        // A backend may end between the list and the signal. The shell's own `kill`: the
        // program of that name is not on every machine.
        let _ = Command::new("/bin/sh")
            .args(["-c", &format!("{FAMILY}{SIGNAL}"), "signal", signal])
            .arg(self.postmaster())
            .stderr(Stdio::null())
            .status();
    }

    fn postmaster(&self) -> String {
        let path = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().next().unwrap().trim().to_owned()
    }

    /// Where a client finds the cluster's own database.
    pub fn url(&self) -> String {
        format!(
            "postgresql://parlour@/postgres?host={}",
            self.folder.display()
        )
    }

    /// A fresh, empty schema; the address that leads to it alone.
    pub fn fresh(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("case_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("create schema {schema}"));
        format!("{}&options=-c%20search_path%3D{schema}", self.url())
    }

    /// Runs SQL from outside, as another program would; what it prints.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_at(&self.url(), sql)
    }

    /// The same at the address of a schema.
    pub fn sql_at(&self, url: &str, sql: &str) -> String {
        let output = as_user(&self.bin.join("psql"), &self.folder)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", "--dbname", url, "--command", sql])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Debian keeps the servers' binaries out of the path, in a folder per version.
fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, bin)) => bin,
        None => panic!(
            "PostgreSQL is missing; install it with: sudo apt-get install postgresql \
             (or run bin/setup)"
        ),
    }
}

fn as_user(program: &Path, folder: &Path) -> Command {
    use std::os::unix::fs::MetadataExt;
    let mut command = Command::new(program);
    let owner = std::fs::metadata(folder).unwrap().uid();
    if owner == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    // Nobody may enter the folder of whoever runs the tests.
    command.current_dir("/").env_remove("PGOPTIONS");
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let started = Instant::now();
    // Not `output()`: the server inherits the pipes and would keep them open.
    let log = tempfile::NamedTempFile::new().unwrap();
    let status = command
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .status()
        .unwrap();
    assert!(
        status.success(),
        "{command:?} failed after {:?}: {}",
        started.elapsed(),
        std::fs::read_to_string(log.path()).unwrap_or_default()
    );
}

/// Waits for the end of this process, then stops the server and removes the folder.
fn watch(bin: &Path, folder: &Path) -> Child {
    const WAIT: &str = "
trap '' INT TERM HUP
cat >/dev/null
";
    // Whom a test has stopped cannot hear that they are to end.
    const STOP: &str = r#"
pid=$(head -n 1 "$2/data/postmaster.pid" 2>/dev/null)
[ -n "$pid" ] && for one in $(family "$pid"); do kill -s CONT "$one" 2>/dev/null; done
"$1/pg_ctl" stop --wait --silent --mode immediate --pgdata "$2/data" >/dev/null 2>&1
rm -rf -- "$2"
"#;
    let script = format!("{FAMILY}{WAIT}{STOP}");
    let mut command = as_user(Path::new("/bin/sh"), folder);
    command
        .args(["-c", &script, "watchdog"])
        .arg(bin)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Out of the group that a terminal interrupts.
        .process_group(0);
    command.spawn().unwrap()
}
