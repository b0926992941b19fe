//! The recent part of one room's log, shared by everyone who reads it.
//!
//! Events enter by number: the next one is appended, a later one waits for the hole before
//! it, an earlier one is dropped. Readers are positions in the ring and never hold it up.
//! Nothing here is durable; what the ring has lost is in the store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::{Body, Event, EventKind, Message, RoomId, RoomKind, Seq};

use crate::frames::{Encoded, Variant};
use crate::run::Run;
use crate::{Config, Render};

/// Events that came before those they follow. Beyond it they are dropped: the hole is read
/// from the store anyway, and what stands behind it too.
const MAX_WAITING: usize = 1_024;
/// What an event without its texts takes.
const EVENT_BYTES: usize = 512;
/// Frames a room keeps when all rooms together hold too much.
const MIN_FRAMES: usize = 16;
/// The size of a slot that has left the ring; a frame made for it still is not counted.
const GONE: usize = usize::MAX / 2;
/// A quote shows so much of the quoted source (`domain::Quote`).
const QUOTE_CHARS: usize = 200;

/// One event with its frames.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) event: Arc<Event>,
    encoded: Encoded,
    bytes: AtomicUsize,
}

/// What stands after a position.
pub(crate) enum Ahead {
    /// Nothing: it is the head.
    Nothing,
    /// Frames to write.
    Frames(Run),
    /// More than the ring or the bound on lag holds; go on after this head.
    Lagged(Seq),
}

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It (and perhaps some that waited for it) can be read.
    Appended,
    /// The same, but it was offered before and has waited.
    Expected,
    /// It waits: events before it are missing.
    Waiting,
    /// It was known.
    Dropped,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RoomLog {
    pub(crate) room: RoomId,
    inner: Mutex<Inner>,
    /// What the ring holds: events and frames.
    bytes: AtomicUsize,
    /// The same of all rooms together.
    total: Arc<AtomicUsize>,
    /// Set once the head is known.
    pub(crate) opened: tokio::sync::OnceCell<()>,
    /// Held while older events are read into the ring, so that ten thousand returning
    /// readers cause one read.
    pub(crate) backfill: tokio::sync::Mutex<()>,
    /// A task is reading a hole from the store.
    pub(crate) is_repairing: AtomicBool,
    listeners: Box<[AtomicBool]>,
    dirty: Box<[AtomicBool]>,
}

#[derive(Debug)]
struct Inner {
    is_open: bool,
    head: Seq,
    /// Grows with each change of history: positions of before mean nothing.
    generation: u64,
    ring: VecDeque<Arc<Slot>>,
    waiting: BTreeMap<Seq, Arc<Event>>,
    kind: RoomKind,
    members: i64,
}

