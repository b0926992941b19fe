//! The rooms that someone reads now.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::RoomId;

use crate::room_log::RoomLog;

/// Every live room's log. A log lives as long as someone holds it.
#[derive(Debug)]
pub(crate) struct Rooms {
    logs: Mutex<HashMap<RoomId, Arc<RoomLog>>>,
    /// What all rings hold together.
    bytes: Arc<AtomicUsize>,
    shards: usize,
}

impl Rooms {
    pub(crate) fn new(shards: usize) -> Rooms {
        Rooms {
            logs: Mutex::new(HashMap::new()),
            bytes: Arc::new(AtomicUsize::new(0)),
            shards,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<RoomLog>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log, if someone reads the room.
    pub(crate) fn find(&self, room: RoomId) -> Option<Arc<RoomLog>> {
        self.lock().get(&room).cloned()
    }

    /// Takes hold of the room's log, making it if need be. From here on every published
    /// event of the room is kept, also before the log knows its head.
    pub(crate) fn hold(self: &Arc<Self>, room: RoomId) -> Hold {
        let log = match self.lock().entry(room) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let log = RoomLog::new(room, self.shards, Arc::clone(&self.bytes));
                Arc::clone(entry.insert(Arc::new(log)))
            }
        };
        Hold {
            rooms: Arc::clone(self),
            log,
        }
    }

    /// What all rings hold together.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// All logs. Those that nobody holds (a task had borrowed them when their last holder
    /// went) are dropped on the way.
    pub(crate) fn all(&self) -> Vec<Arc<RoomLog>> {
        let mut logs = self.lock();
        logs.retain(|_, log| Arc::strong_count(log) > 1);
        logs.values().cloned().collect()
    }
}

/// Keeps a room's log alive.
#[derive(Debug)]
pub(crate) struct Hold {
    rooms: Arc<Rooms>,
    log: Arc<RoomLog>,
}

impl Hold {
    pub(crate) fn log(&self) -> &Arc<RoomLog> {
        &self.log
    }
}

impl Clone for Hold {
    fn clone(&self) -> Hold {
        Hold {
            rooms: Arc::clone(&self.rooms),
            log: Arc::clone(&self.log),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut logs = self.rooms.lock();
        // Two are left: the map's and this one. Others take theirs under this lock.
        if Arc::strong_count(&self.log) == 2
            && logs
                .get(&self.log.room)
                .is_some_and(|log| Arc::ptr_eq(log, &self.log))
        {
            logs.remove(&self.log.room);
        }
    }
}
