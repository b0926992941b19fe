//! A database that stops, stalls, is full of others or was used by a newer binary: what a
//! caller is told, how soon, and what is left afterwards.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Body, Nonce, Origin, Role, RoomId, Seq, Time, UserId, UserKind};
use store::postgres::{PostgresOptions, PostgresStore};
use store::{House, Messages, NewMessage, NewUser, PageAnchor, Result, Rooms, StoreError, Users};
use tokio::task::JoinSet;

use self::support::Cluster;

const LOBBY: RoomId = RoomId(1);
/// Within this a request must have its answer, whatever the database does.
const PROMISED: Duration = Duration::from_secs(5);

async fn open(url: &str) -> Arc<PostgresStore> {
    PostgresStore::open(url, PostgresOptions::default())
        .await
        .unwrap()
}

async fn with_ada(url: &str) -> Arc<PostgresStore> {
    let store = open(url).await;
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

fn draft(number: u64) -> NewMessage {
    let source = format!("message n{number}");
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
        at: Time(1),
    }
}

fn error_of<T>(result: Result<T>) -> StoreError {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_unavailable<T>(result: Result<T>) {
    let error = error_of(result);
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

/// Asks until it is answered, at most for what is promised after the database's return.
async fn wait_until_ready(store: &PostgresStore) {
    let since = Instant::now();
    while let Err(error) = store.ready().await {
        assert!(since.elapsed() < PROMISED, "still not ready: {error}");
        tokio::task::yield_now().await;
    }
}

/// Every acknowledged message is there once, and the log has no gap.
async fn assert_whole(store: &PostgresStore, acknowledged: &[u64]) {
    let mut nonces = Vec::new();
    let mut cursor = Seq::ZERO;
    loop {
        let events = store.events_after(LOBBY, cursor, 1000).await.unwrap();
        if events.is_empty() {
            break;
        }
        for event in events {
            assert_eq!(event.seq, cursor.next());
            cursor = event.seq;
            nonces.extend(event.kind.message().map(|message| message.nonce));
        }
    }
    assert_eq!(store.heads(&[LOBBY]).await.unwrap(), [(LOBBY, cursor)]);
    let stored = nonces.len();
    nonces.sort_by_key(|nonce| nonce.0);
    nonces.dedup();
    assert_eq!(nonces.len(), stored, "a message is there twice");
    for number in acknowledged {
        assert!(
            nonces.contains(&draft(*number).nonce),
            "acknowledged message {number} is lost"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_under_load_loses_nothing_acknowledged() {
    // With the disk's flushes: this is about what they promise.
    let cluster = Cluster::start("-c fsync=on");
    let store = with_ada(&cluster.fresh()).await;
    let mut writing = JoinSet::new();
    for writer in 0..20_u64 {
        let store = Arc::clone(&store);
        writing.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..50 {
                let number = writer * 1_000 + number;
                loop {
                    let asked = Instant::now();
                    let outcome = store.append_message(draft(number)).await;
                    assert!(asked.elapsed() < PROMISED, "{:?}", asked.elapsed());
                    match outcome {
                        Ok(_) => break acknowledged.push(number),
                        Err(StoreError::Unavailable(_)) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
            acknowledged
        });
    }
    let head = store.heads(&[LOBBY]).await.unwrap()[0].1;
    while store.heads(&[LOBBY]).await.unwrap()[0].1.0 < head.0 + 100 {
        tokio::task::yield_now().await;
    }
    tokio::task::block_in_place(|| {
        cluster.stop_server("immediate");
        cluster.start_server();
    });
    let mut acknowledged = Vec::new();
    while let Some(done) = writing.join_next().await {
        acknowledged.extend(done.unwrap());
    }
    assert_eq!(acknowledged.len(), 1_000);
    assert_whole(&store, &acknowledged).await;
    let (size, available) = store.connections();
    assert_eq!(size, available, "a connection was not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_or_stalled_database_is_unavailable_in_time_and_comes_back() {
    let cluster = Cluster::start("-c fsync=off");
    let store = with_ada(&cluster.fresh()).await;
    for number in 0..10 {
        store.append_message(draft(number)).await.unwrap();
    }
    for (stop, go_on) in [("stop", "start"), ("STOP", "CONT")] {
        tokio::task::block_in_place(|| match stop {
            "stop" => cluster.stop_server("fast"),
            signal => cluster.signal(signal),
        });
        let mut asking = JoinSet::new();
        // More than there are connections, of every kind.
        for number in 0..40_u64 {
            let store = Arc::clone(&store);
            asking.spawn(async move {
                let asked = Instant::now();
                match number % 4 {
                    0 => assert_unavailable(store.append_message(draft(100 + number)).await),
                    1 => assert_unavailable(store.room_page(LOBBY, PageAnchor::Newest, 9).await),
                    2 => assert_unavailable(store.user(UserId(1)).await),
                    _ => assert_unavailable(store.renew_epoch(domain::Epoch(number)).await),
                }
                assert!(asked.elapsed() < PROMISED, "{:?}", asked.elapsed());
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked.unwrap();
        }
        tokio::task::block_in_place(|| match go_on {
            "start" => cluster.start_server(),
            signal => cluster.signal(signal),
        });
        wait_until_ready(&store).await;
        store.append_message(draft(50)).await.unwrap();
    }
    assert_whole(&store, &(0..10).chain([50]).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_few_connections_and_many_writers_store_everything() {
    let cluster = Cluster::start("-c fsync=off -c max_connections=10");
    let url = cluster.fresh();
    let few = PostgresOptions { connections: 3 };
    with_ada(&url).await.close().await;
    let nodes = [
        PostgresStore::open(&url, few).await.unwrap(),
        PostgresStore::open(&url, few).await.unwrap(),
    ];
    let mut writing = JoinSet::new();
    for writer in 0..200_u64 {
        let store = Arc::clone(&nodes[usize::try_from(writer % 2).unwrap()]);
        writing.spawn(async move {
            for number in 0..5 {
                let number = writer * 100 + number;
                store.append_message(draft(number)).await.unwrap();
                store.mark_read_to(number).await;
            }
        });
    }
    while let Some(done) = writing.join_next().await {
        done.unwrap();
    }
    let all: Vec<_> = (0..200)
        .flat_map(|writer| (0..5).map(move |number| writer * 100 + number))
        .collect();
    assert_whole(&nodes[0], &all).await;
}

trait MarkRead {
    async fn mark_read_to(&self, seq: u64);
}

impl MarkRead for PostgresStore {
    async fn mark_read_to(&self, seq: u64) {
        let seq = Seq(i64::try_from(seq).unwrap());
        store::Members::mark_read(self, LOBBY, UserId(1), seq, Time(2))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_foreign_lock_is_waited_for_and_then_unavailable() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    let store = with_ada(&url).await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("begin; select 1 from rooms for update")
        .await
        .unwrap();
    let asked = Instant::now();
    assert_unavailable(store.append_message(draft(1)).await);
    assert!(asked.elapsed() < PROMISED, "{:?}", asked.elapsed());
    // Readers do not wait.
    store
        .room_page(LOBBY, PageAnchor::Newest, 10)
        .await
        .unwrap();
    client.batch_execute("rollback").await.unwrap();
    store.append_message(draft(1)).await.unwrap();
    assert_whole(&store, &[1]).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let url = Cluster::shared().fresh();
    let store = with_ada(&url).await;
    let epoch = store.epoch().await.unwrap();
    for number in 0..100 {
        store.append_message(draft(number)).await.unwrap();
    }
    store.close().await;
    let store = open(&url).await;
    assert_eq!(store.epoch().await.unwrap(), epoch);
    assert_whole(&store, &(0..100).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_numbers() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    open(&url).await.close().await;
    cluster.sql_at(&url, "update parlour_schema set version = 99");
    let error = error_of(PostgresStore::open(&url, PostgresOptions::default()).await);
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 99,
                known: 1
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    cluster.sql_at(&url, "create table diary (page text)");
    let error = error_of(PostgresStore::open(&url, PostgresOptions::default()).await);
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    let tables = "select count(*) from pg_tables where schemaname = current_schema()";
    assert_eq!(cluster.sql_at(&url, tables), "1");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_told_as_such() {
    for url in [
        "postgresql://parlour@/postgres?host=/no/such/folder",
        "postgresql://parlour@127.0.0.1:1/postgres",
        "no address",
    ] {
        let asked = Instant::now();
        assert_unavailable(PostgresStore::open(url, PostgresOptions::default()).await);
        assert!(asked.elapsed() < PROMISED, "{:?}", asked.elapsed());
    }
    let absent = Cluster::shared().url().replace("/postgres?", "/absent?");
    assert_unavailable(PostgresStore::open(&absent, PostgresOptions::default()).await);
}

#[tokio::test]
async fn migrations_are_pending_until_applied_and_then_none() {
    let url = Cluster::shared().fresh();
    let all = PostgresStore::pending_migrations(&url).await.unwrap();
    assert_eq!(all.first().copied(), Some("0001_first_house"));
    assert_eq!(PostgresStore::migrate(&url).await.unwrap(), all);
    let none: [&str; 0] = [];
    assert_eq!(PostgresStore::pending_migrations(&url).await.unwrap(), none);
    assert_eq!(PostgresStore::migrate(&url).await.unwrap(), none);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_starting_on_one_empty_database_all_succeed() {
    let url = Cluster::shared().fresh();
    let mut starting = JoinSet::new();
    for _ in 0..5 {
        let url = url.clone();
        starting.spawn(async move { open(&url).await.epoch().await.unwrap() });
    }
    let mut epochs = Vec::new();
    while let Some(epoch) = starting.join_next().await {
        epochs.push(epoch.unwrap());
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1);
}

#[tokio::test]
async fn nodes_see_each_others_notices_and_share_their_secret() {
    let url = Cluster::shared().fresh();
    let (one, other) = (with_ada(&url).await, open(&url).await);
    assert!(!other.changed_outside().await.unwrap());
    one.add_notice(store::NoticeKind::HistoryChanged, Time(1))
        .await
        .unwrap();
    assert!(other.changed_outside().await.unwrap());
    assert!(!other.changed_outside().await.unwrap());
    let first = one.secret("sessions", &[1; 32]).await.unwrap();
    let second = other.secret("sessions", &[2; 32]).await.unwrap();
    assert_eq!((first, second), (vec![1; 32], vec![1; 32]));
}

/// Deleted words are not in the table any more; dead rows go with the next vacuum.
#[tokio::test]
async fn a_deletion_erases_what_was_said_and_its_words() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    let store = with_ada(&url).await;
    let posted = store.append_message(draft(7)).await.unwrap().message;
    let found = "select count(*) from messages where words @@ 'n7'::tsquery";
    assert_eq!(cluster.sql_at(&url, found), "1");
    store
        .delete_message(posted.id, UserId(1), Time(3))
        .await
        .unwrap();
    assert_eq!(cluster.sql_at(&url, found), "0");
    let left = "select count(*) from messages where messages::text like '%n7%'";
    assert_eq!(cluster.sql_at(&url, left), "0");
}

/// Makes the database refuse the first `times` messages whose source contains "bad", as
/// `code` says. A sequence counts, because it keeps its count when all else is undone.
fn refuse_bad(cluster: &Cluster, url: &str, code: &str, times: u32) {
    cluster.sql_at(
        url,
        &format!(
            "create sequence refused;
             create function refuse() returns trigger language plpgsql as $$
             begin
               if new.source like '%bad%' and nextval('refused') <= {times} then
                 raise exception using errcode = '{code}', message = 'refused';
               end if;
               return new;
             end $$;
             create trigger refuse before insert on messages
               for each row execute function refuse()"
        ),
    );
}

fn bad(number: u64) -> NewMessage {
    let source = "bad".to_owned();
    NewMessage {
        body: Body::Markdown {
            html: source.clone(),
            source,
        },
        ..draft(number)
    }
}

#[tokio::test]
async fn what_the_database_undoes_is_tried_three_times_again() {
    let cluster = Cluster::shared();
    for code in ["40001", "40P01"] {
        for (times, is_stored) in [(3, true), (4, false)] {
            let url = cluster.fresh();
            let store = with_ada(&url).await;
            refuse_bad(cluster, &url, code, times);
            let outcome = store.append_message(bad(1)).await;
            if is_stored {
                assert_eq!(outcome.unwrap().message.seq, Seq(2));
            } else {
                assert_unavailable(outcome);
                store.append_message(bad(1)).await.unwrap();
            }
            assert_whole(&store, &[1]).await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_reading_goes_on() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    let store = with_ada(&url).await;
    refuse_bad(cluster, &url, "53100", 1);
    let error = error_of(store.append_message(bad(1)).await);
    assert!(matches!(error, StoreError::Full), "{error:?}");
    store
        .room_page(LOBBY, PageAnchor::Newest, 10)
        .await
        .unwrap();
    store.append_message(bad(1)).await.unwrap();
    assert_whole(&store, &[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_post_that_fails_takes_none_of_its_batch_with_it() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    let store = with_ada(&url).await;
    refuse_bad(cluster, &url, "22000", u32::MAX);
    let mut posting = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        posting.spawn(async move {
            if number == 25 {
                let error = error_of(store.append_message(bad(number)).await);
                assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
                None
            } else {
                store.append_message(draft(number)).await.unwrap();
                Some(number)
            }
        });
    }
    let mut acknowledged = Vec::new();
    while let Some(done) = posting.join_next().await {
        acknowledged.extend(done.unwrap());
    }
    assert_eq!(acknowledged.len(), 49);
    assert_whole(&store, &acknowledged).await;
}

/// Batching is what makes posting fast, and nothing but the count of commits shows it.
#[tokio::test(flavor = "multi_thread")]
async fn posts_that_arrive_together_share_commits() {
    let cluster = Cluster::shared();
    let url = cluster.fresh();
    let store = with_ada(&url).await;
    let commits = "select count(distinct xmin::text) from messages";
    let mut posting = JoinSet::new();
    for number in 0..500 {
        let store = Arc::clone(&store);
        posting.spawn(async move { store.append_message(draft(number)).await.unwrap() });
    }
    while let Some(posted) = posting.join_next().await {
        posted.unwrap();
    }
    let count: u32 = cluster.sql_at(&url, commits).parse().unwrap();
    assert!((500 / 64..250).contains(&count), "{count} commits");
}
