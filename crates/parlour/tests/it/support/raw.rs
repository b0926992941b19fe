//! Bytes by hand: for what no well-behaved library can send.
//!
//! [`Wire`] is a connection; [`frame`] builds one WebSocket frame with any fault in it.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Client, DEADLINE};

/// Continuation.
pub const CONTINUATION: u8 = 0x0;
/// Text.
pub const TEXT: u8 = 0x1;
/// Binary.
pub const BINARY: u8 = 0x2;
/// Close.
pub const CLOSE: u8 = 0x8;
/// Ping.
pub const PING: u8 = 0x9;
/// Pong.
pub const PONG: u8 = 0xa;
/// The bit that ends a message.
pub const FIN: u8 = 0x80;
/// The bit of permessage-deflate.
pub const RSV1: u8 = 0x40;

/// A bare connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, RSV bits and opcode.
    pub head: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The opcode alone.
    pub fn opcode(&self) -> u8 {
        self.head & 0x0f
    }

    /// The code of a close frame; 1005 when it has none.
    pub fn close_code(&self) -> u16 {
        match self.payload.as_slice() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 1005,
        }
    }
}

impl Wire {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Connects and upgrades; `extra` are header lines such as `origin: …\r\n`.
    pub async fn upgrade(client: &Client, path: &str, extra: &str) -> Self {
        let mut wire = Self::connect(client.address()).await;
        let head = wire.handshake(client, path, extra).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        wire
    }

    /// Sends the handshake and returns the head of the answer.
    pub async fn handshake(&mut self, client: &Client, path: &str, extra: &str) -> String {
        let key = STANDARD.encode([7; 16]);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n{extra}",
            client.address()
        );
        for (name, value) in client.credentials() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(request.as_bytes()).await;
        let head = self.head().await;
        if head.starts_with("HTTP/1.1 101") {
            let accept = STANDARD.encode(Sha1::digest(format!(
                "{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            )));
            assert!(
                head.contains(&accept),
                "the handshake's proof is missing: {head}"
            );
        }
        head
    }

    /// Sends bytes; a peer that has closed is no failure here.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Half of a connection's end: nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads up to the end of an HTTP head.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let rest = self.buffer.split_off(at + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(&head).into_owned();
            }
            if !self.fill().await {
                return String::from_utf8_lossy(&self.buffer).into_owned();
            }
        }
    }

    /// Everything until the peer closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Waits for the peer to close, however long that takes.
    pub async fn closed(&mut self) {
        let mut chunk = vec![0; 4096];
        while !matches!(self.stream.read(&mut chunk).await, Ok(0) | Err(_)) {}
    }

    /// The next frame; `None` when the peer has closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, used)) = parse(&self.buffer) {
                self.buffer.drain(..used);
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame that is no ping.
    pub async fn answer(&mut self) -> Option<Frame> {
        loop {
            match self.frame().await {
                Some(frame) if frame.opcode() == PING => {}
                other => return other,
            }
        }
    }

    /// Reads on to the end and returns the close code; 1006 when there was no close frame.
    pub async fn close_code(&mut self) -> u16 {
        let mut code = 1006;
        while let Some(frame) = self.frame().await {
            if frame.opcode() == CLOSE {
                code = frame.close_code();
                self.send(&self::frame(FIN | CLOSE, &frame.payload)).await;
                // After a fault the peer cannot read our echo; the end it can see.
                self.finish().await;
            }
        }
        code
    }

    async fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 16 * 1024];
        let reading = self.stream.read(&mut chunk);
        match tokio::time::timeout(DEADLINE, reading)
            .await
            .expect("the peer says something in time")
        {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (head, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (length, start) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
            4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize,
            10,
        ),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((Frame { head, payload }, start + length))
}

/// A masked frame with the shortest length.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The payload of a close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}
