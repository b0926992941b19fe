//! SQLite against the list of cases, each in a file of its own and as a test of its own.

#![allow(clippy::unwrap_used, reason = "test helpers outside #[test] functions")]

use std::sync::Arc;

use store::Store;
use store::sqlite::{SqliteOptions, SqliteStore};

fn run(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.sqlite3");
    let case = store::conformance::cases()
        .into_iter()
        .find(|case| case.name == name)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        (case.run)(Arc::clone(&store)).await;
        store.close().await;
    });
}

macro_rules! tests {
    ($($feature:ident { $($case:ident)+ })+) => {
        $(mod $feature {
            $(#[test]
            fn $case() {
                super::run(concat!(stringify!($feature), "::", stringify!($case)));
            })+
        })+
    };
}

store::conformance_cases!(tests);

#[test]
fn there_are_enough_cases_and_no_two_share_a_name() {
    let cases = store::conformance::cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 80, "{} cases", cases.len());
}
