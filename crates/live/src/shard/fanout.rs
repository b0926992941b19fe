//! Writing a room's news to its readers: the path that decides what Parlour costs.
//!
//! Per delivery there is one look into a slab, one comparison and one `send`. Runs are
//! built once per position and format; in a busy room nearly everyone stands at the same
//! position and shares one.

use std::rc::Rc;

use domain::{RoomId, Seq};

use super::conn::{Conn, Put, PutRun};
use super::{Reader, Shard};
use crate::Control;
use crate::context::Context;
use crate::frames::{Variant, rendered};
use crate::room_log::{Ahead, RoomLog};
use crate::run::Run;

/// Written to one reader in one go while many are written to.
const RUN_BYTES: usize = 256 * 1024;
/// Written in one go to a reader that catches up alone: building more than its socket
/// takes would be thrown away.
const CATCH_UP_BYTES: usize = 32 * 1024;
/// Runs kept during one fan-out, for readers at so many different positions.
const MAX_RUNS: usize = 32;

/// The runs of one room within one fan-out.
struct Runs<'a> {
    log: &'a RoomLog,
    context: &'a Context,
    max_bytes: usize,
    made: Vec<(Seq, Variant, Rc<Run>)>,
}

enum Next {
    Nothing,
    Run(Rc<Run>),
    Lagged(Seq),
}

impl<'a> Runs<'a> {
    fn new(log: &'a RoomLog, context: &'a Context, max_bytes: usize) -> Runs<'a> {
        Runs {
            log,
            context,
            max_bytes,
            made: Vec::new(),
        }
    }

    fn after(&mut self, position: Seq, variant: Variant) -> Next {
        let known = self
            .made
            .iter()
            .find(|(from, of, _)| *from == position && *of == variant);
        if let Some((_, _, run)) = known {
            return Next::Run(Rc::clone(run));
        }
        let (config, render) = (&self.context.config, &*self.context.render);
        match self
            .log
            .ahead(position, variant, self.max_bytes, config, render)
        {
            Ahead::Nothing => Next::Nothing,
            Ahead::Lagged(head) => Next::Lagged(head),
            Ahead::Frames(run) => {
                let run = Rc::new(run);
                if self.made.len() >= MAX_RUNS {
                    self.made.clear();
                }
                self.made.push((position, variant, Rc::clone(&run)));
                Next::Run(run)
            }
        }
    }

    /// Brings one reader as far as its socket allows; false when the socket is broken.
    fn advance(&mut self, reader: &mut Reader, conn: &mut Conn, head: Seq) -> bool {
        while reader.position != head && conn.takes_events() {
            match self.after(reader.position, conn.variant) {
                Next::Nothing => return true,
                Next::Run(run) => match conn.put_run(&run) {
                    PutRun::Upto(position) => reader.position = position,
                    PutRun::Blocked(position) => {
                        reader.position = position;
                        return true;
                    }
                    PutRun::Dead => return false,
                },
                Next::Lagged(head) => {
                    reader.position = head;
                    return resync(conn, self.context, self.log.room, head);
                }
            }
        }
        true
    }
}

/// Tells a reader to load the room's newest page; false when the socket is broken.
pub(super) fn resync(conn: &mut Conn, context: &Context, room: RoomId, head: Seq) -> bool {
    let control = Control::Resync {
        room,
        head,
        epoch: context.epoch(),
    };
    let format = conn.variant.format();
    let frame = rendered(|out| context.render.control(format, &control, out));
    conn.put(&frame) != Put::Dead
}

impl Shard {
    /// Writes what is new in a room to all its readers here.
    pub(super) fn fan_out(&mut self, id: RoomId) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(entry) = self.rooms.get_mut(room as usize) else {
            return;
        };
        let Some(hold) = &entry.hold else {
            return;
        };
        let log = hold.log();
        // Before the head is read: an event that comes after it wakes the shard again.
        log.looked(self.index);
        let (head, generation) = log.state();
        let is_new_history = generation != entry.generation;
        entry.generation = generation;
        let mut runs = Runs::new(log, &self.context, RUN_BYTES);
        for reader in &mut entry.readers {
            let Some(conn) = self.conns.get_mut(reader.conn as usize) else {
                continue;
            };
            let lives = if is_new_history {
                reader.position = head;
                resync(conn, &self.context, id, head)
            } else {
                runs.advance(reader, conn, head)
            };
            if !lives {
                self.dead.push(reader.conn);
            }
        }
    }

    /// Brings one connection up to date in all its rooms, after its socket took what
    /// waited.
    pub(super) fn catch_up(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        for at in 0..conn.reads.len() {
            let Some(link) = conn.reads.get(at).copied() else {
                return;
            };
            if !conn.takes_events() {
                return;
            }
            let Some(entry) = self.rooms.get_mut(link.room as usize) else {
                continue;
            };
            let (Some(hold), Some(reader)) =
                (&entry.hold, entry.readers.get_mut(link.slot as usize))
            else {
                continue;
            };
            let (head, generation) = hold.log().state();
            if generation != entry.generation {
                // The fan-out that is under way tells everyone.
                continue;
            }
            let mut runs = Runs::new(hold.log(), &self.context, CATCH_UP_BYTES);
            if !runs.advance(reader, conn, head) {
                self.dead.push(key);
                return;
            }
        }
    }

    /// Writes a reader's room up to `last` and not further: what a member who leaves may
    /// still see. Only as far as the socket takes it.
    pub(super) fn write_last(&mut self, key: u32, id: RoomId, last: Seq) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let (Some(conn), Some(entry)) = (
            self.conns.get_mut(key as usize),
            self.rooms.get_mut(room as usize),
        ) else {
            return;
        };
        let Some(link) = conn.reads.iter().find(|link| link.room == room).copied() else {
            return;
        };
        let (Some(hold), Some(reader)) = (&entry.hold, entry.readers.get_mut(link.slot as usize))
        else {
            return;
        };
        // One event at a time, so that no run reaches beyond `last`.
        let mut runs = Runs::new(hold.log(), &self.context, 1);
        while reader.position < last && conn.takes_events() {
            let before = reader.position;
            if !runs.advance_once(reader, conn) {
                self.dead.push(key);
                return;
            }
            if reader.position == before {
                return;
            }
        }
    }
}

impl Runs<'_> {
    /// One run; a reader that lags is left where it is.
    fn advance_once(&mut self, reader: &mut Reader, conn: &mut Conn) -> bool {
        let Next::Run(run) = self.after(reader.position, conn.variant) else {
            return true;
        };
        match conn.put_run(&run) {
            PutRun::Upto(position) | PutRun::Blocked(position) => {
                reader.position = position;
                true
            }
            PutRun::Dead => false,
        }
    }
}
