//! The server under test, and the people in it.
//!
//! By default the house is our own: a fresh folder, this very executable as `serve`, rate
//! limits off, gone afterwards. Everything is done over the public doors (set-up and
//! sign-up forms, the API), so the load tester needs nothing a stranger would not have.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::http::{Answer, Client, form};
use crate::process::CpuReading;

const PASSWORD: &str = "harbour-lantern-4711-quiet";
const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server under test.
pub struct House {
    child: Option<(Child, BufReader<ChildStdout>)>,
    /// Its process, if known.
    pub pid: Option<u32>,
    /// Where it listens.
    pub addr: SocketAddr,
    /// For the `Host` header.
    pub host: String,
    /// From starting the process to its line `listening on …`.
    pub start_time: Option<Duration>,
}

/// Someone who can read and post.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their username.
    pub username: String,
    /// Their API token.
    pub token: String,
}

impl House {
    /// Starts `binary serve` on the data in `folder` and waits until it is ready.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = std::fs::File::create(folder.join("bench-server.log"))?;
        let start = Instant::now();
        let mut child = own_command(binary, folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id();
        let out = child.stdout.take().context("no standard output")?;
        let mut house = Self {
            child: Some((child, BufReader::new(out))),
            pid: Some(pid),
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            host: String::new(),
            start_time: None,
        };
        let mut line = String::new();
        if let Some((_, out)) = &mut house.child {
            // Ends by itself: the server either says its line or goes.
            out.read_line(&mut line)?;
        }
        house.start_time = Some(start.elapsed());
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            let log = std::fs::read_to_string(folder.join("bench-server.log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(5).collect();
            bail!("the server did not start: {line:?} {}", tail.join(" | "));
        };
        (house.addr, house.host) = address(url)?;
        house.wait_ready()?;
        Ok(house)
    }

    /// A server that runs already.
    pub fn running(url: &str, pid: Option<u32>) -> Result<Self> {
        let (addr, host) = address(url)?;
        let house = Self {
            child: None,
            pid,
            addr,
            host,
            start_time: None,
        };
        house.wait_ready()?;
        Ok(house)
    }

    fn wait_ready(&self) -> Result<()> {
        let end = Instant::now() + START_TIMEOUT;
        loop {
            match self.client().send("GET", "/readyz", "", b"") {
                Ok(answer) if answer.status == 200 => return Ok(()),
                outcome if Instant::now() > end => {
                    let said = outcome.map_or_else(|e| format!("{e:#}"), |a| a.excerpt());
                    bail!("the server at {} does not get ready: {said}", self.host);
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Whether this load tester started it.
    pub fn is_own(&self) -> bool {
        self.child.is_some()
    }

    /// A new client.
    pub fn client(&self) -> Client {
        Client::new(self.addr, &self.host)
    }

    /// The process, or why it is needed.
    pub fn pid(&self) -> Result<u32> {
        self.pid
            .context("CPU and memory need the server's process: add --pid PID")
    }

    /// The server's CPU time now.
    pub fn cpu(&self) -> Result<CpuReading> {
        CpuReading::of(self.pid()?)
    }

    /// Waits until the server has nothing to do (a hundredth of a core), at most 20 s.
    pub fn wait_quiet(&self, mut meanwhile: impl FnMut(Duration) -> Result<()>) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let before = self.cpu()?;
            meanwhile(Duration::from_millis(200))?;
            if self.cpu()?.since(&before) < Duration::from_millis(2) {
                break;
            }
        }
        Ok(())
    }

    /// Makes the owner, in a house without one.
    pub fn set_up(&self) -> Result<()> {
        let fields = [
            ("username", "owner"),
            ("password", PASSWORD),
            ("password_confirm", PASSWORD),
        ];
        let answer = self.post_form("/setup", &fields)?;
        if !(300..400).contains(&answer.status) {
            bail!("setting up was refused: {}", answer.excerpt());
        }
        Ok(())
    }

    /// Signs up `count` people and gets each a token.
    ///
    /// Hashing a password takes tens of milliseconds by design, so a few people hold many
    /// sockets each.
    pub fn people(&self, prefix: &str, count: usize) -> Result<Vec<Person>> {
        let mut client = self.client();
        (0..count)
            .map(|number| {
                let username = format!("{prefix}{number}");
                let fields = [
                    ("username", username.as_str()),
                    ("password", PASSWORD),
                    ("password_confirm", PASSWORD),
                ];
                let answer = self.post_form("/signup/", &fields)?;
                if !(300..400).contains(&answer.status) {
                    bail!(
                        "sign-up of {username} was refused (registration must be open and \
                         PARLOUR_RATE_LIMITS=off): {}",
                        answer.excerpt()
                    );
                }
                let token = self.token(&mut client, &username)?;
                Ok(Person { username, token })
            })
            .collect()
    }

    /// A token for someone who exists already.
    pub fn token(&self, client: &mut Client, username: &str) -> Result<String> {
        let body = json!({"username": username, "password": PASSWORD, "name": "bench"});
        let answer = client.send("POST", "/api/v1/tokens", JSON, body.to_string().as_bytes())?;
        let token = answer.json()?;
        token
            .get("token")
            .and_then(|token| token.as_str())
            .map(str::to_owned)
            .with_context(|| format!("no token: {}", answer.excerpt()))
    }

    fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer<'static>> {
        let headers = format!("{FORM}Origin: http://{}\r\n", self.host);
        self.client().send("POST", path, &headers, &form(fields))
    }

    /// The session cookie of someone, from the log-in page.
    pub fn log_in(&self, person: &Person) -> Result<String> {
        let fields = [("username", &*person.username), ("password", PASSWORD)];
        let answer = self.post_form("/login/", &fields)?;
        let cookies: Vec<_> = answer
            .headers("set-cookie")
            .filter_map(|cookie| cookie.split(';').next())
            .collect();
        if cookies.is_empty() {
            bail!("logging in gave no cookie: {}", answer.excerpt());
        }
        Ok(cookies.join("; "))
    }

    /// Makes an open room; `person` is its first member. Its id and slug.
    pub fn room(&self, client: &mut Client, person: &Person, name: &str) -> Result<(u64, String)> {
        let headers = format!("{JSON}{}", bearer(person));
        let body = json!({"name": name, "kind": "open"}).to_string();
        let answer = client.send("POST", "/api/v1/rooms", &headers, body.as_bytes())?;
        let room = answer.json()?;
        let id = room.get("id").and_then(|id| id.as_u64());
        let slug = room.get("slug").and_then(|slug| slug.as_str());
        match (id, slug) {
            (Some(id), Some(slug)) => Ok((id, slug.to_owned())),
            _ => bail!("room {name} was not made: {}", answer.excerpt()),
        }
    }

    /// Joins `person` to room `id`.
    pub fn join(&self, client: &mut Client, person: &Person, id: u64) -> Result<()> {
        let path = format!("/api/v1/rooms/{id}/members/me");
        let answer = client.send("PUT", &path, &bearer(person), b"")?;
        if answer.status >= 300 {
            bail!("joining room {id} failed: {}", answer.excerpt());
        }
        Ok(())
    }

    /// The head of room `id`: the seq of its last event.
    pub fn head(&self, client: &mut Client, person: &Person, id: u64) -> Result<u64> {
        let path = format!("/api/v1/rooms/{id}");
        let answer = client.send("GET", &path, &bearer(person), b"")?;
        let room = answer.json()?;
        room.get("head")
            .and_then(|head| head.as_u64())
            .with_context(|| format!("room {id} has no head: {}", answer.excerpt()))
    }

    /// The seqs of the events of room `id` after `after`, at most `limit` of them.
    pub fn event_seqs(
        &self,
        client: &mut Client,
        person: &Person,
        id: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>> {
        let mut seqs: Vec<u64> = Vec::new();
        while seqs.len() < limit {
            let from = seqs.last().copied().unwrap_or(after);
            let path = format!("/api/v1/rooms/{id}/events?after={from}&limit=100");
            let answer = client.send("GET", &path, &bearer(person), b"")?;
            let page = answer.json()?;
            let items = page.get("items").and_then(|items| items.as_array());
            let items = items.with_context(|| format!("no events: {}", answer.excerpt()))?;
            if items.is_empty() {
                break;
            }
            seqs.extend(items.iter().filter_map(|e| e.get("seq")?.as_u64()));
        }
        Ok(seqs)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let Some((mut child, _out)) = self.child.take() else {
            return;
        };
        if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A command of the server's executable that sees nothing of our own configuration.
pub fn own_command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with("PARLOUR_")
                || [
                    "SECRET_KEY",
                    "DEBUG",
                    "ALLOWED_HOSTS",
                    "DATABASE_URL",
                    "REDIS_URL",
                ]
                .contains(&name)
        });
        if is_ours {
            command.env_remove(name);
        }
    }
    command
        .env("PARLOUR_RATE_LIMITS", "off")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// The header line of a person's token.
pub fn bearer(person: &Person) -> String {
    format!("Authorization: Bearer {}\r\n", person.token)
}

/// Runs `parlour dummy-data` in `folder`, so that a house with many messages can be measured.
pub fn fill(binary: &Path, folder: &Path, messages: u64, rooms: u64) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let output = own_command(binary, folder)
        .env("PARLOUR_DATA_DIR", folder.join("data"))
        .args(["dummy-data", "--users", "15"])
        .args(["--messages", &messages.to_string()])
        .args(["--rooms", &rooms.to_string()])
        .output()
        .context("cannot run dummy-data")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("dummy-data failed: {}", text.lines().last().unwrap_or("?"));
    }
    Ok(())
}