impl RoomLog {
    pub(crate) fn new(room: RoomId, shards: usize, total: Arc<AtomicUsize>) -> RoomLog {
        RoomLog {
            room,
            inner: Mutex::new(Inner {
                is_open: false,
                head: Seq::ZERO,
                generation: 0,
                ring: VecDeque::new(),
                waiting: BTreeMap::new(),
                // Closed until known: a doubt never opens anything.
                kind: RoomKind::Closed,
                members: 0,
            }),
            bytes: AtomicUsize::new(0),
            total,
            opened: tokio::sync::OnceCell::new(),
            backfill: tokio::sync::Mutex::new(()),
            is_repairing: AtomicBool::new(false),
            listeners: (0..shards).map(|_| AtomicBool::new(false)).collect(),
            dirty: (0..shards).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    // Every change below leaves the ring whole, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it at the store's head. Events offered before were committed before or after
    /// that read; the numbers tell.
    pub(crate) fn open(&self, head: Seq, kind: RoomKind, members: i64, config: &Config) -> Offered {
        let mut inner = self.lock();
        inner.is_open = true;
        inner.head = head;
        inner.kind = kind;
        inner.members = members;
        self.take_waiting(&mut inner, config);
        if inner.waiting.is_empty() {
            Offered::Appended
        } else {
            Offered::Waiting
        }
    }

    /// Takes an event by its number.
    pub(crate) fn offer(&self, event: Arc<Event>, config: &Config) -> Offered {
        let mut inner = self.lock();
        if inner.is_open && event.seq <= inner.head {
            return Offered::Dropped;
        }
        if inner.is_open && event.seq == inner.head.next() {
            let has_waited = inner.waiting.remove(&event.seq).is_some();
            self.append(&mut inner, event, config);
            self.take_waiting(&mut inner, config);
            return if has_waited {
                Offered::Expected
            } else {
                Offered::Appended
            };
        }
        if inner.waiting.len() < MAX_WAITING {
            inner.waiting.insert(event.seq, event);
        }
        Offered::Waiting
    }

    /// Head and generation.
    pub(crate) fn state(&self) -> (Seq, u64) {
        let inner = self.lock();
        (inner.head, inner.generation)
    }

    pub(crate) fn head(&self) -> Seq {
        self.lock().head
    }

    /// Kind and number of members, as far as the events told.
    pub(crate) fn facts(&self) -> (RoomKind, i64) {
        let inner = self.lock();
        (inner.kind, inner.members)
    }

    /// How many events are missing before those that wait; 0 when none wait.
    pub(crate) fn hole(&self) -> i64 {
        let inner = self.lock();
        let first = inner.waiting.first_key_value();
        first.map_or(0, |(seq, _)| seq.0 - inner.head.0 - 1)
    }

    /// Gives up on those that wait: the store does not know what comes before them.
    pub(crate) fn forget_waiting(&self) {
        self.lock().waiting.clear();
    }

    /// The first seq in the ring; the one after the head when it is empty.
    pub(crate) fn first(&self) -> Seq {
        let inner = self.lock();
        first_of(&inner)
    }

    /// Starts anew at `head`: the history changed, or so much is missing that every reader
    /// must reload anyway.
    pub(crate) fn restart(&self, head: Seq) {
        let mut inner = self.lock();
        inner.head = head;
        inner.generation += 1;
        inner.waiting.clear();
        while let Some(slot) = inner.ring.pop_front() {
            self.release_bytes(slot.bytes.swap(GONE, Ordering::Relaxed));
        }
    }

    /// Puts older events in front of the ring, as far as its bounds allow. They were read
    /// from the store a moment ago; a change that came meanwhile is applied to them.
    pub(crate) fn prepend(&self, mut events: Vec<Event>, config: &Config) {
        let mut inner = self.lock();
        let changes: Vec<Arc<Event>> = inner
            .ring
            .iter()
            .filter(|slot| !matches!(slot.event.kind, EventKind::MessagePosted(_)))
            .map(|slot| Arc::clone(&slot.event))
            .collect();
        while let Some(mut event) = events.pop() {
            let first = first_of(&inner);
            if event.seq >= first {
                continue;
            }
            let is_full = inner.ring.len() >= config.ring_frames
                || self.bytes.load(Ordering::Relaxed) >= config.ring_bytes
                || self.total.load(Ordering::Relaxed) >= config.ring_total_bytes;
            if event.seq.next() != first || is_full {
                return;
            }
            for change in &changes {
                if let Some(message) = change.kind.message() {
                    refresh(&mut event, message);
                }
            }
            let slot = self.slot(Arc::new(event));
            inner.ring.push_front(slot);
        }
    }

    /// What stands after `after`, at most about `max_bytes` in one run.
    pub(crate) fn ahead(
        &self,
        after: Seq,
        variant: Variant,
        max_bytes: usize,
        config: &Config,
        render: &dyn Render,
    ) -> Ahead {
        let slots: Vec<Arc<Slot>> = {
            let inner = self.lock();
            if after == inner.head {
                return Ahead::Nothing;
            }
            let first = first_of(&inner);
            if after > inner.head || after.next() < first {
                return Ahead::Lagged(inner.head);
            }
            let skip = usize::try_from(after.next().0 - first.0).unwrap_or(usize::MAX);
            let behind: usize = inner
                .ring
                .iter()
                .skip(skip)
                .map(|slot| slot.encoded.known_len(variant))
                .sum();
            if behind > config.lag_bytes {
                return Ahead::Lagged(inner.head);
            }
            inner.ring.iter().skip(skip).map(Arc::clone).collect()
        };
        // Rendering happens outside the lock: publishers never wait for it.
        let mut frames = Vec::with_capacity(slots.len());
        let mut total = 0;
        for slot in &slots {
            let frame = self.frame(slot, variant, render);
            total += frame.len();
            frames.push(frame);
            if total >= max_bytes {
                break;
            }
        }
        Ahead::Frames(Run::new(after, &frames, total))
    }

    fn frame<'a>(&self, slot: &'a Slot, variant: Variant, render: &dyn Render) -> &'a Bytes {
        let write = |format, out: &mut String| render.event(format, &slot.event, out);
        let (frame, added) = slot.encoded.get(variant, write);
        if added > 0 {
            self.take_bytes(added);
            if slot.bytes.fetch_add(added, Ordering::Relaxed) >= GONE {
                self.release_bytes(added);
            }
        }
        frame
    }

    /// Whether `shard` wants to be woken. A wake from before it stopped listening may never
    /// have been looked at, so it is forgotten here.
    pub(crate) fn set_listening(&self, shard: usize, is_listening: bool) {
        self.looked(shard);
        if let Some(flag) = self.listeners.get(shard) {
            flag.store(is_listening, Ordering::SeqCst);
        }
    }

