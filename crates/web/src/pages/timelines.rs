//! The newest page of each busy room, rendered and deflated once for everybody.
//!
//! A page is kept under the head it shows, so it can be stale only in what has no number:
//! an author's new display name, for at most five seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{Epoch, RoomId, Seq};

use crate::compress::Block;
use crate::views::TimelineHead;

/// Rooms kept; when more are visited the old ones go.
const MAX_ROOMS: usize = 256;
const LIFE: Duration = Duration::from_secs(5);

/// A page of messages ready to be put into anybody's room page.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) head: TimelineHead,
    pub(crate) block: Arc<Block>,
}

/// The newest pages by room.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    by_room: Mutex<HashMap<RoomId, (Instant, Arc<Timeline>)>>,
}

impl Timelines {
    /// The newest page of a room whose head is known, if it is here and fresh.
    pub(crate) fn find(&self, room: RoomId, head: Seq, epoch: Epoch) -> Option<Arc<Timeline>> {
        let by_room = self.by_room.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, timeline) = by_room.get(&room)?;
        let is_good =
            timeline.head.head == head && timeline.head.epoch == epoch && made.elapsed() < LIFE;
        is_good.then(|| Arc::clone(timeline))
    }

    /// Keeps a page.
    pub(crate) fn keep(&self, room: RoomId, timeline: Arc<Timeline>) {
        let mut by_room = self.by_room.lock().unwrap_or_else(PoisonError::into_inner);
        if by_room.len() >= MAX_ROOMS && !by_room.contains_key(&room) {
            by_room.retain(|_, (made, _)| made.elapsed() < LIFE);
            if by_room.len() >= MAX_ROOMS {
                by_room.clear();
            }
        }
        by_room.insert(room, (Instant::now(), timeline));
    }
}
