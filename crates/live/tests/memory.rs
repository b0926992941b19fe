//! What connections cost, in a process of its own: memory and CPU are the process's.
//!
//! The ignored ones need many descriptors and a quiet machine:
//! `cargo test --release -p live --test memory -- --ignored --nocapture --test-threads 1`

#![expect(
    clippy::unwrap_used,
    reason = "a test may; helpers of integration tests count as not"
)]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::actor::Credential;
use domain::{
    Body, Event, EventKind, Nonce, Origin, Role, RoomId, Seq, SessionId, Signal, Time, UserId,
    UserKind,
};
use live::{Adopt, Config, ConnectionId, Control, Format, Live, Purpose, Render};
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{NewMessage, NewUser, Store};

const LOBBY: RoomId = RoomId(1);
/// Both ask for the whole process, so they take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Renders a message as its bare source.
struct Sources;

impl Render for Sources {
    fn event(&self, _: Format, event: &Event, out: &mut String) {
        if let Some(Body::Markdown { source, .. }) = event
            .kind
            .message()
            .and_then(|message| message.body.as_ref())
        {
            out.push_str(source);
        }
    }
    fn signal(&self, _: Format, _: &Signal, _: &mut String) {}
    fn control(&self, _: Format, _: &Control, _: &mut String) {}
}

struct House {
    live: Live,
    user: UserId,
    event: Event,
    _dir: tempfile::TempDir,
}

impl House {
    /// A house with one message of `size` bytes, the pattern for those to publish.
    async fn new(size: usize) -> House {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("house.sqlite3");
        let store: Arc<dyn Store> = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let user = NewUser {
            username: "ada".to_owned(),
            skeleton: "ada".to_owned(),
            display_name: "Ada".to_owned(),
            email: None,
            kind: UserKind::Person,
            role: Role::Owner,
            password_hash: None,
            at: Time(1),
        };
        let user = store.create_user(&user).await.unwrap().0.id;
        let message = NewMessage {
            room: LOBBY,
            author: user,
            nonce: "00000000-0000-4000-8000-000000000001"
                .parse::<Nonce>()
                .unwrap(),
            fingerprint: [1; 32],
            body: Body::Markdown {
                source: "x".repeat(size),
                html: String::new(),
            },
            mentions: Vec::new(),
            origin: Origin::Person,
            reply_to: None,
            join_if_open: true,
            at: Time(2),
        };
        let appended = store.append_message(message).await.unwrap();
        let event = appended.events.last().unwrap().clone();
        assert!(matches!(event.kind, EventKind::MessagePosted(_)));
        let config = Config {
            heartbeat: Duration::from_secs(600),
            reap_after: Duration::from_secs(1200),
            head_check: Duration::from_secs(600),
            max_per_user: None,
            max_per_address: None,
            ..Config::default()
        };
        let live = Live::start(config, store, Arc::new(Sources)).await.unwrap();
        House {
            live,
            user,
            event,
            _dir: dir,
        }
    }

    async fn connect(&self, socket: TcpStream) -> ConnectionId {
        let adopted = self.live.adopt(Adopt {
            socket,
            leftover: Vec::new(),
            deflate: false,
            purpose: Purpose::Chat {
                user: self.user,
                credential: Credential::Session(SessionId(1)),
                format: Format::Json,
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                watches: vec![LOBBY],
            },
        });
        let id = adopted.unwrap();
        self.live.subscribe(id, LOBBY, None).await.unwrap();
        id
    }

    /// Publishes one more message; only the live path knows it.
    fn publish(&mut self) -> Seq {
        self.event.seq = self.event.seq.next();
        self.live.publish(self.event.clone());
        self.event.seq
    }
}

fn pairs(count: usize) -> Vec<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (0..count)
        .map(|_| {
            let theirs = TcpStream::connect(address).unwrap();
            (listener.accept().unwrap().0, theirs)
        })
        .collect()
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
async fn readers_that_never_read_cost_little() {
    const READERS: usize = 200;
    const BYTES: usize = 20_000;
    let _turn = TURN.lock().await;
    let mut house = House::new(BYTES).await;
    let (ours, theirs): (Vec<_>, Vec<_>) = pairs(READERS).into_iter().unzip();
    for socket in ours {
        socket2::SockRef::from(&socket)
            .set_send_buffer_size(16 * 1024)
            .unwrap();
        house.connect(socket).await;
    }
    let (brisk, mut reads) = pairs(1).remove(0);
    house.connect(brisk).await;
    let before = resident_bytes();
    let mut frame = vec![0; BYTES + 4];
    for _ in 0..600 {
        house.publish();
        // The one that reads waits for nobody.
        reads.read_exact(&mut frame).unwrap();
    }
    let grown = resident_bytes().saturating_sub(before);
    // The ring's 4 MiB, and for each the rest of one frame.
    let allowed = 8 * 1024 * 1024 + READERS * BYTES;
    assert!(grown < allowed as u64, "{grown} bytes for {READERS}");
    assert_eq!(house.live.connections(), READERS + 1);
    drop(theirs);
    house.live.stop(Duration::ZERO).await;
}

