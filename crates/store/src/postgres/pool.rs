//! Connections and how long anybody waits for one.
//!
//! What a newcomer would get wrong: a stalled server accepts connections and answers
//! nothing, so every wait has a limit of its own, and a connection that let somebody wait
//! too long is thrown away with whatever is still under way on it.

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::{Config, NoTls};

use super::rows::error_from;
use crate::{Result, StoreError};

/// Connections of a node that was not told otherwise.
pub(super) const DEFAULT_CONNECTIONS: usize = 8;
/// How long an operation may take, with everything it waits for. Below the five seconds
/// within which a request must be answered.
pub(super) const PATIENCE: Duration = Duration::from_millis(4_000);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_millis(2_000);

/// What every connection is told. `statement_timeout` ends what nobody waits for any more.
/// An idle transaction is one whose node has died without closing its connection.
/// `synchronous_commit` makes an acknowledgement true after a power cut, whatever the
/// server's default. Statements run for a
/// millisecond: compiling them to machine code would take longer.
const SESSION: &str = "-c statement_timeout=4000 -c lock_timeout=4000 \
    -c idle_in_transaction_session_timeout=10000 -c synchronous_commit=on \
    -c default_transaction_isolation=read\\ committed -c client_min_messages=warning -c jit=off";

/// A pool of at most `connections`; connects when somebody asks.
pub(super) fn open(url: &str, connections: usize) -> Result<Pool> {
    let mut config = Config::from_str(url).map_err(|error| {
        StoreError::Unavailable(format!(
            "the database's address cannot be read ({error}); write it as \
             postgresql://user:password@host/database"
        ))
    })?;
    let options = match config.get_options() {
        Some(own) => format!("{SESSION} {own}"),
        None => SESSION.to_owned(),
    };
    config
        .options(options)
        .connect_timeout(CONNECT)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(Duration::from_secs(10));
    if config.get_application_name().is_none() {
        config.application_name("parlour");
    }
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(config, NoTls, recycling))
        .max_size(connections.max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(CONNECT))
        .build()
        .map_err(|error| StoreError::Internal(Box::new(error)))
}

/// A connection, when one is free.
pub(super) async fn get(pool: &Pool) -> Result<Object> {
    pool.get().await.map_err(|error| match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::Unavailable("all connections to the database are in use".into())
        }
        PoolError::Timeout(_) => {
            StoreError::Unavailable("the database does not answer connections".into())
        }
        PoolError::Closed => closed(),
        // Whatever keeps us from connecting is for the operator to mend, not for a caller.
        PoolError::Backend(error) => match error_from(error) {
            StoreError::Internal(error) => StoreError::Unavailable(error.to_string()),
            other => other,
        },
        other => StoreError::Internal(Box::new(other)),
    })
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the database is closed".into())
}
