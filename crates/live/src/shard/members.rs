//! Who reads and who watches a room on this shard: the lists and the links into them.
//!
//! A room lists its connections and a connection links to its places in those lists, so
//! that a fan-out walks an array and a closing connection finds its places without a
//! search. Both sides change together, here and nowhere else.

use domain::{RoomId, Seq};

use super::conn::Link;
use super::{Reader, Room, Shard, Watcher};
use crate::rooms::Hold;

/// Rooms one connection may read at once; a further subscription is refused.
const MAX_READS: usize = 256;
/// Rooms one connection watches; one in more rooms gets no unread signals for the rest.
const MAX_WATCHES: usize = 1_024;

impl Shard {
    fn room_key(&mut self, room: RoomId) -> u32 {
        if let Some(key) = self.room_index.get(&room) {
            return *key;
        }
        let key = self.rooms.insert(Room {
            id: room,
            hold: None,
            generation: 0,
            readers: Vec::new(),
            watchers: Vec::new(),
        }) as u32;
        self.room_index.insert(room, key);
        key
    }

    fn drop_room_if_empty(&mut self, room: u32) {
        let Some(entry) = self.rooms.get_mut(room as usize) else {
            return;
        };
        if entry.readers.is_empty()
            && let Some(hold) = entry.hold.take()
        {
            hold.log().set_listening(self.index, false);
        }
        if entry.readers.is_empty() && entry.watchers.is_empty() {
            self.room_index.remove(&entry.id);
            self.rooms.remove(room as usize);
        }
    }

    /// Makes a connection a reader, or moves its position if it is one. False when it reads
    /// as many rooms as it may.
    pub(super) fn start_reading(
        &mut self,
        key: u32,
        hold: Hold,
        position: Seq,
        generation: u64,
    ) -> bool {
        let id = hold.log().room;
        let room = self.room_key(id);
        let (Some(conn), Some(entry)) = (
            self.conns.get_mut(key as usize),
            self.rooms.get_mut(room as usize),
        ) else {
            return false;
        };
        if let Some(link) = conn.reads.iter().find(|link| link.room == room) {
            if let Some(reader) = entry.readers.get_mut(link.slot as usize) {
                reader.position = position;
            }
            return true;
        }
        if conn.reads.len() >= MAX_READS {
            self.drop_room_if_empty(room);
            return false;
        }
        if entry.hold.is_none() {
            hold.log().set_listening(self.index, true);
            entry.hold = Some(hold);
            entry.generation = generation;
        }
        if conn.reads.is_empty() {
            // Nearly everyone reads one room; growing by itself it would take four places.
            conn.reads.reserve_exact(1);
        }
        conn.reads.push(Link {
            room,
            slot: entry.readers.len() as u32,
        });
        entry.readers.push(Reader {
            conn: key,
            position,
        });
        self.mark_watcher(key, room, true);
        true
    }

    /// A connection stops reading.
    pub(super) fn stop_reading(&mut self, key: u32, id: RoomId) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        let Some(at) = conn.reads.iter().position(|link| link.room == room) else {
            return;
        };
        let link = conn.reads.swap_remove(at);
        self.remove_reader(link);
        self.mark_watcher(key, room, false);
        self.drop_room_if_empty(room);
    }

    fn remove_reader(&mut self, link: Link) {
        let Some(entry) = self.rooms.get_mut(link.room as usize) else {
            return;
        };
        entry.readers.swap_remove(link.slot as usize);
        if let Some(moved) = entry.readers.get(link.slot as usize)
            && let Some(conn) = self.conns.get_mut(moved.conn as usize)
            && let Some(theirs) = conn.reads.iter_mut().find(|other| other.room == link.room)
        {
            theirs.slot = link.slot;
        }
    }

    fn mark_watcher(&mut self, key: u32, room: u32, is_reading: bool) {
        if let Some(conn) = self.conns.get(key as usize)
            && let Some(link) = conn.watches.iter().find(|link| link.room == room)
            && let Some(entry) = self.rooms.get_mut(room as usize)
            && let Some(watcher) = entry.watchers.get_mut(link.slot as usize)
        {
            watcher.is_reading = is_reading;
        }
    }

    /// Makes a connection a watcher.
    pub(super) fn watch(&mut self, key: u32, id: RoomId) {
        let room = self.room_key(id);
        let (Some(conn), Some(entry)) = (
            self.conns.get_mut(key as usize),
            self.rooms.get_mut(room as usize),
        ) else {
            return;
        };
        if conn.watches.len() >= MAX_WATCHES || conn.watches.iter().any(|link| link.room == room) {
            self.drop_room_if_empty(room);
            return;
        }
        if conn.watches.is_empty() {
            conn.watches.reserve_exact(1);
        }
        conn.watches.push(Link {
            room,
            slot: entry.watchers.len() as u32,
        });
        entry.watchers.push(Watcher {
            conn: key,
            mentions: 0,
            is_flagged: false,
            is_reading: conn.reads.iter().any(|link| link.room == room),
        });
    }

    /// A connection stops watching.
    pub(super) fn unwatch(&mut self, key: u32, id: RoomId) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        let Some(at) = conn.watches.iter().position(|link| link.room == room) else {
            return;
        };
        let link = conn.watches.swap_remove(at);
        self.remove_watcher(link);
        self.drop_room_if_empty(room);
    }

    fn remove_watcher(&mut self, link: Link) {
        let Some(entry) = self.rooms.get_mut(link.room as usize) else {
            return;
        };
        entry.watchers.swap_remove(link.slot as usize);
        if let Some(moved) = entry.watchers.get(link.slot as usize)
            && let Some(conn) = self.conns.get_mut(moved.conn as usize)
            && let Some(theirs) = conn
                .watches
                .iter_mut()
                .find(|other| other.room == link.room)
        {
            theirs.slot = link.slot;
        }
    }

    /// Takes a connection out of every list.
    pub(super) fn unlink(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        let reads = std::mem::take(&mut conn.reads);
        let watches = std::mem::take(&mut conn.watches);
        for link in &reads {
            self.remove_reader(*link);
        }
        for link in &watches {
            self.remove_watcher(*link);
        }
        for link in reads.iter().chain(&watches) {
            self.drop_room_if_empty(link.room);
        }
    }
}
