//! What every story starts from: a real server with people in it.
//!
//! [`Server::start`] runs the built binary as a child on a free port with a folder of its
//! own. The people are made once per run, in a template folder that is copied, because a
//! password costs 25 ms to hash and every story needs six. A newcomer would share one
//! server between stories; then one story's rooms and limits are another's surprise.
//!
//! Dropping a server kills it and looks through its log: a panic or an error line fails
//! the story, whatever it was about.

pub mod browser;
pub mod http;
pub mod raw;
pub mod record;
pub mod socket;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

pub use self::http::{Answer, Client};
pub use self::socket::{Said, Socket};

/// How long anything may take before the story fails. Generous, because two cores run
/// several servers at once; nothing waits for it when things go right.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The people of the template and what they are.
pub const PEOPLE: &[(&str, &str)] = &[
    ("ada", "owner"),
    ("olga", "administrator"),
    ("bob", "member"),
    ("eve", "member"),
    ("dora", "member, account closed"),
];

/// How a server is started.
#[derive(Default)]
pub struct Options {
    environment: Vec<(String, String)>,
    is_empty: bool,
    may_log_errors: bool,
    data: Option<PathBuf>,
    listens_itself: bool,
}

impl Options {
    /// A configuration key in the environment.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Without people: nobody has set the house up.
    pub fn empty(mut self) -> Self {
        self.is_empty = true;
        self
    }

    /// The story provokes failures that the log must report.
    pub fn may_log_errors(mut self) -> Self {
        self.may_log_errors = true;
        self
    }

    /// The data folder, instead of a temporary one.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Where to listen comes from the configuration, not from a flag.
    pub fn listens_itself(mut self) -> Self {
        self.listens_itself = true;
        self
    }

    /// Starts it.
    pub fn start(self) -> Server {
        let home = tempfile::tempdir().unwrap();
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| home.path().join("data"));
        fs::create_dir_all(&data).unwrap();
        if !self.is_empty {
            copy_files(template().path(), &data);
        }
        let mut server = Server {
            home,
            data,
            environment: self.environment,
            may_log_errors: self.may_log_errors,
            listens_itself: self.listens_itself,
            running: None,
            starts: 0,
        };
        server.run();
        server
    }
}

/// A server of this story's own.
pub struct Server {
    home: TempDir,
    data: PathBuf,
    environment: Vec<(String, String)>,
    may_log_errors: bool,
    listens_itself: bool,
    running: Option<Running>,
    starts: usize,
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// With people, and without rate limits.
    pub fn start() -> Self {
        Self::with().start()
    }

    /// With people, and without rate limits unless set otherwise.
    pub fn with() -> Options {
        Options::default()
    }

