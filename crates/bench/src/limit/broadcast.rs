//! A bare epoll broadcaster: the same bytes to the same number of sockets.
//!
//! One thread, one `send` per socket and message, no HTTP, no handshake, no check, no
//! storage. It runs as a process of its own, so that its CPU time is counted as the
//! server's is. It is *not* the fastest possible: it does not gather messages, which is
//! exactly what a good server does under load.
//!
//! The protocol: a reader says `R` and its room (4 bytes, big-endian), a writer `W` and
//! four bytes. A writer then sends room, length, bytes; the bytes go out as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::fleet::write_some;
use crate::frames::put_text;

const LISTENER: Token = Token(usize::MAX);
const HELLO_BYTES: usize = 5;

/// The broadcaster as a child process; it ends when this is dropped.
pub struct Broadcaster {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Broadcaster {
    /// Starts this very executable as a broadcaster.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "--limit-broadcaster"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the broadcaster")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let addr = line
            .trim()
            .strip_prefix("listening on ")
            .and_then(|addr| addr.parse().ok());
        match addr {
            Some(addr) => Ok(Self { child, addr }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                anyhow::bail!("the broadcaster said {line:?} instead of its address")
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's whole life: says where it listens and broadcasts until its standard input
/// ends, so that it never outlives the one who measures.
pub fn run_child() -> Result<()> {
    std::thread::spawn(|| {
        let mut sink = [0; 64];
        while matches!(std::io::stdin().read(&mut sink), Ok(1..)) {}
        std::process::exit(0);
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    serve(listener)
}

enum Role {
    Unknown,
    Reader,
    Writer,
    Gone,
}

struct Connection {
    stream: TcpStream,
    role: Role,
    inbuf: Vec<u8>,
    backlog: Vec<u8>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    /// Readers by room.
    rooms: Vec<Vec<usize>>,
}

/// Broadcasts on `listener` for ever.
pub fn serve(listener: std::net::TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut state = State::default();
    let mut scratch = vec![0; 256 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() != std::io::ErrorKind::Interrupted => return Err(e.into()),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                state.accept(&listener, &poll)?;
                continue;
            }
            let number = event.token().0;
            if event.is_writable() {
                state.flush(number);
            }
            if event.is_readable() {
                state.read(number, &mut scratch);
            }
        }
    }
}

impl State {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<()> {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            poll.registry().register(
                &mut stream,
                Token(self.connections.len()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.connections.push(Connection {
                stream,
                role: Role::Unknown,
                inbuf: Vec::new(),
                backlog: Vec::new(),
            });
        }
        Ok(())
    }

    fn read(&mut self, number: usize, scratch: &mut [u8]) {
        loop {
            let Some(connection) = self.connections.get_mut(number) else {
                return;
            };
            if matches!(connection.role, Role::Gone) {
                return;
            }
            match connection.stream.read(scratch) {
                Ok(n) if n > 0 => {
                    let got = scratch.get(..n).unwrap_or_default();
                    connection.inbuf.extend_from_slice(got);
                    self.obey(number);
                    if n < scratch.len() {
                        return;
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return self.forget(number),
            }
        }
    }

    fn forget(&mut self, number: usize) {
        for room in &mut self.rooms {
            room.retain(|reader| *reader != number);
        }
        if let Some(connection) = self.connections.get_mut(number) {
            connection.role = Role::Gone;
            let _ = connection.stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn obey(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        let mut bytes = std::mem::take(&mut connection.inbuf);
        let mut rest = bytes.as_slice();
        if matches!(connection.role, Role::Unknown)
            && let Some((hello, after)) = rest.split_first_chunk::<HELLO_BYTES>()
        {
            rest = after;
            self.greet(number, *hello);
        }
        while let Some((room, frame, after)) = split_post(rest) {
            self.broadcast(room, frame);
            rest = after;
        }
        let used = bytes.len() - rest.len();
        bytes.drain(..used);
        if let Some(connection) = self.connections.get_mut(number) {
            connection.inbuf = bytes;
        }
    }

    fn greet(&mut self, number: usize, [kind, room @ ..]: [u8; HELLO_BYTES]) {
        let room = u32::from_be_bytes(room) as usize;
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        let mut answer = Vec::new();
        if kind == b'R' {
            connection.role = Role::Reader;
            let text = format!(r#"{{"event":"subscribed","room":{room},"head":0}}"#);
            put_text(&mut answer, text.as_bytes());
            if self.rooms.len() <= room {
                self.rooms.resize_with(room + 1, Vec::new);
            }
            if let Some(readers) = self.rooms.get_mut(room) {
                readers.push(number);
            }
        } else {
            connection.role = Role::Writer;
            put_text(&mut answer, br#"{"event":"ready"}"#);
        }
        connection.send(&answer);
    }

    fn broadcast(&mut self, room: usize, frame: &[u8]) {
        let Some(readers) = self.rooms.get(room) else {
            return;
        };
        for reader in readers {
            if let Some(connection) = self.connections.get_mut(*reader) {
                connection.send(frame);
            }
        }
    }

    fn flush(&mut self, number: usize) {
        if let Some(connection) = self.connections.get_mut(number)
            && !connection.backlog.is_empty()
        {
            let backlog = std::mem::take(&mut connection.backlog);
            connection.send(&backlog);
        }
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8]) {
        if !self.backlog.is_empty() {
            self.backlog.extend_from_slice(bytes);
            return;
        }
        // A broken connection is noticed by the next read.
        let sent = write_some(&mut self.stream, bytes).unwrap_or(bytes.len());
        self.backlog
            .extend_from_slice(bytes.get(sent..).unwrap_or_default());
    }
}

/// The first post in `bytes`: room, frame, what follows.
fn split_post(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let (room, rest) = bytes.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (frame, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    Some((u32::from_be_bytes(*room) as usize, frame, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{Dialect, Door, Drive, Fleet, Until};

    fn fleet(rooms: u64) -> Fleet {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(listener));
        let door = Door {
            addr,
            source: Some([127, 0, 0, 9].into()),
            dialect: Dialect::Limit { payload_bytes: 400 },
        };
        Fleet::new(door, (0..rooms).collect()).unwrap()
    }

    #[test]
    fn every_reader_of_a_room_gets_every_post_once_and_in_order() {
        let mut fleet = fleet(3);
        let readers = (0..30).map(|n| (String::new(), n % 3));
        fleet.connect(readers, [String::new()].into_iter()).unwrap();
        let mut posts = 0;
        let driven = fleet
            .drive(&mut Drive {
                writers: 8,
                for_time: Duration::from_millis(200),
                until: Until::Seen,
                spins: false,
                next: &mut |_| {
                    posts += 1;
                    (posts % 3, String::new())
                },
            })
            .unwrap();
        assert!(driven.posts > 8);
        assert_eq!(driven.posts, posts as u64);
        assert_eq!(driven.deliveries, driven.posts * 10);
        assert_eq!(driven.seen.len() as u64, driven.posts);
        let finished = fleet.finish();
        assert!(finished.integrity.is_clean(), "{:?}", finished.integrity);
        assert_eq!(finished.integrity.errors, 0);
        assert_eq!(finished.payload_bytes, 400);
    }

    #[test]
    fn posts_are_split_only_when_complete() {
        let bytes = b"\0\0\0\x02\0\0\0\x03abc\0\0";
        assert_eq!(split_post(bytes), Some((2, &b"abc"[..], &b"\0\0"[..])));
        for cut in 0..11 {
            assert_eq!(split_post(&bytes[..cut]), None, "{cut}");
        }
    }
}
