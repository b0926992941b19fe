//! The command line as people and scripts meet it: real processes, exit codes, what stands
//! on which stream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A working folder of its own, without anything of the surrounding environment.
struct Shell {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

/// What a command did.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn new() -> Shell {
        Shell {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    fn with(environment: &[(&'static str, &'static str)]) -> Shell {
        Shell {
            environment: environment.to_vec(),
            ..Shell::new()
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Done {
        self.run_with(line, "")
    }

    fn run_with(&self, line: &str, input: &str) -> Done {
        let mut child = self.command(line).spawn().unwrap();
        // A command that wants no input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Done::of(&child.wait_with_output().unwrap())
    }

    /// A serving process, once it says that it is ready.
    fn serve(&self, line: &str) -> Server {
        let mut child = self.command(line).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let Some(address) = first.strip_prefix("listening on http://") else {
            let mut err = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut err)
                .unwrap();
            panic!("no server: {first:?} {err}");
        };
        let err = BufReader::new(child.stderr.take().unwrap());
        Server {
            address: address.trim_end().to_owned(),
            child,
            out,
            err,
        }
    }
}

impl Done {
    fn of(output: &Output) -> Done {
        Done {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Refused with `code` and one line that holds every part.
    #[track_caller]
    fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let lines: Vec<&str> = self
            .err
            .lines()
            .filter(|line| line.starts_with("parlour: "))
            .collect();
        let [line] = lines.as_slice() else {
            panic!("not one line: {self:?}")
        };
        for part in parts {
            assert!(line.contains(part), "{part:?} is missing in: {line}");
        }
    }
}

/// A serving process; killed when the test ends early.
struct Server {
    address: String,
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Server {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Status and body of a GET.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address.replace("0.0.0.0", "127.0.0.1")
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        (
            status,
            answer
                .split_once("\r\n\r\n")
                .map_or(String::new(), |(_, body)| body.to_owned()),
        )
    }

    /// The log up to and with the first line that holds `part`.
    fn log_until(&mut self, part: &str) -> String {
        let mut log = String::new();
        while !log.contains(part) {
            let read = self.err.read_line(&mut log).unwrap();
            assert!(read > 0, "the log ended without {part:?}: {log}");
        }
        log
    }

    /// Waits for the end: exit code, time taken, the rest of standard output, the log.
    fn wait(mut self) -> (Option<i32>, Duration, String, String) {
        let began = Instant::now();
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), began.elapsed(), out, err)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn help_is_on_every_level_with_examples_and_without_secrets() {
    let shell = Shell::with(&[("SECRET_KEY", "hunter2hunter2hunter2")]);
    for line in [
        "--help",
        "serve --help",
        "migrate --help",
        "createsuperuser --help",
        "users list --help",
        "users passwd --help",
        "users role --help",
        "dummy-data --help",
        "config check --help",
        "openapi --help",
    ] {
        let help = shell.run(line).ok();
        assert!(
            help.contains("Example") && help.contains("parlour"),
            "{line}: {help}"
        );
        assert!(!help.contains("hunter2"), "{line} shows a secret");
    }
    let help = shell.run("--help").ok();
    assert!(help.contains("PARLOUR_TRUSTED_PROXIES"), "{help}");
    assert!(shell.run("--version").ok().starts_with("parlour "));
}

#[test]
fn wrong_use_ends_with_2() {
    let shell = Shell::new();
    for line in [
        "dance",
        "--colour red",
        "users",
        "users role ada",
        "dummy-data --users 0",
    ] {
        let done = shell.run(line);
        assert_eq!(done.code, 2, "{line}: {done:?}");
        assert!(
            done.out.is_empty() && !done.err.is_empty(),
            "{line}: {done:?}"
        );
    }
    shell
        .run("users role ada king")
        .refused(2, &["king", "administrator, moderator"]);
    shell
        .run("--listen :1 migrate")
        .refused(2, &["--listen", "serve"]);
    shell.run("createsuperuser").refused(2, &["--username"]);
    shell
        .run("createsuperuser --username ada")
        .refused(2, &["first line"]);
    assert!(
        !shell.path("data").exists(),
        "wrong use left something behind"
    );
}

#[test]
fn wrong_configuration_ends_with_2_and_one_line() {
    let shell = Shell::new();
    shell
        .run("--listen nonsense")
        .refused(2, &["--listen=nonsense", "127.0.0.1:8000"]);
    shell
        .run("--database-url postgres://u:hunter2@db/x")
        .refused(2, &["no PostgreSQL yet"]);
    shell
        .run("--redis-url redis://:hunter2@r")
        .refused(2, &["no Redis yet"]);
    shell
        .run("--config absent.toml")
        .refused(2, &["absent.toml"]);
    for (line, refused) in [
        ("--database-url postgres://u:hunter2@db/x", "hunter2"),
        ("--redis-url redis://:hunter2@r", "hunter2"),
    ] {
        assert!(
            !shell.run(line).err.contains(refused),
            "{line} shows a password"
        );
    }
    std::fs::write(
        shell.path("parlour.toml"),
        "listen = \":0\"\nregistratoin = \"open\"\n",
    )
    .unwrap();
    shell
        .run("")
        .refused(2, &["registratoin", "parlour.toml line 2", "registration?"]);
    shell.run("migrate").refused(2, &["registratoin"]);
    std::fs::write(shell.path("parlour.toml"), "").unwrap();
    std::fs::write(shell.path(".env"), "SECRET_KEY=short\n").unwrap();
    shell
        .run("config check")
        .refused(2, &["SECRET_KEY=(hidden)", ".env line 1", "openssl"]);
    let shell = Shell::with(&[("DEBUG", "perhaps")]);
    shell
        .run("")
        .refused(2, &["DEBUG=perhaps", "environment", "on or off"]);
    assert!(
        !shell.path("data").exists(),
        "a refused start left something behind"
    );
}

#[test]
fn config_check_says_what_holds_and_hides_secrets() {
    let shell = Shell::with(&[
        ("SECRET_KEY", "hunter2hunter2hunter2"),
        ("PARLOUR_GUESTS", "on"),
        ("PARLOUR_LISTN", "x"),
    ]);
    std::fs::write(shell.path(".env"), "PARLOUR_MAX_MESSAGE_CHARS=2000\n").unwrap();
    let said = shell.run("config check --listen 0.0.0.0:9000").ok();
    for part in [
        "PARLOUR_LISTEN            = 0.0.0.0:9000  (command line)",
        "= 2000  (.env line 1)",
        "= (hidden)  (environment)",
        "reachable from other machines",
        "warning: guests=on",
        "PARLOUR_LISTEN?",
        "the configuration is valid",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    assert!(!shell.path("data").exists(), "a check makes nothing");
}

#[test]
fn migrate_brings_a_database_up_to_date_and_check_only_looks() {
    let shell = Shell::new();
    let before = shell.run("migrate --check");
    assert_eq!(before.code, 1, "{before:?}");
    assert!(before.out.contains("missing: "), "{before:?}");
    assert!(!shell.path("data").exists(), "a check makes nothing");
    assert!(shell.run("migrate").ok().contains("applied: "));
    assert!(
        shell
            .run("migrate --check")
            .ok()
            .contains("no migration is missing")
    );
    assert!(
        shell
            .run("migrate")
            .ok()
            .contains("no migration is missing")
    );
    assert_eq!(mode(&shell.path("data")), 0o700);
    assert_eq!(mode(&shell.path("data/parlour.sqlite3")), 0o600);
}

#[test]
fn createsuperuser_makes_the_owner_and_then_administrators() {
    let shell = Shell::new();
    let make = |line: &str, password: &str| {
        shell.run_with(&format!("createsuperuser --username {line}"), password)
    };
    assert_eq!(
        make("ada --email ada@example.org", "correct horse 9\n").ok(),
        "ada is owner now\n"
    );
    assert_eq!(
        make("bob --password-stdin", "correct horse 9").ok(),
        "bob is administrator now\n"
    );
    make("ada", "correct horse 9\n").refused(1, &["taken"]);
    make("eve", "short\n").refused(1, &["8"]);
    make("a", "correct horse 9\n").refused(1, &["2"]);
    assert_eq!(mode(&shell.path("data/secret")), 0o600);
    let people = shell.run("users list").ok();
    assert!(
        people.contains("ada") && people.contains("owner"),
        "{people}"
    );
    assert!(
        people.contains("bob") && people.contains("administrator"),
        "{people}"
    );
    assert!(!people.contains("eve"), "{people}");
}

#[test]
fn many_at_once_make_exactly_one_owner_and_one_key() {
    let shell = Shell::new();
    let children: Vec<Child> = (0..8)
        .map(|number| {
            let line = format!("createsuperuser --username person{number}");
            let mut child = shell.command(&line).spawn().unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(b"correct horse 9\n")
                .unwrap();
            child
        })
        .collect();
    let done: Vec<Done> = children
        .into_iter()
        .map(|child| Done::of(&child.wait_with_output().unwrap()))
        .collect();
    let owners = done
        .iter()
        .filter(|done| done.out.contains("is owner now"))
        .count();
    assert_eq!(owners, 1, "{done:?}");
    let others = done
        .iter()
        .filter(|done| done.out.contains("is administrator now"))
        .count();
    assert_eq!(others, 7, "{done:?}");
    let names: Vec<String> = std::fs::read_dir(shell.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("secret"))
        .collect();
    assert_eq!(names, ["secret"]);
}

#[test]
fn accounts_are_looked_after_from_the_shell() {
    let shell = Shell::new();
    shell
        .run_with("createsuperuser --username ada", "correct horse 9\n")
        .ok();
    shell
        .run_with("createsuperuser --username bob", "correct horse 9\n")
        .ok();
    assert_eq!(
        shell.run("users role bob moderator").ok(),
        "bob is moderator now\n"
    );
    assert_eq!(shell.run("users ban bob").ok(), "bob is banned now\n");
    assert!(shell.run("users list --query bo").ok().contains("banned"));
    assert_eq!(shell.run("users unban bob").ok(), "bob is active now\n");
    assert_eq!(
        shell.run("users deactivate bob").ok(),
        "bob is deactivated now\n"
    );
    assert_eq!(
        shell.run("users reactivate bob").ok(),
        "bob is active now\n"
    );
    assert!(
        shell
            .run_with("users passwd bob", "another horse 8\n")
            .ok()
            .contains("new password")
    );
    shell
        .run_with("users passwd bob", "12345678\n")
        .refused(1, &["bob"]);
    let link = shell.run("users reset-link bob").ok();
    assert!(link.starts_with("http://127.0.0.1:8000/reset/"), "{link}");
    shell
        .run("users ban mallory")
        .refused(1, &["mallory", "users list"]);
    shell
        .run("users role ada member")
        .refused(1, &["last owner", "users role"]);
    shell
        .run("users deactivate ada")
        .refused(1, &["last owner"]);
}

#[test]
fn dummy_data_is_the_same_for_the_same_seed_and_never_doubled() {
    let bodies = |shell: &Shell| -> Vec<String> {
        let db = rusqlite::Connection::open(shell.path("data/parlour.sqlite3")).unwrap();
        let mut rows = db
            .prepare("select source from messages order by id")
            .unwrap();
        rows.query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let (one, two) = (Shell::new(), Shell::new());
    let line = "dummy-data --users 5 --messages 60 --rooms 2";
    assert!(
        one.run(line)
            .ok()
            .contains("5 people and 3 rooms are there; added 60 messages")
    );
    two.run(line).ok();
    assert_eq!(bodies(&one).len(), 60);
    assert_eq!(bodies(&one), bodies(&two));
    let again = one.run(line).ok();
    assert!(
        again.contains("added 0 messages") && again.contains("60 were there"),
        "{again}"
    );
    one.run(&format!("{line} --seed 2")).ok();
    assert_eq!(bodies(&one).len(), 120);
    // The house has no owner yet, and the set-up still makes one.
    let made = one
        .run_with(
            "createsuperuser --username owner-of-all",
            "correct horse 9\n",
        )
        .ok();
    assert!(made.contains("is owner now"), "{made}");
}

#[test]
fn openapi_prints_the_description_without_any_configuration() {
    let shell = Shell::with(&[("DEBUG", "perhaps")]);
    let text = shell.run("openapi").ok();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        json["openapi"]
            .as_str()
            .map(|version| version.starts_with("3.1")),
        Some(true)
    );
}

#[test]
fn serve_says_one_line_serves_and_stops_when_told() {
    let shell = Shell::new();
    let mut server = shell.serve("--listen 127.0.0.1:0");
    assert!(!server.address.ends_with(":0"), "{}", server.address);
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(mode(&shell.path("data/secret")), 0o600);
    let log = server.log_until("ready on");
    assert!(
        !log.contains('\u{1b}'),
        "colours without a terminal: {log:?}"
    );
    // A lost terminal must not end a server.
    server.signal(Signal::HUP);
    assert_eq!(server.get("/healthz").0, 200);
    server.signal(Signal::TERM);
    let (code, took, out, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(out, "", "standard output holds more than one line");
    assert!(
        took < Duration::from_secs(2),
        "an idle server took {took:?} to stop: {log}"
    );
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn ctrl_c_stops_gracefully_too_and_the_folder_serves_again() {
    let shell = Shell::new();
    for _ in 0..2 {
        let server = shell.serve("serve --listen 127.0.0.1:0");
        server.signal(Signal::INT);
        assert_eq!(server.wait().0, Some(0));
    }
    // Also after a crash: the lock ends with the process.
    let mut server = shell.serve("serve --listen 127.0.0.1:0");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(
        shell.serve("serve --listen 127.0.0.1:0").get("/readyz").0,
        200
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let shell = Shell::new();
    let mut server = shell.serve("serve --listen 127.0.0.1:0");
    // A request that never ends keeps the graceful stop waiting.
    let mut half = TcpStream::connect(&server.address).unwrap();
    half.write_all(b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx")
        .unwrap();
    assert_eq!(server.get("/healthz").0, 200);
    server.signal(Signal::TERM);
    server.log_until("SIGTERM");
    server.signal(Signal::TERM);
    let (code, took, _, log) = server.wait();
    assert!(took < Duration::from_secs(1), "took {took:?}: {log}");
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {log}");
}

#[test]
fn one_folder_has_one_server_and_commands_work_beside_it() {
    let shell = Shell::new();
    let server = shell.serve("--listen 127.0.0.1:0");
    shell
        .run("--listen 127.0.0.1:0")
        .refused(1, &["in use", "process ", "--data"]);
    let made = shell
        .run_with("createsuperuser --username ada", "correct horse 9\n")
        .ok();
    assert_eq!(made, "ada is owner now\n");
    assert!(shell.run("users list").ok().contains("ada"));
    assert!(
        shell
            .run("dummy-data --messages 10")
            .ok()
            .contains("added 10")
    );
    assert_eq!(server.get("/readyz").0, 200);
    let taken = shell.run(&format!("--data other --listen {}", server.address));
    taken.refused(1, &[&server.address, "--listen"]);
}

#[test]
fn off_loopback_the_set_up_code_is_in_the_log() {
    let shell = Shell::new();
    let mut server = shell.serve("--listen 0.0.0.0:0");
    let log = server.log_until("/setup");
    assert!(log.contains("enter the code "), "{log}");
    let shell = Shell::new();
    let mut server = shell.serve("--listen 127.0.0.1:0");
    let log = server.log_until("/setup");
    assert!(!log.contains("enter the code "), "{log}");
}

#[test]
fn a_damaged_database_is_refused_with_a_sentence_and_left_alone() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path("data")).unwrap();
    let file = shell.path("data/parlour.sqlite3");
    std::fs::write(&file, "this is no database, it is somebody's letter").unwrap();
    shell
        .run("--listen 127.0.0.1:0")
        .refused(1, &["parlour.sqlite3", "damaged", "restore"]);
    shell.run("users list").refused(1, &["damaged"]);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(kept, "this is no database, it is somebody's letter");
}
