//! As much HTTP/1.1 as a load tester needs: one blocking client for setting up, one epoll
//! loop for load.
//!
//! Answers must have a length or be chunked; a connection is kept and used again. Nothing is
//! decompressed: what is measured is that the server sends it.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};

use crate::fleet::write_some;
use crate::stats::Latencies;

/// An answer, borrowed from the read buffer where possible.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'b> {
    /// The status code.
    pub status: u16,
    /// Status line and header lines.
    pub head: Cow<'b, str>,
    /// The body, chunks joined.
    pub body: Cow<'b, [u8]>,
}

impl Answer<'_> {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Every header of that name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        header_lines(&self.head)
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.excerpt()))
    }

    /// Status and beginning of the body, for errors.
    pub fn excerpt(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(300).collect();
        format!("{} {body}", self.status)
    }

    fn into_owned(self) -> Answer<'static> {
        Answer {
            status: self.status,
            head: Cow::Owned(self.head.into_owned()),
            body: Cow::Owned(self.body.into_owned()),
        }
    }
}

fn header_lines(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    header_lines(head)
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The first answer in `bytes` and its length; `None` when it is not all there.
pub fn parse_answer(bytes: &[u8]) -> Result<Option<(Answer<'_>, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end + 4);
    let head = std::str::from_utf8(head).context("the answer's head is not text")?;
    let status: u16 = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|line| line.get(..3))
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("not HTTP: {head}"))?;
    let (body, used) = if status == 304 || status == 204 || status < 200 {
        (Cow::Borrowed(&[][..]), 0)
    } else if let Some(len) = header(head, "content-length") {
        let len: usize = len.parse().context("a content length that is no number")?;
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        (Cow::Borrowed(body), len)
    } else if header(head, "transfer-encoding").is_some() {
        match parse_chunks(rest)? {
            Some((body, used)) => (Cow::Owned(body), used),
            None => return Ok(None),
        }
    } else {
        bail!("an answer without a length: {head}");
    };
    let answer = Answer {
        status,
        head: Cow::Borrowed(head),
        body,
    };
    Ok(Some((answer, end + 4 + used)))
}

fn parse_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else {
            return Ok(None);
        };
        let (size, after) = rest.split_at(end);
        let size = std::str::from_utf8(size).context("a chunk size that is no text")?;
        let len =
            usize::from_str_radix(size.trim(), 16).context("a chunk size that is no number")?;
        let Some(chunk) = after.get(2..2 + len) else {
            return Ok(None);
        };
        let Some(next) = after.get(2 + len + 2..) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        rest = next;
        if len == 0 {
            return Ok(Some((body, bytes.len() - rest.len())));
        }
    }
}

/// A blocking client on one kept connection.
pub struct Client {
    addr: SocketAddr,
    host: String,
    stream: Option<TcpStream>,
}

impl Client {
    /// For the server at `addr`, which calls itself `host`.
    pub fn new(addr: SocketAddr, host: &str) -> Self {
        Self {
            addr,
            host: host.to_owned(),
            stream: None,
        }
    }

    /// Sends `method path` with header lines (each ending in CRLF) and waits.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<Answer<'static>> {
        let request = request(method, path, &self.host, headers, body);
        let is_fresh = self.stream.is_none();
        match self.exchange(&request) {
            // A kept connection may have been closed meanwhile; nothing was answered yet.
            Err(_) if !is_fresh => {
                self.stream = None;
                self.exchange(&request)
            }
            outcome => outcome,
        }
        .with_context(|| format!("{method} {path}"))
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer<'static>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.addr, Duration::from_secs(5))?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        let mut scratch = vec![0; 64 * 1024];
        loop {
            let n = stream.read(&mut scratch)?;
            if n == 0 {
                bail!("the server closed the connection");
            }
            bytes.extend_from_slice(scratch.get(..n).unwrap_or_default());
            if let Some((answer, _)) = parse_answer(&bytes)? {
                let answer = answer.into_owned();
                if answer.header("connection") != Some("close") {
                    self.stream = Some(stream);
                }
                return Ok(answer);
            }
        }
    }
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, host: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}").into_bytes();
    if !body.is_empty() || method == "POST" {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// A form body.
pub fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut out, b| {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(b as char),
                _ => out.push_str(&format!("%{b:02X}")),
            }
            out
        })
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
        .into_bytes()
}

/// A closed loop over kept connections.
pub struct Load<'a> {
    /// The server.
    pub addr: SocketAddr,
    /// Requests under way at once, each on a connection of its own.
    pub connections: usize,
    /// For how long new requests are made.
    pub for_time: Duration,
    /// The next request of a connection.
    pub request: &'a mut dyn FnMut(usize) -> Vec<u8>,
    /// What to do with its answer.
    pub answer: &'a mut dyn FnMut(usize, &Answer<'_>) -> Result<()>,
}

/// What the loop did.
pub struct Loaded {
    /// Requests answered.
    pub requests: u64,
    /// How long it took, to the last answer.
    pub elapsed: Duration,
    /// From sending to the whole answer.
    pub latencies: Latencies,
}

struct Caller {
    stream: mio::net::TcpStream,
    sent_at: Instant,
    inbuf: Vec<u8>,
    outbuf: Vec<u8>,
    is_busy: bool,
}

