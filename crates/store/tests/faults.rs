//! Files and disks that fail: what a caller is told, and what is left afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Body, Nonce, Origin, Role, RoomId, Seq, Time, UserId, UserKind};
use rusqlite::Connection;
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{House, Messages, NewMessage, NewUser, PageAnchor, StoreError, Users};

const LOBBY: RoomId = RoomId(1);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("house.sqlite3")
    }

    fn open(&self) -> store::Result<Arc<SqliteStore>> {
        SqliteStore::open(&self.path(), SqliteOptions::default())
    }

    /// A house with Ada and a hundred messages, closed again.
    async fn with_messages() -> Self {
        let place = Self::new();
        let store = place.open().unwrap();
        populate(&store).await;
        store.close().await;
        place
    }
}

async fn populate(store: &SqliteStore) {
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
    for number in 0..100 {
        store.append_message(draft(number)).await.unwrap();
    }
}

fn draft(number: u64) -> NewMessage {
    let source = format!("message n{number} {}", "with words ".repeat(20));
    NewMessage {
        room: LOBBY,
        author: UserId(1),
        nonce: Nonce(uuid::Uuid::from_u64_pair(number, number)),
        fingerprint: [0; 32],
        body: Body::Markdown {
            html: source.clone(),
            source,
        },
        mentions: Vec::new(),
        origin: Origin::Person,
        reply_to: None,
        join_if_open: false,
        at: Time(0),
    }
}

fn error_of(opened: store::Result<Arc<SqliteStore>>) -> StoreError {
    match opened {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// Opens a file that must be refused as damaged, and stays as it was, byte for byte.
#[track_caller]
fn assert_corrupt(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let error = error_of(SqliteStore::open(path, SqliteOptions::default()));
    let StoreError::Corrupt(text) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("house.sqlite3"), "{text}");
    assert!(!text.contains('\n'), "more than one sentence: {text}");
    assert_eq!(std::fs::read(path).unwrap(), before);
    text
}

#[tokio::test]
async fn a_new_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    store.append_message(draft(1_000)).await.unwrap();
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 200)
        .await
        .unwrap();
    assert_eq!((page.messages.len(), page.head), (100, Seq(101)));
    let epoch = store.epoch().await.unwrap();
    store.close().await;
    let store = place.open().unwrap();
    assert_eq!(store.epoch().await.unwrap(), epoch);
    assert!(!place.folder.path().join("house.sqlite3-journal").exists());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::write(place.path(), "Dear diary, ".repeat(1_000)).unwrap();
    let text = assert_corrupt(&place.path());
    assert!(text.contains("not an SQLite database"), "{text}");
    std::fs::write(place.path(), "short").unwrap();
    assert_corrupt(&place.path());
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let place = Place::new();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("create table t (x);").unwrap();
    drop(other);
    let text = assert_corrupt(&place.path());
    assert!(text.contains("another program"), "{text}");
}

#[tokio::test]
async fn a_truncated_file_is_refused_and_left_alone() {
    let place = Place::with_messages().await;
    let whole = std::fs::read(place.path()).unwrap();
    for part in [whole.len() / 2, whole.len() - 4096, 4096, 100] {
        std::fs::write(place.path(), &whole[..part]).unwrap();
        assert_corrupt(&place.path());
    }
}

