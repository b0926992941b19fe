//! A shard: one thread that owns its sockets and nothing slow.
//!
//! Each turn it takes what its inbox holds, writes to each room's readers what is new,
//! one write per reader, then reads what peers sent, then looks at the clock. What gathers
//! while it is busy goes out together in the next turn; when it is idle nothing waits.
//!
//! Readiness is edge-triggered and registered once: a socket that took a short write or
//! gave a short read says itself when it can go on, so no interest is ever changed.
//!
//! Nothing here awaits, reads the store or keeps a lock beyond a few lines. Rendering and
//! [`crate::Inbound`] are foreign code on this thread: a panic there is caught.

mod beat;
mod closing;
mod conn;
mod fanout;
mod members;
mod obey;
mod receive;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use domain::{RoomId, Seq, UserId};
use mio::{Events, Poll, Token};
use slab::Slab;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::ConnectionId;
use crate::context::Context;
use crate::inbox::{Command, Inbox};
use crate::rooms::Hold;
use crate::unread::Ask;
use crate::ws::Inflater;
use beat::Wheel;
use closing::Stopping;
use conn::{Conn, NO_ONE};
pub(crate) use conn::{NewConn, Who};

/// The token of the inbox's waker; no slab grows that far.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Read from a socket at once, into a buffer that all of a shard's sockets share.
const READ_BYTES: usize = 64 * 1024;
/// Readiness taken per turn.
const EVENTS: usize = 1024;

/// See the module.
pub(crate) struct Shard {
    index: usize,
    context: Arc<Context>,
    poll: Poll,
    inbox: Arc<Inbox>,
    asks: mpsc::Sender<Ask>,
    conns: Slab<Conn>,
    ids: HashMap<ConnectionId, u32>,
    /// The newest connection of each user; the others hang on it.
    users: HashMap<UserId, u32>,
    rooms: Slab<Room>,
    room_index: HashMap<RoomId, u32>,
    started: Instant,
    now_ms: u64,
    buffer: Box<[u8]>,
    inflater: Inflater,
    /// Broken or finished connections, dropped at the end of a step: lists may not change
    /// while they are walked.
    dead: Vec<u32>,
    /// Connections that had more to read than one turn gives.
    unfinished: Vec<u32>,
    /// Closes under way, oldest first, with the time at which the socket is dropped.
    closings: VecDeque<(u64, ConnectionId)>,
    wheel: Wheel,
    stopping: Option<Stopping>,
}

/// A room with readers or watchers on this shard.
struct Room {
    id: RoomId,
    /// Present while there are readers.
    hold: Option<Hold>,
    generation: u64,
    readers: Vec<Reader>,
    watchers: Vec<Watcher>,
}

/// A connection that reads a room.
#[derive(Clone, Copy)]
struct Reader {
    conn: u32,
    position: Seq,
}

/// A connection whose user is a member of a room.
#[derive(Clone, Copy)]
struct Watcher {
    conn: u32,
    /// Mentions it was told of.
    mentions: u16,
    /// Told of something unread since the receipt moved last.
    is_flagged: bool,
    /// It reads the room too and needs no telling.
    is_reading: bool,
}

