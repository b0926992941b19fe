//! Who has received what: nothing lost, doubled or reordered.
//!
//! Every reader must see the seqs of its room one by one. All readers of a room get the
//! same bytes, so a frame is parsed for the first reader alone; for the others it is
//! compared. That keeps the load generator lighter than what it measures.
//!
//! What a newcomer would get wrong: a gap is counted as lost at once, and taken back as
//! *reordered* if the missing seq comes after all.

use std::collections::BTreeMap;

use serde::Serialize;

/// What went wrong in a run, and how much went well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Integrity {
    /// Events that reached a reader, each reader counted.
    pub delivered: u64,
    /// Events a reader never got.
    pub lost: u64,
    /// Events a reader got again.
    pub doubled: u64,
    /// Events a reader got after a later one.
    pub reordered: u64,
    /// Readers told to reload a room.
    pub resyncs: u64,
    /// Acknowledged messages that the room does not hold afterwards, or holds twice.
    pub unstored: u64,
    /// Refusals and broken connections; the first of them.
    pub errors: u64,
    /// What the first of `errors` said.
    pub first_error: Option<String>,
}

impl Integrity {
    /// Whether nothing was lost, doubled or reordered.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.unstored == 0
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Integrity) {
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.resyncs += other.resyncs;
        self.unstored += other.unstored;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }

    /// Counts an error and keeps the first one's words.
    pub fn error(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(what);
    }
}

/// An event that some reader has received and others are waiting for.
struct Known {
    bytes: Vec<u8>,
    got: usize,
    post: Option<u64>,
}

#[derive(Default)]
struct Room {
    readers: usize,
    head: u64,
    known: BTreeMap<u64, Known>,
}

struct Reader {
    room: usize,
    next: u64,
    missing: Vec<u64>,
}

/// What became of a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The next event of this reader, as others got it; some still wait.
    Counted,
    /// The same, and this reader was the last; with the number of the post that caused it.
    Complete(Option<u64>),
    /// Not seen before: parse it.
    Unknown,
}

/// The books of one fleet.
#[derive(Default)]
pub struct Ledger {
    rooms: Vec<Room>,
    readers: Vec<Reader>,
    /// The counts so far.
    pub integrity: Integrity,
}

impl Ledger {
    /// Books for `rooms` rooms, known by their position.
    pub fn new(rooms: usize) -> Self {
        Self {
            rooms: (0..rooms).map(|_| Room::default()).collect(),
            ..Self::default()
        }
    }

    /// Adds a reader of `room` and returns its number.
    pub fn add_reader(&mut self, room: usize) -> usize {
        if let Some(room) = self.rooms.get_mut(room) {
            room.readers += 1;
        }
        self.readers.push(Reader {
            room,
            next: 0,
            missing: Vec::new(),
        });
        self.readers.len() - 1
    }

    /// `reader` starts, or starts anew, after `head`.
    pub fn begin(&mut self, reader: usize, head: u64) {
        if let Some(reader) = self.readers.get_mut(reader) {
            reader.next = head + 1;
            if let Some(room) = self.rooms.get_mut(reader.room) {
                room.head = room.head.max(head);
            }
        }
    }

    /// The fast path: is `payload` the very next event of `reader`, byte for byte as
    /// another reader got it?
    pub fn deliver(&mut self, reader: usize, payload: &[u8]) -> Receipt {
        let Some(reader) = self.readers.get_mut(reader) else {
            return Receipt::Unknown;
        };
        let Some(room) = self.rooms.get_mut(reader.room) else {
            return Receipt::Unknown;
        };
        let Some(known) = room.known.get_mut(&reader.next) else {
            return Receipt::Unknown;
        };
        if known.bytes != payload {
            return Receipt::Unknown;
        }
        known.got += 1;
        self.integrity.delivered += 1;
        let (seq, post) = (reader.next, known.post);
        reader.next += 1;
        if known.got < room.readers {
            return Receipt::Counted;
        }
        room.known.remove(&seq);
        Receipt::Complete(post)
    }

    /// The slow path: `payload` was parsed and is event `seq`, caused by `post`.
    pub fn accept(
        &mut self,
        reader: usize,
        seq: u64,
        payload: &[u8],
        post: Option<u64>,
    ) -> Receipt {
        let Some(cursor) = self.readers.get_mut(reader) else {
            return Receipt::Unknown;
        };
        let Some(room) = self.rooms.get_mut(cursor.room) else {
            return Receipt::Unknown;
        };
        room.head = room.head.max(seq);
        if seq < cursor.next {
            if let Some(at) = cursor.missing.iter().position(|m| *m == seq) {
                cursor.missing.swap_remove(at);
                self.integrity.lost -= 1;
                self.integrity.reordered += 1;
            } else {
                self.integrity.doubled += 1;
            }
            return Receipt::Counted;
        }
        self.integrity.lost += seq - cursor.next;
        cursor.missing.extend(cursor.next..seq);
        cursor.next = seq;
        room.known.entry(seq).or_insert_with(|| Known {
            bytes: payload.to_vec(),
            got: 0,
            post,
        });
        match self.deliver(reader, payload) {
            // The same event in other bytes, e.g. replayed from the store: it counts.
            Receipt::Unknown => self.deliver_anyway(reader, seq),
            receipt => receipt,
        }
    }