#[tokio::test]
async fn a_flipped_page_is_refused_or_reads_without_loss() {
    let place = Place::with_messages().await;
    let whole = std::fs::read(place.path()).unwrap();
    let pages = whole.len() / 4096;
    let mut refused = 0;
    for seed in 0..20_usize {
        let page = 1 + (seed * 7) % (pages - 1);
        let mut damaged = whole.clone();
        for byte in &mut damaged[page * 4096..page * 4096 + 16] {
            *byte ^= 0xa5;
        }
        std::fs::write(place.path(), &damaged).unwrap();
        match place.open() {
            Err(StoreError::Corrupt(_)) => {
                refused += 1;
                assert_eq!(std::fs::read(place.path()).unwrap(), damaged);
            }
            Err(other) => panic!("page {page}: {other:?}"),
            Ok(store) => {
                let page = store.room_page(LOBBY, PageAnchor::Newest, 200).await;
                match page {
                    Ok(page) => assert_eq!(page.messages.len(), 100),
                    Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}"),
                }
                store.close().await;
            }
        }
    }
    assert!(refused >= 10, "only {refused} of 20 were noticed");
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_numbers() {
    let place = Place::with_messages().await;
    let conn = Connection::open(place.path()).unwrap();
    conn.pragma_update(None, "user_version", 999).unwrap();
    drop(conn);
    let before = std::fs::read(place.path()).unwrap();
    let error = error_of(place.open());
    assert!(
        matches!(error, StoreError::Newer { found: 999, known } if known >= 1),
        "{error:?}"
    );
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_directory_or_a_missing_folder_is_told_as_such() {
    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    let error = error_of(place.open());
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("is a directory")),
        "{error:?}"
    );
    let missing = place.folder.path().join("no/such/house.sqlite3");
    let error = error_of(SqliteStore::open(&missing, SqliteOptions::default()));
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("cannot be made")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_read_only_file_is_told_as_such() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_messages().await;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o444)).unwrap();
    let may_write_anyway = std::fs::OpenOptions::new()
        .append(true)
        .open(place.path())
        .is_ok();
    match place.open() {
        // The super-user is above permissions, and then everything must work.
        Ok(store) if may_write_anyway => {
            store.append_message(draft(1_000)).await.unwrap();
        }
        Ok(_) => panic!("a read-only file opened"),
        Err(error) => {
            assert!(!may_write_anyway, "{error:?}");
            assert!(
                matches!(&error, StoreError::Unavailable(text) if text.contains("read-only")),
                "{error:?}"
            );
        }
    }
}

#[test]
fn migrations_are_pending_until_applied_and_then_none() {
    let place = Place::new();
    let all = SqliteStore::pending_migrations(&place.path()).unwrap();
    assert!(!all.is_empty());
    assert!(!place.path().exists(), "asking made the file");
    assert_eq!(SqliteStore::migrate(&place.path()).unwrap(), all);
    assert!(
        SqliteStore::pending_migrations(&place.path())
            .unwrap()
            .is_empty()
    );
    assert!(SqliteStore::migrate(&place.path()).unwrap().is_empty());
}

