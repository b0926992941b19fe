//! One connection as its shard sees it: small while idle.
//!
//! Between messages it is a descriptor and a few integers. A decoder exists only within a
//! message, an outbound queue only while the peer does not take what is written, held
//! bytes only while the reader is paused.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::IpAddr;

use bytes::Bytes;
use domain::{RoomId, Seq};
use mio::net::TcpStream;
use tokio::sync::oneshot;

use crate::frames::Variant;
use crate::run::Run;
use crate::ws::{self, Decoder};
use crate::{Connected, ConnectionId, Format};

/// Direct messages (answers, control, unread hints) that may wait for one peer. Beyond it
/// the peer is beyond help: 1013.
pub(super) const MAX_OUTBOUND_BYTES: usize = 1024 * 1024;
/// Signals are not queued behind more than this; they may be lost.
pub(super) const MAX_BEFORE_SIGNAL_BYTES: usize = 32 * 1024;
/// No further connection of the same user.
pub(super) const NO_ONE: u32 = u32::MAX;

/// A socket to take over, prepared by the caller.
pub(crate) struct NewConn {
    pub(crate) id: ConnectionId,
    pub(crate) socket: TcpStream,
    pub(crate) leftover: Vec<u8>,
    pub(crate) deflate: bool,
    pub(crate) who: Option<Who>,
    pub(crate) watches: Vec<RoomId>,
}

/// Who is at the other end of a chat socket.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) connected: Connected,
    pub(crate) address: IpAddr,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Talking.
    Open,
    /// We sent Close and wait for the peer's.
    Closing,
    /// The peer sent Close; ours only has to leave.
    Finishing,
}

/// A place in a room's list of readers or watchers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) room: u32,
    pub(super) slot: u32,
}

/// One connection.
pub(super) struct Conn {
    pub(super) socket: TcpStream,
    pub(super) id: ConnectionId,
    /// `None` for the echo.
    pub(super) who: Option<Who>,
    pub(super) variant: Variant,
    pub(super) deflate: bool,
    pub(super) phase: Phase,
    /// The socket takes nothing now; it will say when it does.
    pub(super) is_blocked: bool,
    /// Reading waits for `resume` (chat) or for the outbound queue (echo).
    pub(super) is_paused: bool,
    /// What arrives makes no sense any more and is thrown away.
    pub(super) is_deaf: bool,
    pub(super) heard_ms: u64,
    pub(super) decoder: Option<Box<Decoder>>,
    /// Bytes that were read before a pause.
    pub(super) held: Option<Box<[u8]>>,
    pub(super) out: Option<Box<Outbound>>,
    pub(super) reads: Vec<Link>,
    pub(super) watches: Vec<Link>,
    pub(super) next_of_user: u32,
}

/// What waits for a peer that does not take it.
#[derive(Default)]
pub(super) struct Outbound {
    chunks: VecDeque<Chunk>,
    pub(super) bytes: usize,
}

/// Whole frames, of which `at` bytes are written; or the tail of a frame whose beginning
/// has left already.
struct Chunk {
    bytes: Bytes,
    at: usize,
    is_tail: bool,
    /// The room whose events these are; they are dropped when it is revoked.
    room: Option<RoomId>,
    drained: Option<oneshot::Sender<()>>,
}

/// What became of bytes to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Written or queued.
    Done,
    /// The queue is full.
    Full,
    /// The connection is broken.
    Dead,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutRun {
    /// Written up to here, and there may be more to write.
    Upto(Seq),
    /// The socket is full; everything up to here is written or queued.
    Blocked(Seq),
    /// The connection is broken.
    Dead,
}

impl Conn {
    pub(super) fn new(new: NewConn, now_ms: u64) -> (Conn, Vec<u8>, Vec<RoomId>) {
        let format = new
            .who
            .as_ref()
            .map_or(Format::Json, |who| who.connected.format);
        let conn = Conn {
            socket: new.socket,
            id: new.id,
            variant: Variant::new(format, new.deflate),
            deflate: new.deflate,
            who: new.who,
            phase: Phase::Open,
            is_blocked: false,
            is_paused: false,
            is_deaf: false,
            heard_ms: now_ms,
            decoder: None,
            held: None,
            out: None,
            reads: Vec::new(),
            watches: Vec::new(),
            next_of_user: NO_ONE,
        };
        (conn, new.leftover, new.watches)
    }

    /// Whether events may be written now.
    pub(super) fn takes_events(&self) -> bool {
        self.phase == Phase::Open && !self.is_blocked && self.out.is_none()
    }