#[tokio::test]
#[ignore = "needs 20,000 descriptors and a process of its own"]
async fn an_idle_reader_costs_at_most_a_kibibyte() {
    const READERS: usize = 9_500;
    let _turn = TURN.lock().await;
    let mut house = House::new(100).await;
    let sockets = pairs(READERS);
    house.publish();
    let before = resident_bytes();
    let mut theirs = Vec::with_capacity(READERS);
    for (ours, other) in sockets {
        house.connect(ours).await;
        theirs.push(other);
    }
    let each = resident_bytes().saturating_sub(before) / READERS as u64;
    println!("{each} bytes per idle reader of {READERS}");
    assert!(each <= 1024, "{each} bytes per idle reader");
    house.live.stop(Duration::ZERO).await;
}

/// CPU nanoseconds of this process's threads whose names begin like this.
fn cpu_ns(prefix: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            if !name.starts_with(prefix) {
                return None;
            }
            let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
            stat.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Reads everything that comes to these sockets and counts it.
fn drain(sockets: Vec<TcpStream>) -> Arc<AtomicU64> {
    let counted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&counted);
    std::thread::spawn(move || {
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(1024);
        let mut sockets: Vec<_> = sockets
            .into_iter()
            .map(|socket| {
                socket.set_nonblocking(true).unwrap();
                mio::net::TcpStream::from_std(socket)
            })
            .collect();
        for (at, socket) in sockets.iter_mut().enumerate() {
            let readable = mio::Interest::READABLE;
            poll.registry()
                .register(socket, mio::Token(at), readable)
                .unwrap();
        }
        let mut buffer = vec![0; 65_536];
        loop {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                while let Ok(read @ 1..) = sockets[event.token().0].read(&mut buffer) {
                    count.fetch_add(read as u64, Ordering::SeqCst);
                }
            }
        }
    });
    counted
}

fn wait_for(counted: &AtomicU64, bytes: u64) {
    let began = Instant::now();
    while counted.load(Ordering::SeqCst) < bytes {
        assert!(began.elapsed() < Duration::from_secs(30), "not all arrived");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement, not a test"]
async fn a_delivery_costs_little_more_than_its_send() {
    const READERS: usize = 4_500;
    const ROUNDS: u64 = 100;
    const BYTES: usize = 100;
    let _turn = TURN.lock().await;
    let frame = (BYTES + 2) as u64;

    let (ours, theirs): (Vec<_>, Vec<_>) = pairs(READERS).into_iter().unzip();
    let counted = drain(theirs);
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let bare = std::thread::Builder::new().name("bare".to_owned());
    let bare = bare.spawn(move || {
        let bytes = [b'x'; BYTES + 2];
        for socket in &ours {
            socket.set_nodelay(true).unwrap();
            socket.set_nonblocking(true).unwrap();
        }
        while receive.recv().is_ok() {
            for mut socket in &ours {
                assert_eq!(socket.write(&bytes).unwrap(), bytes.len());
            }
        }
    });
    let before = cpu_ns("bare");
    for round in 1..=ROUNDS {
        send.send(()).unwrap();
        wait_for(&counted, round * frame * READERS as u64);
    }
    let limit = cpu_ns("bare") - before;
    drop(send);
    bare.unwrap().join().unwrap();

    let mut house = House::new(BYTES).await;
    let (ours, theirs): (Vec<_>, Vec<_>) = pairs(READERS).into_iter().unzip();
    let counted = drain(theirs);
    for socket in ours {
        house.connect(socket).await;
    }
    for burst in [1, 16] {
        let before = cpu_ns("shard-");
        let seen = counted.load(Ordering::SeqCst);
        for round in 1..=ROUNDS {
            for _ in 0..burst {
                house.publish();
            }
            wait_for(&counted, seen + round * burst * frame * READERS as u64);
        }
        let cpu = cpu_ns("shard-") - before;
        let deliveries = (ROUNDS * READERS as u64) as f64;
        println!(
            "{burst:2} at once: {:.2} µs per delivery, the bare loop {:.2} µs: {:.2} ×",
            cpu as f64 / deliveries / burst as f64 / 1000.0,
            limit as f64 / deliveries / 1000.0,
            cpu as f64 / burst as f64 / limit as f64,
        );
    }
    house.live.stop(Duration::ZERO).await;
}
