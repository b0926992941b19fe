//! PostgreSQL against the same list of cases as SQLite, each in a schema of its own.

#![allow(clippy::unwrap_used, reason = "test helpers outside #[test] functions")]

mod support;

use std::sync::Arc;

use store::Store;
use store::postgres::{PostgresOptions, PostgresStore};

fn run(name: &str) {
    let url = support::Cluster::shared().fresh();
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
        let store: Arc<dyn Store> = PostgresStore::open(&url, PostgresOptions::default())
            .await
            .unwrap();
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