#[test]
fn two_processes_starting_on_one_empty_file_both_succeed() {
    let place = Place::new();
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let path = place.path();
            std::thread::spawn(move || {
                SqliteStore::open(&path, SqliteOptions::default()).map(|_| ())
            })
        })
        .collect();
    for opened in opening {
        opened.join().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_lock_makes_writes_unavailable_and_reads_go_on() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let foreign = Connection::open(place.path()).unwrap();
    foreign.execute_batch("begin immediate").unwrap();
    let since = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 1_000..1_300 {
        let store = Arc::clone(&store);
        waiting.spawn(async move {
            // Some come while others wait already.
            if number % 2 == 1 {
                tokio::task::yield_now().await;
            }
            let asked = Instant::now();
            (store.append_message(draft(number)).await, asked.elapsed())
        });
    }
    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 200)
        .await
        .unwrap();
    assert_eq!(page.messages.len(), 100);
    assert!(since.elapsed() < Duration::from_secs(1), "reads waited");
    while let Some(done) = waiting.join_next().await {
        let (answer, waited) = done.unwrap();
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }
    foreign.execute_batch("rollback").unwrap();
    store.append_message(draft(1_000)).await.unwrap();
    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 200)
        .await
        .unwrap();
    assert_eq!(page.head, Seq(102), "a refused message left a seq");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_foreign_lock_is_waited_for() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let foreign = Connection::open(place.path()).unwrap();
    foreign.execute_batch("begin immediate").unwrap();
    let posting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.append_message(draft(1_000)).await }
    });
    // Longer than one of SQLite's own waits.
    std::thread::sleep(Duration::from_millis(500));
    assert!(!posting.is_finished());
    foreign.execute_batch("rollback").unwrap();
    posting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_change_by_another_process_is_noticed_once() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    assert!(!store.changed_outside().await.unwrap());
    let foreign = place.open().unwrap();
    foreign.append_message(draft(1_000)).await.unwrap();
    store.append_message(draft(1_001)).await.unwrap();
    assert!(store.changed_outside().await.unwrap());
    assert!(!store.changed_outside().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_posts_and_reads_go_on() {
    let place = Place::with_messages().await;
    let size = place.path().metadata().unwrap().len();
    let options = SqliteOptions {
        max_bytes: Some(size + 40 * 4096),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&place.path(), options).unwrap();
    let mut posting = tokio::task::JoinSet::new();
    for number in 1_000..2_000 {
        let store = Arc::clone(&store);
        posting.spawn(async move { store.append_message(draft(number)).await });
    }
    let (mut stored, mut refused) = (0, 0);
    while let Some(answer) = posting.join_next().await {
        match answer.unwrap() {
            Ok(_) => stored += 1,
            Err(StoreError::Full) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(
        stored > 0 && refused > 0,
        "{stored} stored, {refused} refused"
    );
    let page = store.room_page(LOBBY, PageAnchor::Newest, 1).await.unwrap();
    assert_eq!(page.head, Seq(101 + stored));
    store.close().await;
    // With space again everything goes on, and what was acknowledged is there.
    let store = place.open().unwrap();
    let appended = store.append_message(draft(5_000)).await.unwrap();
    assert_eq!(appended.message.seq, Seq(102 + stored));
    store.close().await;
    let conn = Connection::open(place.path()).unwrap();
    let verdict: String = conn
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test]
async fn words_find_messages_until_they_are_edited_or_deleted() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let conn = Connection::open(place.path()).unwrap();
    let found = |word: &str| -> Vec<i64> {
        conn.prepare("select rowid from search where search match ?1 order by rowid")
            .unwrap()
            .query_map([format!("\"{word}\"")], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    assert_eq!(found("n7").len(), 1);
    assert_eq!(found("message").len(), 100);
    let id = domain::MessageId(found("n7")[0]);
    let edit = store::EditMessage {
        message: id,
        editor: UserId(1),
        body: Body::Markdown {
            source: "other größe".into(),
            html: "other größe".into(),
        },
        mentions: Vec::new(),
        if_version: None,
        at: Time(1),
    };
    store.edit_message(edit).await.unwrap();
    assert!(found("n7").is_empty());
    assert_eq!((found("other"), found("große")), (vec![id.0], vec![id.0]));
    store.delete_message(id, UserId(1), Time(2)).await.unwrap();
    assert!(found("other").is_empty());
    assert_eq!(found("message").len(), 99);
}

#[tokio::test]
async fn one_damaged_row_does_not_keep_a_room_from_loading() {
    let place = Place::with_messages().await;
    let conn = Connection::open(place.path()).unwrap();
    // Bytes that are no UTF-8, and a time that no calendar has.
    let damage = "update messages
                     set source = cast(x'61ff62' as text), html = cast(x'3c703eff' as text),
                         created_at = -9223372036854775808
                   where id = 5";
    assert_eq!(conn.execute(damage, []).unwrap(), 1);
    drop(conn);
    let store = place.open().unwrap();
    let page = store
        .room_page(LOBBY, store::PageAnchor::Newest, 200)
        .await
        .unwrap();
    assert_eq!(page.messages.len(), 100);
    let damaged = page
        .messages
        .iter()
        .find(|message| message.id.0 == 5)
        .unwrap();
    assert_eq!(damaged.source(), Some("a\u{fffd}b"));
    assert!(
        store
            .events_after(LOBBY, domain::Seq::ZERO, 500)
            .await
            .unwrap()
            .len()
            >= 100
    );
}

#[tokio::test]
async fn deleted_words_are_not_in_the_tables_of_the_file() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let mut new = draft(1_000);
    new.body = Body::Markdown {
        source: "XYZZYPLUGH".into(),
        html: "<p>XYZZYPLUGH</p>".into(),
    };
    let id = store.append_message(new).await.unwrap().message.id;
    store.delete_message(id, UserId(1), Time(1)).await.unwrap();
    store.close().await;
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        // The last thread to close removes the log and its index, now or soon.
        let Ok(bytes) = std::fs::read(entry.unwrap().path()) else {
            continue;
        };
        // In the row as typed, in the index in small letters.
        let is_there = bytes
            .windows(10)
            .any(|window| window.eq_ignore_ascii_case(b"XYZZYPLUGH"));
        assert!(!is_there);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_not_grow_without_bound_under_steady_writing() {
    let place = Place::with_messages().await;
    let store = place.open().unwrap();
    let mut posting = tokio::task::JoinSet::new();
    for writer in 0..16_u64 {
        let store = Arc::clone(&store);
        posting.spawn(async move {
            for number in 0..500 {
                let number = 10_000 + writer * 500 + number;
                store.append_message(draft(number)).await.unwrap();
            }
        });
    }
    posting.join_all().await;
    let log = place.folder.path().join("house.sqlite3-wal");
    let bytes = log.metadata().unwrap().len();
    assert!(bytes < 64 << 20, "the log has {bytes} bytes");
    store.close().await;
    assert!(!log.exists() || log.metadata().unwrap().len() == 0);
}