    /// Bytes waiting for the peer.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.bytes)
    }

    /// Writes or queues whole frames. Nothing follows our Close.
    pub(super) fn put(&mut self, bytes: &Bytes) -> Put {
        self.put_chunk(bytes.clone(), None, None, MAX_OUTBOUND_BYTES)
    }

    /// As [`Conn::put`], but drops the frame when the peer is behind.
    pub(super) fn put_lossy(&mut self, bytes: &Bytes) -> Put {
        if self.waiting_bytes() > MAX_BEFORE_SIGNAL_BYTES {
            return Put::Done;
        }
        self.put(bytes)
    }

    /// Writes or queues whole frames, with what hangs on them.
    pub(super) fn put_chunk(
        &mut self,
        bytes: Bytes,
        room: Option<RoomId>,
        drained: Option<oneshot::Sender<()>>,
        limit: usize,
    ) -> Put {
        if self.phase != Phase::Open {
            return Put::Done;
        }
        if self.waiting_bytes() + bytes.len() > limit {
            return Put::Full;
        }
        self.put_raw(Chunk {
            bytes,
            at: 0,
            is_tail: false,
            room,
            drained,
        })
    }

    fn put_raw(&mut self, mut chunk: Chunk) -> Put {
        if !self.is_blocked && self.out.is_none() {
            match self.write(&chunk.bytes) {
                Ok(written) => chunk.at = written,
                Err(_) => return Put::Dead,
            }
            if chunk.at == chunk.bytes.len() {
                chunk.finish();
                return Put::Done;
            }
        }
        let out = self.out.get_or_insert_default();
        out.bytes += chunk.bytes.len() - chunk.at;
        out.chunks.push_back(chunk);
        Put::Done
    }

    /// One write; 0 when the socket is full. A short write means that it is full now, and
    /// edge-triggered readiness will tell when it is not.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(bytes) {
                Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.is_blocked = written < bytes.len();
                    return Ok(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a run of events in one go. What the socket does not take is not kept, but
    /// for the rest of a frame that was begun; the position tells the rest.
    pub(super) fn put_run(&mut self, run: &Run) -> PutRun {
        let Ok(written) = self.write(&run.bytes) else {
            return PutRun::Dead;
        };
        if written == run.bytes.len() {
            return PutRun::Upto(run.to);
        }
        let (position, rest) = run.cut(written);
        if !rest.is_empty() {
            let out = self.out.get_or_insert_default();
            out.bytes += rest.len();
            out.chunks.push_back(Chunk {
                bytes: rest,
                at: 0,
                is_tail: true,
                room: None,
                drained: None,
            });
        }
        PutRun::Blocked(position)
    }

    /// Writes what waits. `Ok(true)` when nothing is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        loop {
            if self.is_blocked {
                return Ok(false);
            }
            let Some(out) = &mut self.out else {
                return Ok(true);
            };
            let Some(chunk) = out.chunks.front() else {
                self.out = None;
                return Ok(true);
            };
            let rest = chunk.bytes.slice(chunk.at..);
            let written = self.write(&rest)?;
            if let Some(out) = &mut self.out {
                out.bytes -= written;
                if let Some(chunk) = out.chunks.front_mut() {
                    chunk.at += written;
                    if chunk.at == chunk.bytes.len()
                        && let Some(chunk) = out.chunks.pop_front()
                    {
                        chunk.finish();
                    }
                }
            }
        }
    }

    /// Drops what waits of a room, but for a frame that was begun.
    pub(super) fn forget_room(&mut self, room: RoomId) {
        if let Some(out) = &mut self.out {
            out.keep_begun(|chunk| chunk.room == Some(room));
        }
    }

    /// Drops what waits, but for a frame that was begun, and puts our Close behind it.
    pub(super) fn put_close(&mut self, code: Option<u16>, reason: &str, next: Phase) -> Put {
        if let Some(out) = &mut self.out {
            out.keep_begun(|_| true);
            if out.chunks.is_empty() {
                self.out = None;
            }
        }
        self.phase = next;
        self.put_raw(Chunk {
            bytes: ws::close_frame(code, reason),
            at: 0,
            is_tail: false,
            room: None,
            drained: None,
        })
    }
}

impl Outbound {
    /// Of the chunks that `is_gone` names only the frame in mid-write stays: a peer that
    /// got half a frame could read nothing behind it.
    fn keep_begun(&mut self, is_gone: impl Fn(&Chunk) -> bool) {
        self.chunks.retain_mut(|chunk| {
            if is_gone(chunk) {
                chunk.bytes.truncate(chunk.begun_end());
            }
            chunk.at < chunk.bytes.len()
        });
        self.bytes = self
            .chunks
            .iter()
            .map(|chunk| chunk.bytes.len() - chunk.at)
            .sum();
    }
}

impl Chunk {
    /// Where the frame in mid-write ends; `at` when none is.
    fn begun_end(&self) -> usize {
        if self.is_tail {
            return self.bytes.len();
        }
        let mut end = 0;
        while end < self.at {
            end += ws::frame_length(&self.bytes[end..]);
        }
        end
    }

    fn finish(self) {
        if let Some(drained) = self.drained {
            // Nobody waits any more when the subscription was given up: fine.
            let _ = drained.send(());
        }
    }
}
