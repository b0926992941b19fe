//! A connection during one operation: its statements, its transaction, its end.
//!
//! What a newcomer would get wrong: futures of one transaction that are polled together
//! leave together and are answered in their order. That saves trips, but only statements
//! compiled before keep the order in which they are written.

use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::Object;
use futures_util::future::{FutureExt, join};
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql};

use super::retry::{Again, Kind};
use super::rows::{SEEN_NEXT_TIME, error_from};
use crate::{Result, StoreError};

/// Whether the transaction that met this error deserves another attempt.
fn again_after(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else {
        return false;
    };
    *db.code() == SqlState::T_R_SERIALIZATION_FAILURE
        || *db.code() == SqlState::T_R_DEADLOCK_DETECTED
        || SEEN_NEXT_TIME
            .iter()
            .any(|name| db.constraint() == Some(name))
}

/// A connection during one operation. The transaction, if the operation needs one, begins
/// with its first statement, on the same way to the server.
pub(super) struct Tx {
    client: Object,
    kind: Kind,
    has_begun: AtomicBool,
    is_undone: AtomicBool,
    is_broken: AtomicBool,
    is_commit_sent: AtomicBool,
    has_failed: AtomicBool,
}

impl Tx {
    pub(super) fn new(client: Object, kind: Kind) -> Self {
        Self {
            client,
            kind,
            has_begun: AtomicBool::new(false),
            is_undone: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            is_commit_sent: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Commits what succeeded, undoes what did not.
    pub(super) async fn end<T>(&self, outcome: Result<T>) -> Result<T> {
        if !self.has_begun.load(Ordering::Relaxed) {
            return outcome;
        }
        if self.kind == Kind::Snapshot {
            // Sent, and no answer waited for: there is nothing it could tell.
            let _ = self.client.batch_execute("rollback").now_or_never();
            return outcome;
        }
        let sql = match outcome {
            Ok(_) => {
                self.is_commit_sent.store(true, Ordering::Relaxed);
                "commit"
            }
            Err(_) => "rollback",
        };
        match self.client.batch_execute(sql).await {
            Ok(()) => outcome,
            Err(error) => outcome.and_then(|_| Err(self.failed(error, true))),
        }
    }

    /// What the outcome's error says about another attempt.
    pub(super) fn again(&self) -> Again {
        let may_have_happened =
            self.kind.writes_at_once() || self.is_commit_sent.load(Ordering::Relaxed);
        if self.is_broken() && !may_have_happened {
            Again::Lost
        } else if self.is_undone.load(Ordering::Relaxed) {
            Again::Undone
        } else {
            Again::No
        }
    }

    /// Whether the connection is of no use to anybody.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed) || self.client.is_closed()
    }

    /// Closes the connection, with whatever is under way on it.
    pub(super) fn discard(self) {
        drop(Object::take(self.client));
    }

    /// The statement, compiled once per connection.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Statement> {
        self.client
            .prepare_cached(sql)
            .await
            .map_err(|error| self.failed(error, false))
    }

    /// Rows of a prepared statement. Of several, polled in order, each leaves without
    /// waiting for the others' answers.
    pub(super) async fn rows(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>> {
        let queried = match self.first() {
            Some(begin) => {
                let (begun, queried) = join(
                    self.client.batch_execute(begin),
                    self.client.query(statement, params),
                )
                .await;
                begun.and(queried)
            }
            None => self.client.query(statement, params).await,
        };
        queried.map_err(|error| self.failed(error, false))
    }

    /// Sends `commit` without asking whether what was sent before succeeded: the caller
    /// does. A transaction that has failed at the server is undone by it; what could not
    /// even be sent is known here.
    pub(super) async fn commit_unseen(&self) -> Result<()> {
        self.has_begun.store(false, Ordering::Relaxed);
        let sql = if self.has_failed.load(Ordering::Relaxed) {
            "rollback"
        } else {
            self.is_commit_sent.store(true, Ordering::Relaxed);
            "commit"
        };
        self.client
            .batch_execute(sql)
            .await
            .map_err(|error| self.failed(error, true))
    }

    fn failed(&self, error: tokio_postgres::Error, is_commit: bool) -> StoreError {
        self.has_failed.store(true, Ordering::Relaxed);
        // The operator's intervention and a crash of another backend end the session.
        let is_ended = error
            .as_db_error()
            .is_none_or(|db| db.code().code().starts_with("57P"));
        if is_ended {
            self.is_broken.store(true, Ordering::Relaxed);
        } else if again_after(&error) && !is_commit {
            self.is_undone.store(true, Ordering::Relaxed);
        }
        error_from(error)
    }

    /// The one row; `NotFound` when there is none.
    pub(super) async fn one<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        self.maybe(sql, params, read)
            .await?
            .ok_or(StoreError::NotFound)
    }

    /// The one row, if there is one.
    pub(super) async fn maybe<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Option<T>> {
        let statement = self.prepared(sql).await?;
        let rows = self.rows(&statement, &params.list()).await?;
        rows.first().map(|row| read(&Row(row))).transpose()
    }

    /// All rows.
    pub(super) async fn all<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        let statement = self.prepared(sql).await?;
        let rows = self.rows(&statement, &params.list()).await?;
        read_all(&rows, read)
    }

    /// Changes rows; how many.
    pub(super) async fn change<P: Params>(&self, sql: &str, params: P) -> Result<u64> {
        let statement = self.prepared(sql).await?;
        let params = params.list();
        let changed = match self.first() {
            Some(begin) => {
                let (begun, changed) = join(
                    self.client.batch_execute(begin),
                    self.client.execute(&statement, &params),
                )
                .await;
                begun.and(changed)
            }
            None => self.client.execute(&statement, &params).await,
        };
        changed.map_err(|error| self.failed(error, false))
    }

    /// What begins the transaction, before its first statement.
    fn first(&self) -> Option<&'static str> {
        let begin = self.kind.begin()?;
        let is_first = !self.has_begun.swap(true, Ordering::Relaxed);
        is_first.then_some(begin)
    }
}

/// Reads each of `rows`.
pub(super) fn read_all<T>(
    rows: &[tokio_postgres::Row],
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    rows.iter().map(|row| read(&Row(row))).collect()
}

/// Parameters of a statement: `()`, an array or a tuple.
pub(super) trait Params: Send + Sync {
    /// In the order of `$1`, `$2` …
    fn list(&self) -> Vec<&(dyn ToSql + Sync)>;
}

impl<T: ToSql + Sync + Send, const N: usize> Params for [T; N] {
    fn list(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.iter().map(|value| value as _).collect()
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {
        $(impl<$($name: ToSql + Sync + Send),+> Params for ($($name,)+) {
            fn list(&self) -> Vec<&(dyn ToSql + Sync)> {
                #[allow(non_snake_case, reason = "one name for type and value")]
                let ($($name,)+) = self;
                vec![$($name),+]
            }
        })+
    };
}

tuples! {
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
    A B C D E F G H I J K L M;
    A B C D E F G H I J K L M N;
    A B C D E F G H I J K L M N O;
}

/// No parameters, as `[]` would have no type.
pub(super) const NONE: [i64; 0] = [];

/// A row, read by position.
pub(super) struct Row<'r>(pub(super) &'r tokio_postgres::Row);

impl<'r> Row<'r> {
    /// The value at `column`; `Corrupt` when it is of another kind.
    pub(super) fn get<T: FromSql<'r>>(&self, column: usize) -> Result<T> {
        self.0
            .try_get(column)
            .map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}
