//! A bare group-commit insert of the rows a message makes.
//!
//! The same tables, columns and indexes as the server's for a message, its event, its
//! full-text row and its room's counter; the same settings of SQLite; the same rule of
//! batching: take what is queued, at most 256, one transaction, full-text rows last, answer
//! after the commit. Left out: HTTP, permissions, rendering, savepoints, looking for the
//! nonce, re-reading the membership. CPU time is that of the writing thread alone, since
//! the producers stand for the load generator.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rusqlite::{Connection, Statement, params};

use crate::process;
use crate::stats::Latencies;
use crate::text::Words;

/// As many operations share a commit in the server.
const MAX_BATCH: usize = 256;

const SCHEMA: &str = "
create table rooms (id integer primary key, last_seq integer not null, last_message_at integer)
  strict;
create table messages (
  id integer primary key, room_id integer not null, seq integer not null,
  author_id integer not null, nonce blob not null, fingerprint blob not null,
  origin text not null, source text, html text, sealed blob, reply_to integer,
  version integer not null default 1, markup_version integer not null,
  created_at integer not null, edited_at integer, deleted_at integer
) strict;
create index messages_by_room on messages (room_id, seq, author_id, deleted_at);
create unique index messages_by_nonce on messages (author_id, nonce);
create table events (
  room_id integer not null, seq integer not null, kind text not null, at integer not null,
  message_id integer, user_id integer, by_id integer, data text,
  primary key (room_id, seq)
) strict, without rowid;
create virtual table search using fts5 (
  body, content = '', contentless_delete = 1, tokenize = 'ascii'
);
";
const NEXT_SEQ: &str = "
update rooms
   set last_seq = last_seq + 1, last_message_at = ?2
 where id = ?1
returning last_seq";
const ADD_MESSAGE: &str = "
insert into messages (room_id, seq, author_id, nonce, fingerprint, origin, source, html,
                      markup_version, created_at)
values (?1, ?2, ?3, ?4, ?5, 'person', ?6, ?7, 1, ?8)";
const ADD_EVENT: &str = "
insert into events (room_id, seq, kind, at, message_id, user_id)
values (?1, ?2, 'posted', ?3, ?4, ?5)";
const ADD_SEARCH: &str = "insert into search (rowid, body) values (?1, ?2)";

/// What a run of inserts did.
pub struct Inserted {
    /// Rows (messages) written.
    pub rows: u64,
    /// Rows per second.
    pub per_second: f64,
    /// From queueing to the answer after the commit.
    pub acks: Latencies,
    /// CPU time of the writing thread per row, in µs.
    pub cpu_us_per_row: f64,
}

struct Row {
    room: i64,
    author: i64,
    nonce: [u8; 16],
    body: String,
    html: String,
    done: SyncSender<()>,
}

/// Inserts for `for_time` with `producers` waiting for their commits, into `rooms` rooms,
/// in a database made in `folder`.
pub fn measure(
    folder: &Path,
    producers: usize,
    rooms: usize,
    for_time: Duration,
) -> Result<Inserted> {
    let path = folder.join(format!("limit-{producers}-{rooms}.sqlite3"));
    let conn = open(&path, rooms)?;
    let (queue, rows) = sync_channel::<Row>(4096);
    let start = Instant::now();
    let writer = std::thread::spawn(move || write_all(&conn, &rows));
    let handles: Vec<_> = (0..producers)
        .map(|number| {
            let queue = queue.clone();
            std::thread::spawn(move || produce(number, rooms, &queue, start + for_time))
        })
        .collect();
    drop(queue);
    let mut acks = Latencies::default();
    for handle in handles {
        acks.merge(&handle.join().map_err(|_| anyhow!("a producer panicked"))?);
    }
    let elapsed = start.elapsed();
    let (rows, cpu) = writer
        .join()
        .map_err(|_| anyhow!("the writing thread panicked"))??;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Ok(Inserted {
        rows,
        per_second: rows as f64 / elapsed.as_secs_f64(),
        acks,
        cpu_us_per_row: cpu.as_secs_f64() * 1e6 / rows.max(1) as f64,
    })
}

