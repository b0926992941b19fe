//! Hints between nodes. Never trusted: a hint only says where to look.

use domain::{Event, RoomId, Seq};

/// "Room 42 is at 17", perhaps with the event.
#[derive(Clone, Debug)]
pub struct Hint {
    /// The room.
    pub room: RoomId,
    /// Its head.
    pub head: Seq,
    /// The event itself, when small.
    pub event: Option<Event>,
}

/// Carries hints to other nodes.
pub trait Bus: Send + Sync {
    /// Tells the others; may be lost.
    fn announce(&self, hint: &Hint);
}

/// One node: nobody to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBus;

impl Bus for LocalBus {
    fn announce(&self, _hint: &Hint) {}
}
