//! Batches in which something fails, and what a failed flush does.

use super::{Thread, Writer};
use crate::sqlite::checkpoint::Checkpointer;
use crate::sqlite::{migrate, open_connection};
use crate::{Conflict, Result, StoreError};

/// A writer on a house with an extra table, and another connection to look with.
fn writer(folder: &tempfile::TempDir) -> (Writer, rusqlite::Connection) {
    let path = folder.path().join("house.sqlite3");
    std::fs::File::create(&path).unwrap();
    let mut conn = open_connection(&path).unwrap();
    migrate::apply(&mut conn).unwrap();
    conn.execute_batch("create table t (x integer primary key)")
        .unwrap();
    let checkpointer = Checkpointer::start(&path).unwrap();
    let writer = Writer::start(conn, checkpointer, None).unwrap();
    (writer, open_connection(&path).unwrap())
}

fn rows(conn: &rusqlite::Connection, table: &str) -> i64 {
    conn.query_row(&format!("select count(*) from {table}"), [], |row| {
        row.get(0)
    })
    .unwrap()
}

/// Queues one that blocks the thread, so that what comes next is one batch.
async fn hold(
    writer: &Writer,
) -> (
    std::sync::mpsc::Sender<()>,
    impl Future<Output = Result<()>>,
) {
    let (release, released) = std::sync::mpsc::channel();
    let (started, starting) = std::sync::mpsc::channel();
    let mut holding = Box::pin(writer.write(move |_| {
        let _ = started.send(());
        let _ = released.recv();
        Ok(())
    }));
    std::future::poll_fn(|context| {
        assert!(holding.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    starting.recv().unwrap();
    (release, holding)
}

#[tokio::test]
async fn one_that_fails_after_writing_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, conn) = writer(&folder);
    let (release, holding) = hold(&writer).await;
    let insert = |number: i64, fails: bool| {
        writer.write(move |tx| {
            tx.execute("insert into t (x) values (?1)", [number])
                .unwrap();
            tx.add_search(number, "word");
            if fails {
                return Err(StoreError::Conflict(Conflict::Stale));
            }
            Ok(number)
        })
    };
    let all = async {
        release.send(()).unwrap();
        holding.await.unwrap();
    };
    let (first, second, third, ()) =
        tokio::join!(insert(1, false), insert(2, true), insert(3, false), all);
    assert_eq!((first.unwrap(), third.unwrap()), (1, 3));
    assert!(matches!(second, Err(StoreError::Conflict(Conflict::Stale))));
    assert_eq!(rows(&conn, "t"), 2);
    assert_eq!(rows(&conn, "search where search match 'word'"), 2);
}

#[tokio::test]
async fn a_failed_full_text_row_fails_its_operation_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, conn) = writer(&folder);
    let (release, holding) = hold(&writer).await;
    let insert = |number: i64, breaks: bool| {
        writer.write(move |tx| {
            tx.execute("insert into t (x) values (?1)", [number])
                .unwrap();
            if breaks {
                tx.execute_batch("drop table search").unwrap();
            }
            tx.add_search(number, "word");
            Ok(number)
        })
    };
    let all = async {
        release.send(()).unwrap();
        holding.await.unwrap();
    };
    let (first, second, third, ()) =
        tokio::join!(insert(1, false), insert(2, true), insert(3, false), all);
    assert!(first.is_ok() && third.is_ok(), "{first:?} {third:?}");
    assert!(second.is_err(), "{second:?}");
    assert_eq!(rows(&conn, "t"), 2);
    assert_eq!(rows(&conn, "search where search match 'word'"), 2);
}

#[test]
fn a_failed_flush_is_fatal_and_a_full_disk_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.sqlite3");
    std::fs::File::create(&path).unwrap();
    let conn = open_connection(&path).unwrap();
    let checkpointer = Checkpointer::start(&path).unwrap();
    let thread = Thread::new(conn, checkpointer, std::sync::Arc::default(), None).unwrap();
    let lost = |code| {
        thread.lost(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(code),
            None,
        ))
    };
    for code in [
        rusqlite::ffi::SQLITE_IOERR_FSYNC,
        rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC,
    ] {
        assert!(matches!(lost(code), super::Lost::Fatal(_)));
    }
    let full = lost(rusqlite::ffi::SQLITE_FULL);
    assert!(matches!(full, super::Lost::Undone(StoreError::Full)));
    let busy = lost(rusqlite::ffi::SQLITE_BUSY);
    assert!(matches!(busy, super::Lost::Busy(_)));
}

#[tokio::test]
async fn after_a_failed_flush_the_hook_is_called_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.sqlite3");
    std::fs::File::create(&path).unwrap();
    let conn = open_connection(&path).unwrap();
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&calls);
    let hook: super::FatalHook = std::sync::Arc::new(move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let checkpointer = Checkpointer::start(&path).unwrap();
    let is_dead = std::sync::Arc::default();
    let mut thread = Thread::new(
        conn,
        checkpointer,
        std::sync::Arc::clone(&is_dead),
        Some(hook),
    )
    .unwrap();
    thread.die("disk");
    thread.die("disk");
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 1);
    let (queue, items) = tokio::sync::mpsc::channel(4);
    let writer = Writer { queue, is_dead };
    let serving = std::thread::spawn(move || thread.serve(items));
    let refused = writer.write(|_| Ok(())).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    writer.close().await;
    serving.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_panics_is_undone_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, look) = writer(&folder);
    let (release, holding) = hold(&writer).await;
    let ok = writer.write(|tx| {
        tx.execute("insert into t values (1)", []).unwrap();
        Ok(())
    });
    let bad = writer.write(|tx| -> Result<()> {
        tx.execute("insert into t values (2)", []).unwrap();
        panic!("a poisonous row")
    });
    let both = async { tokio::join!(ok, bad) };
    let released = async { release.send(()).unwrap() };
    let (holding, (ok, bad), ()) = tokio::join!(holding, both, released);
    holding.unwrap();
    ok.unwrap();
    assert!(matches!(bad, Err(StoreError::Internal(_))), "{bad:?}");
    assert_eq!(rows(&look, "t"), 1);
    // Alone as well.
    let alone = writer.write(|_| -> Result<()> { panic!("again") }).await;
    assert!(matches!(alone, Err(StoreError::Internal(_))), "{alone:?}");
    writer.write(|_| Ok(())).await.unwrap();
}