fn open(path: &Path, rooms: usize) -> Result<Connection> {
    let conn = Connection::open(path).context("cannot make the database of the limit row")?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.execute_batch(SCHEMA)?;
    conn.execute_batch("begin")?;
    for room in 1..=rooms as i64 {
        conn.execute("insert into rooms (id, last_seq) values (?1, 0)", [room])?;
    }
    conn.execute_batch("commit")?;
    Ok(conn)
}

fn produce(number: usize, rooms: usize, queue: &SyncSender<Row>, end: Instant) -> Latencies {
    let mut words = Words::new(number as u64);
    let mut acks = Latencies::default();
    let (done, is_done) = sync_channel(1);
    let mut posted = number;
    while Instant::now() < end {
        let body = words.line();
        let row = Row {
            room: (posted % rooms.max(1)) as i64 + 1,
            author: number as i64 + 1,
            nonce: words.nonce(),
            html: format!("<p>{body}</p>\n"),
            body,
            done: done.clone(),
        };
        posted += 1;
        let start = Instant::now();
        if queue.send(row).is_err() || is_done.recv().is_err() {
            break;
        }
        acks.record(start.elapsed());
    }
    acks
}

/// Writes until all producers are gone; returns rows and CPU time.
fn write_all(conn: &Connection, rows: &Receiver<Row>) -> Result<(u64, Duration)> {
    let cpu_before = process::thread_cpu()?;
    let mut statements = [NEXT_SEQ, ADD_MESSAGE, ADD_EVENT, ADD_SEARCH]
        .map(|sql| conn.prepare(sql))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let mut count = 0;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while let Ok(first) = rows.recv() {
        batch.push(first);
        while batch.len() < MAX_BATCH
            && let Ok(row) = rows.try_recv()
        {
            batch.push(row);
        }
        conn.execute_batch("begin immediate")?;
        write_batch(conn, &mut statements, &batch)?;
        conn.execute_batch("commit")?;
        count += batch.len() as u64;
        for row in batch.drain(..) {
            // A producer that has gone does not undo what is committed.
            let _ = row.done.send(());
        }
    }
    Ok((count, process::thread_cpu()?.saturating_sub(cpu_before)))
}

fn write_batch(conn: &Connection, statements: &mut [Statement<'_>], batch: &[Row]) -> Result<()> {
    let [next_seq, add_message, add_event, add_search] = statements else {
        return Err(anyhow!("four statements make a message"));
    };
    let now_ms = 1_800_000_000_000_i64;
    let mut ids = Vec::with_capacity(batch.len());
    for row in batch {
        let seq: i64 = next_seq.query_row(params![row.room, now_ms], |r| r.get(0))?;
        let fingerprint = [7_u8; 32];
        add_message.execute(params![
            row.room,
            seq,
            row.author,
            row.nonce,
            fingerprint,
            row.body,
            row.html,
            now_ms
        ])?;
        let id = conn.last_insert_rowid();
        add_event.execute(params![row.room, seq, now_ms, id, row.author])?;
        ids.push(id);
    }
    for (id, row) in ids.iter().zip(batch) {
        add_search.execute(params![id, row.body])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_timed_and_the_database_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let inserted = measure(folder.path(), 4, 3, Duration::from_millis(50)).unwrap();
        assert!(inserted.rows >= 4);
        assert_eq!(inserted.acks.len() as u64, inserted.rows);
        assert!(inserted.cpu_us_per_row > 0.0 && inserted.per_second > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_batch_makes_a_message_an_event_a_search_row_and_counts_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let conn = open(&folder.path().join("db"), 2).unwrap();
        let (done, _is_done) = sync_channel(8);
        let mut words = Words::new(1);
        let batch: Vec<_> = (0..3)
            .map(|n| Row {
                room: n % 2 + 1,
                author: 1,
                nonce: words.nonce(),
                body: "hello fast world".into(),
                html: String::new(),
                done: done.clone(),
            })
            .collect();
        let mut statements: Vec<_> = [NEXT_SEQ, ADD_MESSAGE, ADD_EVENT, ADD_SEARCH]
            .iter()
            .map(|sql| conn.prepare(sql).unwrap())
            .collect();
        write_batch(&conn, &mut statements, &batch).unwrap();
        let one = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(one("select last_seq from rooms where id = 1"), 2);
        assert_eq!(one("select count(*) from events"), 3);
        assert_eq!(one("select count(*) from messages"), 3);
        assert_eq!(
            one("select count(*) from search where search match 'fast'"),
            3
        );
    }
}