impl Shard {
    pub(crate) fn new(
        index: usize,
        context: Arc<Context>,
        poll: Poll,
        inbox: Arc<Inbox>,
        asks: mpsc::Sender<Ask>,
    ) -> Shard {
        let wheel = Wheel::new(context.config.heartbeat);
        Shard {
            index,
            context,
            poll,
            inbox,
            asks,
            conns: Slab::new(),
            ids: HashMap::new(),
            users: HashMap::new(),
            rooms: Slab::new(),
            room_index: HashMap::new(),
            started: Instant::now(),
            now_ms: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            inflater: Inflater::new(),
            dead: Vec::new(),
            unfinished: Vec::new(),
            closings: VecDeque::new(),
            wheel,
            stopping: None,
        }
    }

    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut commands = Vec::new();
        let mut dirty = Vec::new();
        loop {
            let timeout = self.sleep_limit();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                error!(%error, "a shard cannot wait for its sockets; trying on");
                std::thread::sleep(Duration::from_millis(100));
            }
            // A bug in one turn must not take the other connections along.
            let turn = catch_unwind(AssertUnwindSafe(|| {
                self.turn(&events, &mut commands, &mut dirty)
            }));
            match turn {
                Ok(true) => {}
                Ok(false) => {
                    self.inbox.close();
                    return;
                }
                Err(_) => {
                    error!("a shard's turn panicked; its connections go on");
                    events.clear();
                    commands.clear();
                    dirty.clear();
                }
            }
        }
    }

    /// How long the shard may sleep; it wakes for its inbox and sockets anyway.
    fn sleep_limit(&mut self) -> Option<Duration> {
        if !self.inbox.may_sleep() || !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let wheel = (!self.conns.is_empty()).then_some(self.wheel.next_ms());
        let closing = self.closings.front().map(|(at, _)| *at);
        let stopping = self.stopping.as_ref().and_then(Stopping::next_ms);
        let next = [wheel, closing, stopping].into_iter().flatten().min()?;
        let now = self.clock_ms();
        // One more, so that it does not wake just before.
        Some(Duration::from_millis(next.saturating_sub(now) + 1))
    }

    fn clock_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One turn; false when the shard is done.
    fn turn(
        &mut self,
        events: &Events,
        commands: &mut Vec<Command>,
        dirty: &mut Vec<RoomId>,
    ) -> bool {
        self.now_ms = self.clock_ms();
        self.inbox.drain(commands, dirty);
        for command in commands.drain(..) {
            self.obey(command);
            self.bury();
        }
        for room in dirty.drain(..) {
            self.fan_out(room);
        }
        self.bury();
        for event in events {
            if event.token() == WAKER {
                continue;
            }
            let Ok(key) = u32::try_from(event.token().0) else {
                continue;
            };
            if event.is_writable() {
                self.writable(key);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.readable(key, event.is_read_closed() || event.is_error());
            }
            self.bury();
        }
        for key in std::mem::take(&mut self.unfinished) {
            self.readable(key, true);
        }
        self.bury();
        self.beat();
        self.drop_overdue();
        let goes_on = self.go_on_stopping();
        self.bury();
        goes_on
    }

    /// Takes a socket over.
    fn adopt(&mut self, new: NewConn) {
        let (mut conn, leftover, watches) = Conn::new(new, self.now_ms);
        let entry = self.conns.vacant_entry();
        let token = Token(entry.key());
        let key = entry.key() as u32;
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut conn.socket, token, interest)
        {
            warn!(%error, "a socket could not be watched; it is dropped");
            self.forget(&conn);
            return;
        }
        self.ids.insert(conn.id, key);
        let user = conn.who.as_ref().map(|who| who.connected.user);
        if let Some(user) = user {
            conn.next_of_user = self.users.insert(user, key).unwrap_or(NO_ONE);
        }
        entry.insert(conn);
        for room in watches {
            self.watch(key, room);
        }
        if user.is_some() {
            self.say_ready(key);
        }
        if self.stopping.is_some() {
            self.close(key, crate::close::RESTART, "restarting");
        }
        if !leftover.is_empty() {
            self.ingest(key, &leftover);
        }
    }

    /// Drops the connections that are marked for it.
    fn bury(&mut self) {
        while let Some(key) = self.dead.pop() {
            if !self.conns.contains(key as usize) {
                continue;
            }
            self.unlink(key);
            let conn = self.conns.remove(key as usize);
            self.ids.remove(&conn.id);
            if let Some(who) = &conn.who {
                self.unlink_user(who.connected.user, key, conn.next_of_user);
            }
            self.forget(&conn);
        }
    }

    /// Tells the rest of the process that a connection is gone.
    fn forget(&self, conn: &Conn) {
        self.context.open.fetch_sub(1, Ordering::Relaxed);
        let Some(who) = &conn.who else {
            return;
        };
        self.context
            .limits
            .give_back(who.connected.user, who.address);
        if let Some(inbound) = self.context.inbound.get()
            && catch_unwind(AssertUnwindSafe(|| inbound.closed(conn.id))).is_err()
        {
            error!("telling of a closed connection panicked");
        }
    }

    fn unlink_user(&mut self, user: UserId, key: u32, next: u32) {
        let Some(first) = self.users.get_mut(&user) else {
            return;
        };
        if *first == key {
            if next == NO_ONE {
                self.users.remove(&user);
            } else {
                *first = next;
            }
            return;
        }
        let mut at = *first;
        while let Some(conn) = self.conns.get_mut(at as usize) {
            if conn.next_of_user == key {
                conn.next_of_user = next;
                return;
            }
            at = conn.next_of_user;
        }
    }

    /// The keys of a user's connections.
    fn keys_of(&self, user: UserId) -> Vec<u32> {
        let mut keys = Vec::new();
        let mut at = self.users.get(&user).copied().unwrap_or(NO_ONE);
        while let Some(conn) = self.conns.get(at as usize) {
            keys.push(at);
            at = conn.next_of_user;
        }
        keys
    }
}