    /// Starts the process on the present data folder; used again after a stop.
    pub fn run(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        let log = fs::File::create(self.log_file(self.starts)).unwrap();
        self.starts += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
        command
            .args(["serve", "--data"])
            .arg(&self.data)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        for (key, _) in std::env::vars() {
            // What the developer has set must not decide a test.
            if key.starts_with("PARLOUR_") || key == "DEBUG" || key.ends_with("_URL") {
                command.env_remove(key);
            }
        }
        if !self.listens_itself {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.env("PARLOUR_RATE_LIMITS", "off");
        for (key, value) in &self.environment {
            command.env(key, value);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let _ = child.kill();
            panic!("the server did not start: {line:?}\n{}", self.log());
        };
        let mut address: SocketAddr = address.parse().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        self.running = Some(Running { child, address });
    }

    /// Changes a key for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("the server runs").address
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.running.as_ref().expect("the server runs").child)
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.data.join("parlour.sqlite3")
    }

    /// Everything it has logged since the story began.
    pub fn log(&self) -> String {
        let parts = (0..self.starts).map(|start| fs::read(self.log_file(start)).unwrap());
        parts
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.home.path().join(format!("log-{start}"))
    }

    /// Somebody nobody knows: no cookie, no token.
    pub fn stranger(&self) -> Client {
        Client::new(self.address())
    }

    /// A program with the person's token, which has every scope.
    pub fn token_of(&self, name: &str) -> Client {
        let token = fs::read_to_string(self.data.join(format!("test-token-{name}"))).unwrap();
        self.stranger().with_token(&token)
    }

    /// The person's signed-in browser.
    pub fn browser_of(&self, name: &str) -> Client {
        let cookie = fs::read_to_string(self.data.join(format!("test-cookie-{name}"))).unwrap();
        self.stranger()
            .like_a_browser()
            .with_cookie("parlour", &cookie)
    }

    /// A program of ada's, the owner.
    pub fn ada(&self) -> Client {
        self.token_of("ada")
    }

    /// A program of bob's, an ordinary member.
    pub fn bob(&self) -> Client {
        self.token_of("bob")
    }

    /// A program of eve's, who is in no room but the lobby.
    pub fn eve(&self) -> Client {
        self.token_of("eve")
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it as a power switch would.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has; returns how, and how long it took.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let mut running = self.running.take().expect("the server runs");
        loop {
            if let Some(status) = running.child.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            if began.elapsed() > Duration::from_secs(40) {
                let _ = running.child.kill();
                panic!("the server did not stop\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the process lives.
    pub fn is_alive(&mut self) -> bool {
        let running = self.running.as_mut().expect("the server runs");
        running.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- the server's log, its end ---\n{}", tail.join("\n"));
            return;
        }
        let log = self.log();
        let is_bad = |line: &&str| {
            line.contains("panic.place")
                || line.contains("panicked")
                || (!self.may_log_errors && line.to_lowercase().contains("level=error"))
        };
        let bad: Vec<&str> = log
            .lines()
            .filter(is_bad)
            .filter(|line| !line.contains("panics=0"))
            .collect();
        assert!(bad.is_empty(), "the server's log has:\n{}", bad.join("\n"));
    }
}

/// Waits until `condition` gives something; fails with `what` after [`DEADLINE`].
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A fresh UUID.
pub fn uuid() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A number for generators: the same seed makes the same run.
pub struct Chance(u64);

impl Chance {
    /// From `PARLOUR_TEST_SEED`, else fresh; printed, so that a failure can be repeated.
    pub fn of_run(what: &str) -> Self {
        let seed = match std::env::var("PARLOUR_TEST_SEED") {
            Ok(seed) => seed.parse().expect("PARLOUR_TEST_SEED is a number"),
            Err(_) => {
                let mut bytes = [0; 8];
                getrandom::fill(&mut bytes).unwrap();
                u64::from_le_bytes(bytes)
            }
        };
        println!("{what}: PARLOUR_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next number (splitmix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One of these words.
    pub fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Runs a command of the binary on a data folder; returns how it ended and what it said.
pub fn command(data: &Path, arguments: &[&str], input: &str) -> (ExitStatus, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parlour"))
        .args(arguments)
        .arg("--data")
        .arg(data)
        .current_dir(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() && entry.file_name() != "parlour.lock" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The folder with the people, made by the first story that needs it.
fn template() -> &'static TempDir {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // On a thread of its own: the caller is inside a runtime already.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(make_template())
        })
        .join()
        .expect("the template is made")
    })
}

async fn make_template() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::with().empty().data(folder.path()).start();
    for (name, standing) in PEOPLE {
        let browser = server.stranger().like_a_browser();
        let form = [
            ("username", *name),
            ("password", PASSWORD),
            ("password_confirm", PASSWORD),
        ];
        let made = match *standing {
            "owner" => browser.post_form("/setup", &form).await,
            "administrator" => {
                let arguments = ["createsuperuser", "--username", name, "--password-stdin"];
                let (status, said) = command(folder.path(), &arguments, &format!("{PASSWORD}\n"));
                assert!(status.success(), "{said}");
                browser
                    .post_form("/login/", &[("username", *name), ("password", PASSWORD)])
                    .await
            }
            _ => browser.post_form("/signup/", &form).await,
        };
        made.expect(303);
        let cookie = browser.cookie("parlour").expect("signed in");
        fs::write(folder.path().join(format!("test-cookie-{name}")), cookie).unwrap();
        let token = new_token(&server.stranger(), name).await;
        fs::write(folder.path().join(format!("test-token-{name}")), token).unwrap();
    }
    let olga = server.browser_of("olga");
    olga.post_form("/admin/people/dora/deactivate", &[])
        .await
        .expect(303);
    let (status, _) = server.stop();
    assert!(status.success(), "{}", server.log());
    folder
}

/// A token with every scope, by name and password.
pub async fn new_token(client: &Client, name: &str) -> String {
    let scopes = ["read", "write", "admin"];
    let asked = json!({"username": name, "password": PASSWORD, "name": "tests", "scopes": scopes});
    let made = client
        .post("/api/v1/tokens", asked)
        .await
        .expect(201)
        .json();
    made["token"].as_str().expect("a token").to_owned()
}
