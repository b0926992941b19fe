//! The HTTP server: our own accept loop over hyper's HTTP/1.
//!
//! `axum::serve` has no timeouts, no bound on connections and no answer to running out of
//! descriptors; those are what this file is for. What a request means is [`crate::gate`]'s
//! and the routes' business. Sockets leave this server after their upgrade, so a
//! connection here is a browser between two requests, never a reader.

mod io;

use std::convert::Infallible;
use std::io as stdio;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use io::Io;

use crate::gate::Gate;
use crate::state::App;

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// First and longest pause after a failed accept.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Opens a listening socket with a queue long enough for everybody coming back at once.
///
/// # Errors
/// When the address is taken or not ours.
pub fn listen(address: SocketAddr) -> stdio::Result<StdListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    // A restart must not wait for the last connections of the one before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until `stop` and until the requests in flight are finished or `Bounds::drain` is
/// over. Sockets that were handed to the live path are not waited for.
///
/// # Errors
/// When the listener cannot be used at all.
pub async fn serve(listener: StdListener, app: App, stop: CancellationToken) -> stdio::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let bounds = app.settings.bounds.clone();
    let server = Arc::new(Server {
        permits: Arc::new(Semaphore::new(bounds.max_connections)),
        gate: Gate::new(app),
        http: http1(&bounds),
        stop: stop.clone(),
        cut: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    accept_until_stopped(&listener, &server, &connections).await;
    // New connections are refused from here on; a proxy turns to another node.
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.drain, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            "{} connections were cut: their requests took too long",
            connections.len()
        );
        server.cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

struct Server {
    permits: Arc<Semaphore>,
    gate: Gate,
    http: hyper::server::conn::http1::Builder,
    stop: CancellationToken,
    cut: CancellationToken,
}

fn http1(bounds: &crate::settings::Bounds) -> hyper::server::conn::http1::Builder {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.header_read_timeout(bounds.header_timeout)
        .max_header_size(bounds.max_header_bytes)
        // The same buffer takes the beginning of a body, so it is more than a head's limit.
        .max_buf_size((bounds.max_header_bytes * 4).max(64 * 1024))
        .half_close(false);
    http
}

async fn accept_until_stopped(
    listener: &TcpListener,
    server: &Arc<Server>,
    connections: &TaskTracker,
) {
    let mut pause = PAUSE.0;
    loop {
        // Taken before accepting: above the bound, connections wait in the kernel's queue.
        let permit = tokio::select! {
            () = server.stop.cancelled() => return,
            permit = Arc::clone(&server.permits).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            () = server.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE.0;
                let server = Arc::clone(server);
                connections.spawn(async move {
                    converse(&server, stream, peer).await;
                    drop(permit);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: the queue stays readable, so going on at
                // once would spin. Others' requests free some.
                tracing::warn!("cannot accept connections: {error}; trying again in {pause:?}");
                tokio::select! {
                    () = server.stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

/// Whether only this one connection is broken.
fn is_of_one_connection(error: &stdio::Error) -> bool {
    matches!(
        error.kind(),
        stdio::ErrorKind::ConnectionAborted
            | stdio::ErrorKind::ConnectionReset
            | stdio::ErrorKind::ConnectionRefused
            | stdio::ErrorKind::Interrupted
    )
}

/// One connection from its first byte to its end or upgrade.
async fn converse(server: &Arc<Server>, stream: TcpStream, peer: SocketAddr) {
    // Small answers must not wait for the peer's acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection ended at once: {error}");
        return;
    }
    let bounds = &server.gate.app().settings.bounds;
    let (io, timer) = Io::new(stream, bounds);
    let gate = &server.gate;
    let service = service_fn(move |request: hyper::Request<Incoming>| async move {
        Ok::<_, Infallible>(gate.answer(request, peer.ip()).await)
    });
    let mut http = server.http.clone();
    let connection = http
        .timer(timer)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = server.stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = server.cut.cancelled() => return,
        }
    };
    if let Err(error) = ended {
        // Peers hang up in the middle of everything; that is their right.
        tracing::debug!("a connection broke: {error}");
    }
}
