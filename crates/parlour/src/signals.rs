//! What the process does when it is told to stop.
//!
//! SIGTERM and SIGINT begin a graceful stop; a second one ends the process at once (every
//! acknowledged message is on the disk already). SIGHUP is ignored: a lost terminal must
//! not end a server. A watchdog ends what does not end by itself.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A stop that takes longer is ended from outside; a container platform waits about as long.
const HARD_LIMIT: Duration = Duration::from_secs(30);

/// Listens for signals from now on; the token is cancelled by the first.
///
/// # Errors
/// When the system takes no signal handler.
pub fn listen() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Registered and never read: that is what ignoring means to the kernel's default.
    let hangup = signal(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let _hangup = hangup;
        let name = first_of(&mut terminate, &mut interrupt).await;
        info!(signal = name, "stopping: told to by {name}");
        start_watchdog();
        token.cancel();
        let name = first_of(&mut terminate, &mut interrupt).await;
        warn!(signal = name, "stopping at once: told to again by {name}");
        std::process::exit(1);
    });
    Ok(stop)
}

async fn first_of(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// A thread and no task: it must work when the runtime does not.
fn start_watchdog() {
    let watchdog = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(|| {
            std::thread::sleep(HARD_LIMIT);
            tracing::error!(
                "the stop took over {} s and is cut short",
                HARD_LIMIT.as_secs()
            );
            std::process::exit(1);
        });
    if let Err(error) = watchdog {
        warn!("the stop has no time limit: {error}");
    }
}
