//! What happens on the sockets: one turn of the epoll loop, bytes to frames to the books.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::Events;

use super::heard::Heard;
use super::ledger::Receipt;
use super::peer::{Phase, Role};
use super::{Dialect, Fleet, Until};
use crate::frames::{Frame, next_frame, put_masked};

impl Fleet {
    /// Waits for at most `timeout` and does what there is to do.
    pub(super) fn turn(&mut self, timeout: Duration) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() != std::io::ErrorKind::Interrupted => return Err(e.into()),
            _ => {}
        }
        self.now = Instant::now();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        for event in &events {
            let number = event.token().0;
            if event.is_writable() {
                self.writable(number)?;
            }
            if event.is_readable() {
                self.readable(number)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn writable(&mut self, number: usize) -> Result<()> {
        let Some(peer) = self.peers.get_mut(number) else {
            return Ok(());
        };
        if peer.phase == Phase::Connecting {
            if let Ok(Some(error)) = peer.stream.take_error() {
                return self.lose(number, &format!("cannot connect: {error}"));
            }
            peer.phase = match self.door.dialect {
                Dialect::Parlour { .. } => Phase::Upgrading,
                Dialect::Limit { .. } => Phase::Opening,
            };
            // It is not needed again; ten thousand of them would be 3 MB.
            let hello = std::mem::take(&mut peer.hello);
            peer.send(&hello)?;
        }
        if let Err(error) = peer.flush() {
            return self.lose(number, &error.to_string());
        }
        Ok(())
    }

    fn readable(&mut self, number: usize) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = self.read_all(number, &mut scratch);
        self.scratch = scratch;
        outcome
    }

    fn read_all(&mut self, number: usize, scratch: &mut [u8]) -> Result<()> {
        loop {
            let Some(peer) = self.peers.get_mut(number) else {
                return Ok(());
            };
            if matches!(peer.phase, Phase::Closed | Phase::Connecting) {
                return Ok(());
            }
            let n = match peer.read(scratch) {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => return self.lose(number, "the server closed the connection"),
                Ok(Some(n)) => n,
                Err(error) => return self.lose(number, &error.to_string()),
            };
            let got = scratch.get(..n).unwrap_or_default();
            if peer.inbuf.is_empty() {
                let used = self.consume(number, got)?;
                if let Some(peer) = self.peers.get_mut(number) {
                    peer.inbuf
                        .extend_from_slice(got.get(used..).unwrap_or_default());
                }
            } else {
                let mut bytes = std::mem::take(&mut peer.inbuf);
                bytes.extend_from_slice(got);
                let used = self.consume(number, &bytes)?;
                bytes.drain(..used);
                if let Some(peer) = self.peers.get_mut(number) {
                    peer.inbuf = bytes;
                }
            }
            if n < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Reads handshake and frames from `bytes` and returns how many it used.
    fn consume(&mut self, number: usize, bytes: &[u8]) -> Result<usize> {
        let mut used = 0;
        if self.peers.get(number).map(|p| p.phase) == Some(Phase::Upgrading) {
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
                return Ok(0);
            };
            used = end + 4;
            self.upgraded(number, bytes)?;
        }
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match next_frame(rest) {
                Ok(None) => return Ok(used),
                Ok(Some((frame, len))) => {
                    used += len;
                    self.frame(number, &frame)?;
                }
                Err(error) => {
                    self.lose(number, &format!("the server sent {error}"))?;
                    return Ok(bytes.len());
                }
            }
        }
    }

    fn upgraded(&mut self, number: usize, answer: &[u8]) -> Result<()> {
        if !answer.starts_with(b"HTTP/1.1 101") {
            let text = String::from_utf8_lossy(answer);
            let line = text.lines().next().unwrap_or_default();
            let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
            let body: String = body.chars().take(300).collect();
            return self.lose(number, &format!("the upgrade was refused: {line} {body}"));
        }
        let Some(peer) = self.peers.get_mut(number) else {
            return Ok(());
        };
        peer.phase = Phase::Opening;
        if let Role::Reader { room, .. } = peer.role {
            let id = self.room_ids.get(room).copied().unwrap_or_default();
            let op = format!(r#"{{"op":"subscribe","room":{id}}}"#);
            let mut bytes = Vec::with_capacity(op.len() + 8);
            put_masked(&mut bytes, 1, op.as_bytes(), [7, 11, 13, 17]);
            peer.send(&bytes)?;
        }
        Ok(())
    }

    fn frame(&mut self, number: usize, frame: &Frame<'_>) -> Result<()> {
        match frame {
            Frame::Text(payload) => self.text(number, payload),
            Frame::Ping(payload) => {
                let mut bytes = Vec::with_capacity(payload.len() + 8);
                put_masked(&mut bytes, 10, payload, [3, 5, 7, 9]);
                match self.peers.get_mut(number) {
                    Some(peer) => peer.send(&bytes).context("a connection broke"),
                    None => Ok(()),
                }
            }
            Frame::Pong => Ok(()),
            Frame::Close(code) => self.lose(number, &format!("the server closed with {code:?}")),
        }
    }

    fn text(&mut self, number: usize, payload: &[u8]) -> Result<()> {
        let Some(peer) = self.peers.get(number) else {
            return Ok(());
        };
        let role = peer.role;
        if let Role::Reader { reader, .. } = role {
            match self.ledger.deliver(reader, payload) {
                Receipt::Counted => return Ok(()),
                Receipt::Complete(post) => {
                    self.seen(post);
                    return Ok(());
                }
                Receipt::Unknown => {}
            }
        }
        let heard: Heard<'_> = match serde_json::from_slice(payload) {
            Ok(heard) => heard,
            Err(error) => {
                let text = String::from_utf8_lossy(payload).into_owned();
                return self.lose(number, &format!("not an event ({error}): {text}"));
            }
        };
        self.heard(number, role, &heard, payload);
        Ok(())
    }

    fn heard(&mut self, number: usize, role: Role, heard: &Heard<'_>, payload: &[u8]) {
        let is_mine = |fleet: &Self, room: usize| fleet.room_ids.get(room).copied() == heard.room;
        match (&*heard.event, role) {
            ("ready", Role::Writer) => self.opened(number),
            ("subscribed" | "resync", Role::Reader { room, reader }) if is_mine(self, room) => {
                self.ledger.begin(reader, heard.head.unwrap_or(0));
                if heard.event == "resync" {
                    self.ledger.integrity.resyncs += 1;
                }
                self.opened(number);
            }
            ("posted", Role::Writer) => self.posted(heard),
            ("error", _) => {
                let text = String::from_utf8_lossy(payload).into_owned();
                self.ledger.integrity.error(|| text);
                // The post it answers is over, or the loop would wait for it for ever.
                if let Some(post) = heard.re_post()
                    && let Some(post) = self.posts.remove(&post)
                {
                    self.finished.push(post.writer);
                }
            }
            (_, Role::Reader { room, reader }) if heard.is_numbered() && is_mine(self, room) => {
                let Some(seq) = heard.seq else { return };
                let post = heard.post();
                if post.is_some() {
                    self.sample = payload.len();
                }
                if let Receipt::Complete(post) = self.ledger.accept(reader, seq, payload, post) {
                    self.seen(post);
                }
            }
            // Signals: typing, presence, counts, heads. Lossy by design, so not counted.
            _ => {}
        }
    }

    fn opened(&mut self, number: usize) {
        if let Some(peer) = self.peers.get_mut(number)
            && peer.phase == Phase::Opening
        {
            peer.phase = Phase::Open;
            self.opening = self.opening.saturating_sub(1);
            self.opened.record(self.now.duration_since(peer.started));
        }
    }

    fn posted(&mut self, heard: &Heard<'_>) {
        let Some(number) = heard.post() else { return };
        let room = self.room_ids.iter().position(|id| Some(*id) == heard.room);
        if let (Some(room), Some(seq)) = (room, heard.seq) {
            self.ledger.expect_head(room, seq);
            self.acknowledged.push((room, seq));
        }
        let Some(post) = self.posts.get_mut(&number) else {
            return;
        };
        if !std::mem::replace(&mut post.is_acknowledged, true) {
            self.driven.acks.record(self.now.duration_since(post.at));
        }
        if self.until == Until::Acknowledged {
            self.over(number);
        }
    }

    fn seen(&mut self, post: Option<u64>) {
        let Some(number) = post else { return };
        if let Some(post) = self.posts.get(&number) {
            self.driven.seen.record(self.now.duration_since(post.at));
            if self.until == Until::Seen {
                self.over(number);
            }
        }
    }

    fn over(&mut self, number: u64) {
        if let Some(post) = self.posts.remove(&number) {
            self.driven.posts += 1;
            self.finished.push(post.writer);
        }
    }

    fn lose(&mut self, number: usize, why: &str) -> Result<()> {
        if let Some(peer) = self.peers.get_mut(number)
            && peer.phase != Phase::Closed
        {
            if peer.phase != Phase::Open {
                self.opening = self.opening.saturating_sub(1);
            }
            peer.phase = Phase::Closed;
            self.poll.registry().deregister(&mut peer.stream)?;
            self.ledger.integrity.error(|| why.to_owned());
        }
        Ok(())
    }
}
