//! What can be checked of the statements without running an operation.

use rusqlite::Connection;

use super::{
    house, jobs, log, members, messages, migrate, open_connection, rooms, sessions, transfer,
    users, writer,
};

fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = messages::statements();
    for list in [
        house::STATEMENTS,
        jobs::STATEMENTS,
        log::STATEMENTS,
        members::STATEMENTS,
        rooms::STATEMENTS,
        sessions::STATEMENTS,
        transfer::STATEMENTS,
        users::STATEMENTS,
        writer::STATEMENTS,
    ] {
        all.extend(list);
    }
    all
}

fn migrated() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.sqlite3");
    std::fs::File::create(&path).unwrap();
    let mut conn = open_connection(&path).unwrap();
    migrate::apply(&mut conn).unwrap();
    (folder, conn)
}

#[test]
fn every_statement_prepares_on_a_freshly_migrated_database() {
    let (_folder, conn) = migrated();
    for (name, sql) in statements() {
        if let Err(error) = conn.prepare(sql) {
            panic!("{name}: {error}\n{sql}");
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
        include_str!("messages/change.rs"),
        include_str!("messages/pages.rs"),
        include_str!("rooms.rs"),
        include_str!("sessions.rs"),
        include_str!("transfer.rs"),
        include_str!("users.rs"),
        include_str!("writer.rs"),
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

/// The ten hottest statements and those whose tables grow without end. `scan` is allowed
/// only where it says "using index" over one room's or one person's rows; `search` always
/// seeks.
#[test]
fn the_hottest_statements_scan_no_growing_table() {
    const HOTTEST: &[&str] = &[
        "STANDING",
        "TAKE_SEQ_FOR_POST",
        "QUOTE",
        "INSERT_MENTION",
        "EVENTS_AFTER",
        "OLDER",
        "NEWER",
        "HAS_OLDER",
        "HAS_NEWER",
        "MESSAGE_FACTS",
        "MESSAGE_BY_NONCE",
        "UNREAD_COUNT",
        "READERS",
        "RECEIPTS",
        "ROOMS_JOINED",
        "FACTS_BY_ID",
        "FACTS_BY_SLUG",
        "SESSION",
        "TOKEN",
        "ATTEMPTS",
        "DUE_JOB",
        "EXPIRE_SESSIONS",
        "DROP_OLD_ATTEMPTS",
        "MEMBERS_SORTED",
        "NOTICES_AFTER",
        "AUDIT_ENTRIES",
        "HEADS",
        "KNOWN_MESSAGE",
        "IS_IN_ROOM",
    ];
    let (_folder, conn) = migrated();
    let all = statements();
    for hot in HOTTEST {
        let sql = all.iter().find(|(name, _)| name == hot).unwrap().1;
        let plan = explain(&conn, sql);
        for step in &plan {
            let scans = step.starts_with("SCAN")
                // Not tables: the page chosen by an inner select, a list given as a
                // parameter, a select without a table.
                && !["SCAN (", "SCAN wanted ", "SCAN CONSTANT"]
                    .iter()
                    .any(|harmless| step.starts_with(harmless));
            assert!(!scans, "{hot} scans: {plan:#?}");
        }
    }
}

#[test]
fn unread_counts_are_answered_by_the_index_alone() {
    let (_folder, conn) = migrated();
    let sql = statements()
        .into_iter()
        .find(|(name, _)| *name == "UNREAD_COUNT")
        .unwrap()
        .1;
    let plan = explain(&conn, sql).join("\n");
    assert!(
        plan.contains("SEARCH messages USING COVERING INDEX messages_by_room"),
        "{plan}"
    );
}

fn explain(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("explain query plan {sql}")).unwrap();
    let count = statement.parameter_count();
    for parameter in 1..=count {
        statement.raw_bind_parameter(parameter, "1").unwrap();
    }
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>(3).unwrap());
    }
    plan
}

/// With SQLite's statistics compiled in, a statement may ask to be compiled again whenever
/// a parameter is bound; posting then costs nearly twice as much.
#[test]
fn binding_other_values_compiles_nothing_again() {
    let (_folder, conn) = migrated();
    for (name, sql) in statements() {
        if name == "DATA_VERSION" || !sql.trim_start().starts_with("select") {
            continue;
        }
        let mut statement = conn.prepare(sql).unwrap();
        for value in ["1", "2", "3"] {
            for parameter in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(parameter, value).unwrap();
            }
            let mut rows = statement.raw_query();
            // `json_each` refuses what is no list; that is not the question here.
            while let Ok(Some(_)) = rows.next() {}
        }
        let again = statement.get_status(rusqlite::StatementStatus::RePrepare);
        assert_eq!(again, 0, "{name}");
    }
}

#[tokio::test]
async fn reads_that_panic_leave_their_threads() {
    let (folder, _) = migrated();
    let path = folder.path().join("house.sqlite3");
    let readers = super::readers::Readers::start(&path, 2).unwrap();
    for _ in 0..4 {
        let bad = readers.read(|conn| -> crate::Result<()> {
            let _snapshot = conn.unchecked_transaction().unwrap();
            panic!("a poisonous row")
        });
        assert!(bad.await.is_err());
    }
    let read = async { readers.read(|_| Ok(7)).await.unwrap() };
    let patience = std::time::Duration::from_secs(10);
    assert_eq!(tokio::time::timeout(patience, read).await, Ok(7));
}
