//! One connection of a fleet: connecting, the handshake, bytes in and out.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Instant;

use anyhow::{Context, Result};
use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads the room at `room` (position in the fleet); `reader` in the books.
    Reader {
        /// Position of the room.
        room: usize,
        /// Number in the books.
        reader: usize,
    },
    /// Posts.
    Writer,
}

/// How far a connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// TCP is not connected yet.
    Connecting,
    /// The upgrade is asked for.
    Upgrading,
    /// Upgraded, not yet ready or subscribed.
    Opening,
    /// Ready (writers), subscribed (readers).
    Open,
    /// Gone.
    Closed,
}

/// One connection.
pub struct Peer {
    pub stream: TcpStream,
    pub phase: Phase,
    pub role: Role,
    pub started: Instant,
    /// The first bytes to say, once connected.
    pub hello: Vec<u8>,
    /// The beginning of what is not all there yet.
    pub inbuf: Vec<u8>,
    /// What the kernel would not take yet.
    pub outbuf: Vec<u8>,
}

/// Starts connecting to `to`, from `source` when given, and does not wait.
pub fn connect(to: SocketAddr, source: Option<Ipv4Addr>) -> Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(to).context("cannot connect");
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .context("cannot open a socket; raise the limit of open files (ulimit -n)")?;
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))
        .with_context(|| format!("no port left on {source}"))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error).with_context(|| format!("cannot connect to {to}")),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}

impl Peer {
    /// Reads once into `scratch`; `None` when there is nothing, 0 at the end.
    pub fn read(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(scratch) {
                Ok(n) => return Ok(Some(n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Sends `bytes`, keeping what the kernel does not take.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.outbuf.is_empty() {
            let sent = write_some(&mut self.stream, bytes)?;
            self.outbuf
                .extend_from_slice(bytes.get(sent..).unwrap_or_default());
        } else {
            self.outbuf.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Sends what was kept.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.outbuf.is_empty() {
            let sent = write_some(&mut self.stream, &self.outbuf)?;
            self.outbuf.drain(..sent);
        }
        Ok(())
    }
}

/// Writes until done or blocked and returns how much went out.
pub fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(sent)
}
