//! Messages stored per second, against a bare group-commit insert of the same rows.
//!
//! `cargo run --release -p store --example append [SECONDS]`. Not a test: the figures are
//! for docs/performance.md. The bare side has no checks, no nonces to look up, no savepoints
//! and no answers to build; it is what SQLite and the disk allow.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool for developers"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{Body, Nonce, Origin, Role, RoomId, Time, UserId, UserKind};
use rusqlite::Connection;
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{Messages, NewMessage, NewUser, Users};
use tokio::sync::{mpsc, oneshot};

const WORDS: &[&str] = &[
    "apple", "river", "window", "seven", "cloud", "garden", "letter", "music", "paper", "stone",
    "table", "water", "yellow", "animal", "bridge", "candle", "doctor", "engine", "forest",
];

static COUNTER: AtomicU64 = AtomicU64::new(1);

fn draft() -> NewMessage {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let source = (0..14)
        .map(|place| WORDS[((mixed >> (place * 4)) as usize + place) % WORDS.len()].to_owned())
        .chain([format!("n{number}")])
        .collect::<Vec<String>>()
        .join(" ");
    NewMessage {
        room: RoomId(1),
        author: UserId(1),
        nonce: Nonce(uuid::Uuid::from_u64_pair(mixed, number)),
        fingerprint: [7; 32],
        body: Body::Markdown {
            html: format!("<p>{source}</p>"),
            source,
        },
        mentions: Vec::new(),
        origin: Origin::Person,
        reply_to: None,
        join_if_open: false,
        at: Time(1_795_162_694_005),
    }
}

/// Rows per second and the 50th and 99th percentile of the time to the acknowledgement.
async fn measure<F, A>(producers: usize, lasting: Duration, post: F) -> (f64, Duration, Duration)
where
    F: Fn(NewMessage) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..producers {
        let post = post.clone();
        running.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < lasting {
                let asked = Instant::now();
                post(draft()).await;
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    let mut waits: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let rows = waits.len() as f64 / start.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    (rows, at(0.5), at(0.99))
}

async fn prepare(path: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    let owner = NewUser {
        username: "ada".into(),
        skeleton: "ada".into(),
        display_name: "Ada".into(),
        email: None,
        kind: UserKind::Person,
        role: Role::Owner,
        password_hash: None,
        at: Time(0),
    };
    store.create_user(&owner).await.unwrap();
    store
}

type Ask = (NewMessage, oneshot::Sender<()>);

/// The bare side: drain, insert, commit, answer.
fn serve_bare(conn: &Connection, mut asks: mpsc::Receiver<Ask>) {
    let mut seq = 1_i64;
    let mut waiting = Vec::new();
    while let Some(first) = asks.blocking_recv() {
        conn.prepare_cached("begin immediate")
            .unwrap()
            .execute([])
            .unwrap();
        let mut next = Some(first);
        let mut words = Vec::new();
        while let Some((new, caller)) = next {
            seq += 1;
            let id = insert_bare(conn, &new, seq);
            words.push((id, words_of(&new.body)));
            waiting.push(caller);
            next = if waiting.len() < 256 {
                asks.try_recv().ok()
            } else {
                None
            };
        }
        let mut search = conn
            .prepare_cached("insert into search (rowid, body) values (?1, ?2)")
            .unwrap();
        for row in words {
            search.execute(row).unwrap();
        }
        drop(search);
        conn.prepare_cached("commit").unwrap().execute([]).unwrap();
        for caller in waiting.drain(..) {
            let _ = caller.send(());
        }
    }
}

fn insert_bare(conn: &Connection, new: &NewMessage, seq: i64) -> i64 {
    let Body::Markdown { source, html } = &new.body else {
        return 0;
    };
    conn.prepare_cached(
        "insert into messages (room_id, seq, author_id, nonce, fingerprint, origin, source, \
         html, markup_version, created_at) values (1, ?1, 1, ?2, ?3, 'person', ?4, ?5, 1, ?6)",
    )
    .unwrap()
    .execute((
        seq,
        new.nonce.0.as_bytes(),
        &new.fingerprint,
        source,
        html,
        new.at.0,
    ))
    .unwrap();
    let id = conn.last_insert_rowid();
    conn.prepare_cached(
        "insert into events (room_id, seq, kind, at, message_id) \
         values (1, ?1, 'message.posted', ?2, ?3)",
    )
    .unwrap()
    .execute((seq, new.at.0, id))
    .unwrap();
    id
}

async fn bare(producers: usize, lasting: Duration) -> (f64, Duration, Duration) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("bare.sqlite3");
    let store = prepare(&path).await;
    store::House::close(&*store).await;
    let (queue, asks) = mpsc::channel::<Ask>(4096);
    let serving = std::thread::spawn(move || {
        let conn = Connection::open(&path).unwrap();
        conn.set_prepared_statement_cache_capacity(64);
        conn.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -4096;
             pragma foreign_keys = on; pragma secure_delete = on; pragma temp_store = memory;",
        )
        .unwrap();
        serve_bare(&conn, asks);
    });
    let figures = measure(producers, lasting, move |new| {
        let queue = queue.clone();
        async move {
            let (caller, answer) = oneshot::channel();
            queue.send((new, caller)).await.unwrap();
            answer.await.unwrap();
        }
    })
    .await;
    serving.join().unwrap();
    figures
}

async fn whole(producers: usize, lasting: Duration) -> (f64, Duration, Duration) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = prepare(&folder.path().join("house.sqlite3")).await;
    let posting = Arc::clone(&store);
    let figures = measure(producers, lasting, move |new| {
        let store = Arc::clone(&posting);
        async move {
            store.append_message(new).await.unwrap();
        }
    })
    .await;
    store::House::close(&*store).await;
    figures
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let lasting = Duration::from_secs(seconds.unwrap_or(3));
    println!("producers   bare rows/s   p50/p99 ms     store rows/s   p50/p99 ms   store/bare");
    for producers in [1, 16, 64, 256] {
        let (bare_rows, bare_p50, bare_p99) = bare(producers, lasting).await;
        let (rows, p50, p99) = whole(producers, lasting).await;
        println!(
            "{producers:>9}   {bare_rows:>11.0}   {:>5.2}/{:<6.2}   {rows:>14.0}   {:>5.2}/{:<6.2}   {:>9.2}",
            bare_p50.as_secs_f64() * 1e3,
            bare_p99.as_secs_f64() * 1e3,
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
            rows / bare_rows,
        );
    }
}

/// What the store indexes: the tokens of the source.
fn words_of(body: &Body) -> String {
    match body {
        Body::Markdown { source, .. } => domain::search::tokens(source).join(" "),
        Body::Sealed(_) => String::new(),
    }
}