impl Load<'_> {
    /// Runs it.
    pub fn run(self) -> Result<Loaded> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(1024);
        let mut callers = self.open(&poll)?;
        let mut scratch = vec![0; 256 * 1024];
        let start = Instant::now();
        let mut done = Loaded {
            requests: 0,
            elapsed: Duration::ZERO,
            latencies: Latencies::default(),
        };
        for (number, caller) in callers.iter_mut().enumerate() {
            caller.ask(&(self.request)(number))?;
        }
        while callers.iter().any(|caller| caller.is_busy) {
            match poll.poll(&mut events, Some(Duration::from_secs(30))) {
                Err(e) if e.kind() != std::io::ErrorKind::Interrupted => return Err(e.into()),
                _ if events.is_empty() => bail!("no answer for 30 s"),
                _ => {}
            }
            let now = Instant::now();
            for event in &events {
                let number = event.token().0;
                let Some(caller) = callers.get_mut(number) else {
                    continue;
                };
                caller.flush()?;
                if !event.is_readable() {
                    continue;
                }
                caller.read(&mut scratch)?;
                let bytes = std::mem::take(&mut caller.inbuf);
                match parse_answer(&bytes)? {
                    Some((answer, _)) => {
                        done.latencies.record(now.duration_since(caller.sent_at));
                        done.requests += 1;
                        (self.answer)(number, &answer)?;
                        caller.is_busy = false;
                        if now.duration_since(start) < self.for_time {
                            caller.ask(&(self.request)(number))?;
                        }
                    }
                    None => caller.inbuf = bytes,
                }
            }
        }
        done.elapsed = start.elapsed();
        Ok(done)
    }

    fn open(&self, poll: &Poll) -> Result<Vec<Caller>> {
        (0..self.connections)
            .map(|number| {
                let stream = TcpStream::connect(self.addr).context("cannot connect")?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let mut stream = mio::net::TcpStream::from_std(stream);
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry()
                    .register(&mut stream, Token(number), interest)?;
                Ok(Caller {
                    stream,
                    sent_at: Instant::now(),
                    inbuf: Vec::new(),
                    outbuf: Vec::new(),
                    is_busy: false,
                })
            })
            .collect()
    }
}

impl Caller {
    fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.sent_at = Instant::now();
        self.is_busy = true;
        self.outbuf.extend_from_slice(request);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if !self.outbuf.is_empty() {
            let sent = write_some(&mut self.stream, &self.outbuf)?;
            self.outbuf.drain(..sent);
        }
        Ok(())
    }

    fn read(&mut self, scratch: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) if self.is_busy => bail!("the server closed a connection without an answer"),
                Ok(0) => return Ok(()),
                Ok(n) => {
                    let got = scratch.get(..n).unwrap_or_default();
                    self.inbuf.extend_from_slice(got);
                    if n < scratch.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_a_length_in_chunks_or_without_a_body() {
        fn check(text: &str, expected: Option<(u16, &str, usize)>) {
            let got = parse_answer(text.as_bytes()).unwrap();
            let got = got
                .as_ref()
                .map(|(a, used)| (a.status, std::str::from_utf8(&a.body).unwrap(), *used));
            assert_eq!(got, expected, "{text:?}");
        }
        let sized = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        check(sized, Some((201, "hello", sized.len())));
        check(
            &format!("{sized}HTTP/1.1"),
            Some((201, "hello", sized.len())),
        );
        check(&sized[..sized.len() - 1], None);
        check("HTTP/1.1 200 OK\r\nContent-", None);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        check(chunked, Some((200, "abc0123456789", chunked.len())));
        check(&chunked[..chunked.len() - 2], None);
        let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n";
        check(not_modified, Some((304, "", not_modified.len())));
        assert!(parse_answer(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let text = b"HTTP/1.1 303 See Other\r\nSET-Cookie: a=1\r\nset-cookie: b=2\r\n\
                     Content-Length: 0\r\n\r\n";
        let (answer, _) = parse_answer(text).unwrap().unwrap();
        assert_eq!(answer.header("set-cookie"), Some("a=1"));
        assert_eq!(
            answer.headers("set-cookie").collect::<Vec<_>>(),
            ["a=1", "b=2"]
        );
        assert_eq!(answer.header("etag"), None);
    }

    #[test]
    fn forms_are_escaped() {
        assert_eq!(
            form(&[("a b", "c&d=é"), ("e", "f")]),
            b"a%20b=c%26d%3D%C3%A9&e=f"
        );
    }

    #[test]
    fn a_closed_loop_counts_every_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(1..) = stream.read(&mut bytes) {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        let mut answers = 0;
        let done = Load {
            addr,
            connections: 3,
            for_time: Duration::from_millis(50),
            request: &mut |_| request("GET", "/", "x", "", b""),
            answer: &mut |_, answer| {
                assert_eq!(&*answer.body, b"ok");
                answers += 1;
                Ok(())
            },
        }
        .run()
        .unwrap();
        assert!(done.requests >= 3);
        assert_eq!(done.requests, answers);
        assert_eq!(done.latencies.len() as u64, answers);
    }
}
