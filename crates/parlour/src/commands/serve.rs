//! `parlour serve`: from an empty folder to `listening on …`, and back down in order.
//!
//! Start: folder, lock, port, key and database, live path, application, web. The port is
//! taken before the database is opened, so that a wrong address is told at once and
//! connections of an impatient proxy wait in the kernel instead of being refused.
//! Stop: no new requests, sockets told to come back, requests in flight finished, database
//! flushed and closed.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chat::Chat;
use live::Live;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::Store;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::make_data_dir;
use crate::config::Config;
use crate::secret::Secret;
use crate::{lock, logging, signals, wiring};

/// Descriptors worth asking for: more sockets than one machine has memory for.
const WANTED_FILES: u64 = 1_048_576;
/// Sockets are closed within this time, so that not everybody comes back at once.
const LONGEST_SPREAD: Duration = Duration::from_secs(5);
/// Sockets closed per second when there are fewer than the spread has room for.
const CLOSES_PER_S: u64 = 2_000;
/// Requests in flight and the last flush get this long; what is left is cut.
const DRAIN: Duration = Duration::from_secs(8);
/// What the application has begun and nobody waits for any more.
const LAST_TASKS: Duration = Duration::from_millis(1_500);

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    make_data_dir(config)?;
    let _lock = lock::take(&config.data_dir, &config.sqlite_file())?;
    let listener = bind(config.listen)?;
    raise_file_limit();
    let secret = wiring::secret(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(wiring::cores())
        .max_blocking_threads(16)
        .thread_name("parlour-tokio")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let outcome = runtime.block_on(serve(config, listener, &secret, started));
    // A task that hangs must not hold the process; everything durable is on the disk.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    config: &Config,
    listener: TcpListener,
    secret: &Secret,
    started: Instant,
) -> anyhow::Result<()> {
    let stop = signals::listen().context("cannot listen for signals")?;
    let address = listener
        .local_addr()
        .context("cannot read the listening address")?;
    let running = tokio::select! {
        running = Running::start(config, address, secret) => running?,
        () = stop.cancelled() => {
            info!("stopped before it was ready");
            return Ok(());
        }
    };
    let closing = CancellationToken::new();
    let app = running.app.clone();
    let mut serving = tokio::spawn(web::serve(listener, app, closing.clone()));
    announce(address)?;
    let ready_ms = started.elapsed().as_millis();
    info!(duration_ms = %ready_ms, "ready on http://{address}");
    running.say_setup_code().await;
    tokio::select! {
        () = stop.cancelled() => {}
        ended = &mut serving => {
            // The accept loop ends by itself only when it cannot go on.
            running.close().await;
            return match ended {
                Ok(Ok(())) => bail!("the server stopped by itself"),
                Ok(Err(error)) => Err(error).context("the server stopped"),
                Err(error) => Err(error).context("the server stopped by a bug"),
            };
        }
    }
    let began = Instant::now();
    closing.cancel();
    let spread = spread(running.live.connections());
    let live = running.live.clone();
    // Sockets and requests go down side by side; both are bounded.
    let (drained, ()) = tokio::join!(tokio::time::timeout(DRAIN, serving), live.stop(spread));
    if drained.is_err() {
        warn!("some requests were still running and are cut off");
    }
    running.close().await;
    let duration_ms = began.elapsed().as_millis();
    info!(duration_ms = %duration_ms, panics = logging::panics(), "stopped");
    Ok(())
}

/// The parts of a serving process.
struct Running {
    store: Arc<dyn Store>,
    live: Live,
    chat: Arc<Chat>,
    app: web::App,
}

impl Running {
    async fn start(config: &Config, address: SocketAddr, secret: &Secret) -> anyhow::Result<Self> {
        let file = config.sqlite_file();
        let store: Arc<dyn Store> = tokio::task::spawn_blocking(move || wiring::open_store(&file))
            .await
            .context("opening the database failed")??;
        let live = Live::start(
            wiring::live_config(config),
            Arc::clone(&store),
            web::renderer(),
        )
        .await
        .context("cannot start the live path")?;
        let chat_settings = wiring::chat_settings(config, secret);
        let chat = Chat::start(
            Arc::clone(&store),
            live.clone(),
            wiring::env(),
            chat_settings,
        );
        let settings = wiring::web_settings(config, address)?;
        let app = web::App::new(Arc::clone(&chat), live.clone(), settings);
        live.set_inbound(web::inbound(&app));
        Ok(Self {
            store,
            live,
            chat,
            app,
        })
    }

    /// On the first start, says how to make the owner.
    async fn say_setup_code(&self) {
        match self.chat.is_set_up().await {
            Ok(true) => {}
            Ok(false) => match self.chat.setup_code() {
                Some(code) => info!("no owner yet: open /setup and enter the code {code}"),
                None => info!("no owner yet: open /setup in a browser"),
            },
            Err(error) => warn!("cannot tell whether there is an owner: {error}"),
        }
    }

    async fn close(self) {
        if tokio::time::timeout(LAST_TASKS, self.chat.stop())
            .await
            .is_err()
        {
            warn!("some background work did not end and is cut off");
        }
        self.store.close().await;
    }
}

/// Takes the port.
fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    web::listen(address).map_err(|error| {
        let way_out = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; another program has it, choose another --listen",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a right for that",
            std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        anyhow::anyhow!("cannot listen on {address}: {error}{way_out}")
    })
}

/// The one line on standard output, for people and for scripts that wait for it.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "listening on http://{address}").and_then(|()| out.flush()) {
        // Nobody reads it, for example under `parlour | head -0`; serving goes on.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Every connection is a descriptor, and the usual limit of 1,024 is a trap.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.unwrap_or(WANTED_FILES).min(WANTED_FILES);
    if limit.current.is_some_and(|current| current >= highest) {
        return;
    }
    let wanted = Rlimit {
        current: Some(highest),
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        warn!(
            "the limit of open files stays at {:?}: {error}",
            limit.current
        );
    }
}

/// How long the closing of so many sockets takes.
fn spread(connections: usize) -> Duration {
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    Duration::from_millis(connections.saturating_mul(1000) / CLOSES_PER_S).min(LONGEST_SPREAD)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST_SPREAD, bind, spread};

    #[test]
    fn fewer_sockets_close_faster() {
        assert_eq!(spread(0), Duration::ZERO);
        assert!(spread(10) <= Duration::from_millis(10));
        assert_eq!(spread(2_000), Duration::from_secs(1));
        assert_eq!(spread(1_000_000), LONGEST_SPREAD);
    }

    #[test]
    fn a_taken_port_is_refused_with_a_way_out() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refusal = bind(first.local_addr().unwrap()).unwrap_err().to_string();
        assert!(refusal.contains("--listen"), "{refusal}");
    }
}