    fn deliver_anyway(&mut self, reader: usize, seq: u64) -> Receipt {
        let room = self.readers.get(reader).map(|r| r.room);
        let known = room
            .and_then(|room| self.rooms.get(room))
            .and_then(|room| room.known.get(&seq))
            .map(|known| known.bytes.clone());
        known.map_or(Receipt::Unknown, |bytes| self.deliver(reader, &bytes))
    }

    /// Whether every reader has everything up to its room's head.
    pub fn is_caught_up(&self) -> bool {
        self.readers.iter().all(|reader| {
            self.rooms
                .get(reader.room)
                .is_none_or(|room| reader.next > room.head)
        })
    }

    /// What a room must have reached, because an acknowledgement said so.
    pub fn expect_head(&mut self, room: usize, seq: u64) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.head = room.head.max(seq);
        }
    }

    /// The end of a run: what has not come by now is lost.
    pub fn close(&mut self) {
        for reader in &mut self.readers {
            let Some(room) = self.rooms.get(reader.room) else {
                continue;
            };
            self.integrity.lost += (room.head + 1).saturating_sub(reader.next);
            reader.next = reader.next.max(room.head + 1);
        }
        self.rooms.iter_mut().for_each(|room| room.known.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(readers: usize) -> Ledger {
        let mut ledger = Ledger::new(1);
        for _ in 0..readers {
            let reader = ledger.add_reader(0);
            ledger.begin(reader, 10);
        }
        ledger
    }

    /// Delivers `seq` as the fleet does: fast path, then parsed.
    fn give(ledger: &mut Ledger, reader: usize, seq: u64) -> Receipt {
        let payload = format!("event {seq}");
        match ledger.deliver(reader, payload.as_bytes()) {
            Receipt::Unknown => ledger.accept(reader, seq, payload.as_bytes(), Some(seq)),
            receipt => receipt,
        }
    }

    fn counts(ledger: &Ledger) -> (u64, u64, u64, u64) {
        let i = &ledger.integrity;
        (i.delivered, i.lost, i.doubled, i.reordered)
    }

    #[test]
    fn an_event_is_complete_when_the_last_reader_has_it() {
        let mut books = ledger(2);
        assert_eq!(give(&mut books, 0, 11), Receipt::Counted);
        assert_eq!(give(&mut books, 0, 12), Receipt::Counted);
        assert!(!books.is_caught_up());
        assert_eq!(give(&mut books, 1, 11), Receipt::Complete(Some(11)));
        assert_eq!(give(&mut books, 1, 12), Receipt::Complete(Some(12)));
        assert!(books.is_caught_up());
        books.close();
        assert_eq!(counts(&books), (4, 0, 0, 0));
        assert!(books.integrity.is_clean());
    }

    #[test]
    fn a_gap_is_lost_a_repeat_doubled_and_a_late_one_reordered() {
        let mut books = ledger(1);
        give(&mut books, 0, 11);
        give(&mut books, 0, 14);
        assert_eq!(counts(&books), (2, 2, 0, 0));
        give(&mut books, 0, 12);
        assert_eq!(counts(&books), (2, 1, 0, 1));
        give(&mut books, 0, 12);
        give(&mut books, 0, 14);
        assert_eq!(counts(&books), (2, 1, 2, 1));
        assert!(!books.integrity.is_clean());
    }

    #[test]
    fn a_missing_tail_is_lost_at_the_end() {
        let mut books = ledger(2);
        give(&mut books, 0, 11);
        books.expect_head(0, 12);
        books.close();
        assert_eq!(counts(&books), (1, 3, 0, 0));
    }

    #[test]
    fn a_replay_in_other_bytes_still_counts() {
        let mut books = ledger(2);
        give(&mut books, 0, 11);
        assert_eq!(
            books.accept(1, 11, b"other", None),
            Receipt::Complete(Some(11))
        );
        assert_eq!(counts(&books), (2, 0, 0, 0));
    }

    #[test]
    fn a_resync_starts_anew() {
        let mut books = ledger(1);
        give(&mut books, 0, 11);
        books.begin(0, 20);
        give(&mut books, 0, 21);
        assert_eq!(counts(&books), (2, 0, 0, 0));
    }
}
