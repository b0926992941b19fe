//! A connection's bytes, with the two clocks hyper lacks: a head must come within seconds
//! of its first byte while a quiet connection may stay for a minute, and a peer that takes
//! nothing of an answer is gone.
//!
//! hyper starts its header clock when it begins to wait, so with the plain one a quiet
//! keep-alive connection would end after the time meant for slow heads.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::settings::Bounds;

/// A connection's bytes under hyper.
pub(crate) struct Io {
    inner: TokioIo<TcpStream>,
    arrivals: Arc<AtomicU64>,
    write_stall: Duration,
    stalled: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Io {
    /// Wraps a connection; the timer is for hyper's builder.
    pub(crate) fn new(stream: TcpStream, bounds: &Bounds) -> (Self, HeadTimer) {
        let arrivals = Arc::new(AtomicU64::new(0));
        let io = Self {
            inner: TokioIo::new(stream),
            arrivals: Arc::clone(&arrivals),
            write_stall: bounds.write_stall,
            stalled: None,
        };
        let timer = HeadTimer {
            arrivals,
            head: bounds.header_timeout,
            idle: bounds.idle_timeout,
        };
        (io, timer)
    }

    /// The bare connection, for whoever takes it over after an upgrade.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.inner.into_inner()
    }

    /// Ends a write that the peer has not moved for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let limit = self.write_stall;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if result.is_ready() {
            self.arrivals.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, result)
    }
}

/// hyper's clock for one connection. hyper uses it for heads alone.
#[derive(Clone, Debug)]
pub(crate) struct HeadTimer {
    arrivals: Arc<AtomicU64>,
    head: Duration,
    idle: Duration,
}

impl HeadTimer {
    fn wait(&self) -> HeadWait {
        let arrivals_before = self.arrivals.load(Ordering::Relaxed);
        // The first request must come soon; later ones may be a person's next click.
        let is_first = arrivals_before == 0;
        let limit = if is_first { self.head } else { self.idle };
        HeadWait {
            sleep: Box::pin(tokio::time::sleep(limit)),
            arrivals: Arc::clone(&self.arrivals),
            arrivals_before,
            head: self.head,
            has_begun: is_first,
        }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.wait())
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.wait())
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, _: Instant) {
        *sleep = Box::pin(self.wait());
    }
}

/// Waits for a head: long while nothing comes, briefly once it began.
struct HeadWait {
    sleep: Pin<Box<tokio::time::Sleep>>,
    arrivals: Arc<AtomicU64>,
    arrivals_before: u64,
    head: Duration,
    has_begun: bool,
}

impl Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.arrivals.load(Ordering::Relaxed) != self.arrivals_before {
            self.has_begun = true;
            let deadline = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}