/// A folder for a house, on the disk of `parent` or of the usual temporary files.
pub fn temporary_folder(parent: Option<&PathBuf>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("parlour-bench-");
    match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    }
    .context("cannot make a temporary folder; name another with --folder")
}

fn address(url: &str) -> Result<(SocketAddr, String)> {
    let host = url
        .trim()
        .strip_prefix("http://")
        .with_context(|| format!("{url} is not http://HOST:PORT (bench speaks no TLS)"))?
        .trim_end_matches('/');
    let with_port = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let addr = with_port
        .to_socket_addrs()
        .with_context(|| format!("{host} has no address"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    Ok((addr, host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_give_an_address_and_a_host() {
        let (addr, host) = address("http://127.0.0.1:8123/").unwrap();
        assert_eq!((addr.port(), host.as_str()), (8123, "127.0.0.1:8123"));
        assert_eq!(address("http://127.0.0.1").unwrap().0.port(), 80);
        assert!(address("https://127.0.0.1").is_err());
        assert!(address("127.0.0.1:1").is_err());
    }

    #[test]
    fn a_program_that_does_not_serve_is_reported_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = House::start(Path::new("/bin/echo"), folder.path())
            .err()
            .unwrap();
        assert!(format!("{error:#}").contains("did not start"), "{error:#}");
    }
}
