//! What can be checked of the statements without running an operation.

#[path = "../../tests/support/mod.rs"]
mod support;

use tokio_postgres::{Client, NoTls};

use self::support::Cluster;
use super::{
    PostgresOptions, PostgresStore, house, jobs, log, members, messages, migrate, rooms, rows,
    sessions, transfer, users,
};

fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = messages::statements();
    for list in [
        house::STATEMENTS,
        jobs::STATEMENTS,
        log::STATEMENTS,
        members::STATEMENTS,
        migrate::STATEMENTS,
        rooms::STATEMENTS,
        sessions::STATEMENTS,
        transfer::STATEMENTS,
        users::STATEMENTS,
    ] {
        all.extend(list);
    }
    all
}

async fn migrated() -> Client {
    let url = Cluster::shared().fresh();
    let store = PostgresStore::open(&url, PostgresOptions::default())
        .await
        .unwrap();
    crate::House::close(&*store).await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn every_statement_prepares_on_a_freshly_migrated_database() {
    let client = migrated().await;
    for (name, sql) in statements() {
        if let Err(error) = client.prepare(sql).await {
            panic!("{name}: {error:?}\n{sql}");
        }
    }
}

#[test]
fn every_statement_in_the_sources_is_in_the_list() {
    let listed: Vec<_> = statements().into_iter().map(|(name, _)| name).collect();
    for source in [
        include_str!("house.rs"),
        include_str!("jobs.rs"),
        include_str!("log.rs"),
        include_str!("members.rs"),
        include_str!("messages.rs"),
        include_str!("messages/batch.rs"),
        include_str!("messages/batch/look.rs"),
        include_str!("messages/batch/write.rs"),
        include_str!("messages/change.rs"),
        include_str!("messages/pages.rs"),
        include_str!("rooms.rs"),
        include_str!("sessions.rs"),
        include_str!("transfer.rs"),
        include_str!("users.rs"),
    ] {
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("const ") else {
                continue;
            };
            if let Some((name, _)) = rest.split_once(": &str =") {
                assert!(listed.contains(&name), "{name} is missing from STATEMENTS");
            }
        }
    }
}

/// With sequential scans forbidden, the planner still takes one where no index serves.
#[tokio::test]
async fn the_hottest_statements_scan_no_growing_table() {
    const HOTTEST: &[&str] = &[
        "LOCK_ROOMS",
        "LOCK_AUTHORS",
        "STANDINGS",
        "QUOTES",
        "STORE_MESSAGES",
        "STORE_JOINS",
        "ADVANCE_ROOMS",
        "INSERT_MENTIONS",
        "MESSAGES_BY_IDS",
        "EVENTS_AFTER",
        "APPEND_EVENT",
        "OLDER",
        "NEWER",
        "HAS_MORE",
        "MESSAGE_FACTS",
        "MESSAGE_BY_NONCE",
        "MARK_READ",
        "UNREAD_COUNT",
        "RECEIPTS",
        "ROOMS_JOINED",
        "FACTS_BY_ID",
        "FACTS_BY_SLUG",
        "SESSION",
        "TOKEN",
        "ATTEMPTS",
        "TAKE_JOB",
        "EXPIRE_SESSIONS",
        "DROP_OLD_ATTEMPTS",
        "MEMBERS",
        "NOTICES_AFTER",
        "AUDIT_ENTRIES",
        "HEADS",
        "KNOWN_MESSAGE",
        "IS_IN_ROOM",
    ];
    let client = migrated().await;
    client
        .batch_execute("set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    let all = statements();
    for hot in HOTTEST {
        let same_name: Vec<_> = all.iter().filter(|(name, _)| name == hot).collect();
        assert!(!same_name.is_empty(), "{hot}");
        for (_, sql) in same_name {
            let plan = explain(&client, sql).await;
            assert!(!plan.contains("Seq Scan"), "{hot} scans:\n{plan}");
        }
    }
}

#[tokio::test]
async fn unread_counts_and_words_are_answered_by_their_indexes() {
    let client = migrated().await;
    client
        .batch_execute("set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    let sql = statements()
        .into_iter()
        .find(|(name, _)| *name == "UNREAD_COUNT")
        .unwrap()
        .1;
    let plan = explain(&client, sql).await;
    assert!(plan.contains("messages_by_room"), "{plan}");
    assert!(plan.contains("mentions_by_user"), "{plan}");
    let found = "select id from messages where words @@ $1::text::tsquery";
    let plan = explain(&client, found).await;
    assert!(plan.contains("messages_by_words"), "{plan}");
}

async fn explain(client: &Client, sql: &str) -> String {
    let parameters = client.prepare(sql).await.unwrap().params().len();
    let values = vec!["null"; parameters].join(", ");
    let values = match parameters {
        0 => String::new(),
        _ => format!("({values})"),
    };
    let script = format!("prepare hot as {sql}; explain execute hot{values}; deallocate hot");
    let lines = client.simple_query(&script).await.unwrap();
    let lines = lines.iter().filter_map(|line| match line {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn words_are_kept_as_they_were_split() {
    let client = migrated().await;
    for (words, expected) in [
        ("plain words plain", "'plain':1,3 'words':2"),
        (
            "o'clock back\\slash :* &!|",
            r"'&!|':4 ':*':3 'back\\slash':2 'o''clock':1",
        ),
        ("東京 京都", "'京都':2 '東京':1"),
    ] {
        let literal = rows::vector(words).unwrap();
        let row = client
            .query_one("select $1::text::tsvector::text collate \"C\"", &[&literal])
            .await
            .unwrap();
        let mut found: Vec<&str> = row.get::<_, &str>(0).split(' ').collect();
        let mut expected: Vec<&str> = expected.split(' ').collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
    assert_eq!(rows::vector(""), None);
    let endless = "x".repeat(3_000);
    assert_eq!(rows::vector(&endless), None);
    let many = (0..100_000)
        .map(|n| format!("word{n} "))
        .collect::<String>();
    let literal = rows::vector(&many).unwrap();
    client
        .query_one("select $1::text::tsvector is not null", &[&literal])
        .await
        .unwrap();
}

#[tokio::test]
async fn what_panics_is_undone_and_its_connection_serves_nobody() {
    let url = Cluster::shared().fresh();
    let options = PostgresOptions { connections: 1 };
    let store = PostgresStore::open(&url, options).await.unwrap();
    for _ in 0..2 {
        let bad = store.write((), |tx, ()| {
            Box::pin(async {
                tx.change("insert into secrets values ('poison', '')", super::tx::NONE)
                    .await?;
                let is_poisonous = true;
                assert!(!is_poisonous, "a poisonous row");
                Ok(())
            })
        });
        let bad = bad.await;
        assert!(
            matches!(bad, Err(crate::StoreError::Internal(_))),
            "{bad:?}"
        );
    }
    // Had it been left open, this would have committed it.
    let fresh = store.secret("poison", b"fresh").await.unwrap();
    assert_eq!(fresh, b"fresh");
    crate::House::close(&*store).await;
}
