//! What the rest of the process tells a shard.
//!
//! An inbox carries commands and the names of rooms with news, never a room's frames:
//! those stay in the room's log, where a busy shard finds them all at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{RoomId, Seq, UserId};
use mio::Waker;
use tokio::sync::oneshot;
use tracing::warn;

use crate::frames::{SignalFrames, Variant};
use crate::rooms::Hold;
use crate::shard::NewConn;
use crate::{ConnectionId, Revocation};

/// Commands that may be lost (signals, unread hints) are dropped while so many wait.
const MAX_LOSSY: usize = 65_536;

/// Something for a shard to do.
pub(crate) enum Command {
    /// Take a socket over.
    Adopt(Box<NewConn>),
    /// Who is this? For the slow path of a subscription.
    About {
        id: ConnectionId,
        reply: oneshot::Sender<About>,
    },
    /// Make it a reader.
    Read(Box<Read>),
    /// A piece of what a reader missed, ahead of [`Command::Read`].
    Backlog {
        id: ConnectionId,
        room: RoomId,
        began: u64,
        bytes: Bytes,
        drained: oneshot::Sender<()>,
    },
    /// Stop reading.
    Unsubscribe { id: ConnectionId, room: RoomId },
    /// A text for one connection.
    Send { id: ConnectionId, text: String },
    /// Read on after a pause.
    Resume { id: ConnectionId },
    /// Close with a code.
    Close {
        id: ConnectionId,
        code: u16,
        reason: &'static str,
    },
    /// A message was posted: tell watchers.
    Posted {
        room: RoomId,
        author: UserId,
        seq: Seq,
        may_mention: bool,
    },
    /// The answer to what watchers' counts are.
    Told(Box<Told>),
    /// The user became a member.
    Watch { room: RoomId, user: UserId },
    /// The membership ended with event `seq`.
    Left {
        room: RoomId,
        user: UserId,
        seq: Seq,
        keeps_reading: bool,
    },
    /// To a room's readers.
    SignalReaders {
        room: RoomId,
        signal: Arc<SignalFrames>,
        except: Option<UserId>,
    },
    /// To a user's connections.
    SignalUser {
        user: UserId,
        signal: Arc<SignalFrames>,
    },
    /// A receipt moved.
    Receipt {
        room: RoomId,
        user: UserId,
        signal: Arc<SignalFrames>,
        to_readers: bool,
    },
    /// A right ended.
    Revoke {
        what: Revocation,
        done: oneshot::Sender<()>,
    },
    /// Close everything, spread over a time, and end the thread.
    Stop { spread: Duration },
}

/// Who a connection is, for the slow path of a subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) user: UserId,
    pub(crate) variant: Variant,
}

/// See [`Command::Read`].
pub(crate) struct Read {
    pub(crate) id: ConnectionId,
    pub(crate) hold: Hold,
    /// Live continues after it.
    pub(crate) position: Seq,
    pub(crate) generation: u64,
    pub(crate) say: Say,
    /// The doubts' number when the subscription began.
    pub(crate) began: u64,
    pub(crate) done: oneshot::Sender<ReadOutcome>,
}

/// What a new reader is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// `subscribed`, with this head.
    Subscribed(Seq),
    /// `resync`, with this head.
    Resync(Seq),
    /// Nothing: it was told before its backlog.
    Nothing,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// It reads.
    Reading,
    /// The membership ended meanwhile.
    Refused,
    /// It reads as many rooms as one connection may.
    TooMany,
    /// The history changed meanwhile; the subscription begins again.
    Stale,
}

/// What to tell watchers of a room.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) room: RoomId,
    pub(crate) head: Seq,
    /// By ascending user: unread (if counted) and mentions.
    pub(crate) counts: Vec<(UserId, Option<i64>, i64)>,
    /// By ascending user: those not told, so that the next message tries again.
    pub(crate) untold: Vec<UserId>,
}

/// A shard's inbox.
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    waker: Waker,
    /// Set while the shard sleeps or is about to: only then is waking worth a system call.
    is_asleep: AtomicBool,
}

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    dirty: Vec<RoomId>,
    /// The shard has ended; whatever comes is dropped, and with it the answer it owes.
    is_closed: bool,
}

impl Inbox {
    pub(crate) fn new(waker: Waker) -> Inbox {
        Inbox {
            queue: Mutex::new(Queue::default()),
            waker,
            is_asleep: AtomicBool::new(false),
        }
    }

    /// Adds a command. Its senders are bounded: they wait for an answer, or are paced by
    /// what one connection may have in flight.
    pub(crate) fn push(&self, command: Command) {
        self.with(|queue| queue.commands.push(command));
    }

    /// Adds a command that may be lost; false when the shard is too far behind to take it.
    pub(crate) fn push_lossy(&self, command: Command) -> bool {
        let mut is_taken = false;
        self.with(|queue| {
            if queue.commands.len() < MAX_LOSSY {
                queue.commands.push(command);
                is_taken = true;
            }
        });
        is_taken
    }

    /// A room has news. Called once until the shard has looked.
    pub(crate) fn push_dirty(&self, room: RoomId) {
        self.with(|queue| queue.dirty.push(room));
    }

    /// Nobody empties it any more.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.is_closed = true;
            queue.dirty.clear();
            std::mem::take(&mut queue.commands)
        };
        drop(waiting);
    }

    fn with(&self, add: impl FnOnce(&mut Queue)) {
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.is_closed {
                return;
            }
            add(&mut queue);
        }
        if self.is_asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            warn!(%error, "a shard could not be woken");
        }
    }

    /// Takes everything; the vectors' memory goes back and forth, so nothing is allocated
    /// in the long run.
    pub(crate) fn drain(&self, commands: &mut Vec<Command>, dirty: &mut Vec<RoomId>) {
        self.is_asleep.store(false, Ordering::SeqCst);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut queue.commands, commands);
        std::mem::swap(&mut queue.dirty, dirty);
    }

    /// Whether the shard may sleep: nothing waits, and from now on senders wake it.
    pub(crate) fn may_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = queue.commands.is_empty() && queue.dirty.is_empty();
        if !is_empty {
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        is_empty
    }
}