    /// The shards to wake: those that listen and are not woken yet.
    pub(crate) fn to_wake(&self) -> impl Iterator<Item = usize> {
        let both = self.listeners.iter().zip(&self.dirty).enumerate();
        both.filter(|(_, (listens, dirty))| {
            listens.load(Ordering::SeqCst) && !dirty.swap(true, Ordering::SeqCst)
        })
        .map(|(shard, _)| shard)
    }

    /// The shard is about to look: the next event wakes it again.
    pub(crate) fn looked(&self, shard: usize) {
        if let Some(flag) = self.dirty.get(shard) {
            flag.store(false, Ordering::SeqCst);
        }
    }

    fn slot(&self, event: Arc<Event>) -> Arc<Slot> {
        let bytes = event_bytes(&event);
        self.take_bytes(bytes);
        Arc::new(Slot {
            event,
            encoded: Encoded::default(),
            bytes: AtomicUsize::new(bytes),
        })
    }

    fn take_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives bytes back, never more than are held.
    fn release_bytes(&self, bytes: usize) {
        let mut released = 0;
        let _ = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                released = held.min(bytes);
                Some(held - released)
            });
        self.total.fetch_sub(released, Ordering::Relaxed);
    }

    /// Whether the ring, with its newest event, holds more than it may.
    fn is_over_full(&self, inner: &Inner, config: &Config) -> bool {
        let frames = inner.ring.len();
        let is_short_of_memory = self.total.load(Ordering::Relaxed) > config.ring_total_bytes;
        frames > 1
            && (frames > config.ring_frames
                || self.bytes.load(Ordering::Relaxed) > config.ring_bytes
                || (is_short_of_memory && frames > MIN_FRAMES))
    }

    fn append(&self, inner: &mut Inner, event: Arc<Event>, config: &Config) {
        inner.head = event.seq;
        match &event.kind {
            EventKind::MemberJoined { .. } => inner.members += 1,
            EventKind::MemberLeft { .. } => inner.members -= 1,
            EventKind::MessageEdited(message) | EventKind::MessageDeleted(message) => {
                self.rewrite(inner, message);
            }
            _ => {}
        }
        let slot = self.slot(event);
        inner.ring.push_back(slot);
        while self.is_over_full(inner, config) {
            if let Some(slot) = inner.ring.pop_front() {
                self.release_bytes(slot.bytes.swap(GONE, Ordering::Relaxed));
            }
        }
    }

    fn take_waiting(&self, inner: &mut Inner, config: &Config) {
        while let Some(entry) = inner.waiting.first_entry() {
            if *entry.key() > inner.head.next() {
                return;
            }
            let event = entry.remove();
            if event.seq > inner.head {
                self.append(inner, event, config);
            }
        }
    }

    /// Older events that show `message` or quote it show it as it is now, so that a late
    /// resume cannot fetch deleted words.
    fn rewrite(&self, inner: &mut Inner, message: &Message) {
        for place in &mut inner.ring {
            if !shows(&place.event, message) {
                continue;
            }
            let mut event = (*place.event).clone();
            refresh(&mut event, message);
            self.release_bytes(place.bytes.swap(GONE, Ordering::Relaxed));
            *place = self.slot(Arc::new(event));
        }
    }
}

impl Drop for RoomLog {
    fn drop(&mut self) {
        self.release_bytes(self.bytes.load(Ordering::Relaxed));
    }
}

fn first_of(inner: &Inner) -> Seq {
    inner
        .ring
        .front()
        .map_or(inner.head.next(), |slot| slot.event.seq)
}

fn event_bytes(event: &Event) -> usize {
    let text = match event
        .kind
        .message()
        .and_then(|message| message.body.as_ref())
    {
        Some(Body::Markdown { source, html }) => source.len() + html.len(),
        Some(Body::Sealed(bytes)) => bytes.len(),
        None => 0,
    };
    EVENT_BYTES + text
}

fn shows(event: &Event, message: &Message) -> bool {
    event.kind.message().is_some_and(|shown| {
        shown.id == message.id
            || shown
                .reply_to
                .as_ref()
                .is_some_and(|quote| quote.id == message.id)
    })
}

/// Makes `event` show `now`, directly or as a quote. An older version changes nothing.
fn refresh(event: &mut Event, now: &Message) {
    if event
        .kind
        .message()
        .is_some_and(|shown| shown.id == now.id && shown.version > now.version)
    {
        return;
    }
    event.kind.replace_message(now);
    if let EventKind::MessagePosted(shown)
    | EventKind::MessageEdited(shown)
    | EventKind::MessageDeleted(shown) = &mut event.kind
        && let Some(quote) = &mut shown.reply_to
        && quote.id == now.id
    {
        quote.source = match &now.body {
            Some(Body::Markdown { source, .. }) => Some(source.chars().take(QUOTE_CHARS).collect()),
            Some(Body::Sealed(_)) | None => None,
        };
    }
}
