//! Becoming a reader without a window between page and socket.
//!
//! The log is held first, so every event from here on is in it or will be; what came
//! before is then filled from the ring or the store, and numbers drop what is double.
//! The cheap way is a position in the ring. Only a reader further behind than the ring
//! reaches gets a backlog of its own, piece by piece, as fast as it takes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::{Cursor, Event, RoomId, RoomKind, RoomRef, Seq};
use store::{Conflict, StoreError};
use tokio::sync::oneshot;

use crate::frames::{Encoded, Variant, rendered};
use crate::handle::Hub;
use crate::inbox::{About, Command, Inbox, Read, ReadOutcome, Say};
use crate::room_log::{Offered, RoomLog};
use crate::rooms::Hold;
use crate::{ConnectionId, Control};

/// Events a returning reader gets; further back it is told to reload.
const MAX_MISSED: i64 = 1_000;
/// Events read from the store at once for a backlog.
const PAGE: usize = 200;
/// Sent of a backlog before the reader has to have taken what it got.
const PIECE_BYTES: usize = 128 * 1024;
/// A reader that does not take a piece in this time reloads instead.
const PIECE_WAIT: Duration = Duration::from_secs(30);
/// A room in which so much happens during a backlog is reloaded instead.
const MAX_BACKLOG: usize = 4_000;
/// Times a subscription begins again because the history changed under it.
const ATTEMPTS: usize = 3;

/// What became of a piece of backlog.
enum Sent {
    Taken,
    /// The connection or its right is gone.
    Gone,
    /// The reader does not take it.
    Stalled,
}

/// How a subscription goes on.
enum Start {
    /// Live from this position.
    At(Seq, Say),
    /// The connection went away, or its right did.
    Over,
}

impl Hub {
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        id: ConnectionId,
        room: RoomId,
        after: Option<Cursor>,
    ) -> store::Result<()> {
        for _ in 0..ATTEMPTS {
            match self.join(id, room, after).await? {
                None | Some(ReadOutcome::Reading) => return Ok(()),
                Some(ReadOutcome::Refused) => return Err(StoreError::NotFound),
                Some(ReadOutcome::TooMany) => return Err(StoreError::Conflict(Conflict::TooMany)),
                Some(ReadOutcome::Stale) => {}
            }
        }
        Err(StoreError::Unavailable(
            "the room's history is changing; subscribe again".to_owned(),
        ))
    }

    /// One attempt; `None` when the connection is gone.
    async fn join(
        self: &Arc<Self>,
        id: ConnectionId,
        room: RoomId,
        after: Option<Cursor>,
    ) -> store::Result<Option<ReadOutcome>> {
        let began = self.context.doubts.number();
        let Some(inbox) = self.inbox(id) else {
            return Ok(None);
        };
        let hold = self.context.rooms.hold(room);
        self.open(hold.log()).await?;
        if !self.context.doubts.is_empty() {
            let Some(about) = self.about(id).await else {
                return Ok(None);
            };
            self.check_doubt(room, about).await?;
        }
        if after.is_some_and(|cursor| cursor.seq > hold.log().head()) {
            // The page was read after a commit whose publication is still on its way.
            self.repair(hold.log()).await;
        }
        // The generation before the epoch: a change in between makes the shard refuse.
        let (head, generation) = hold.log().state();
        let epoch = self.context.epoch();
        let start = match after {
            None => Start::At(head, Say::Subscribed(head)),
            Some(cursor)
                if cursor.epoch != epoch
                    || cursor.room != room
                    || cursor.seq > head
                    || head.0.saturating_sub(cursor.seq.0) > MAX_MISSED =>
            {
                Start::At(head, Say::Resync(head))
            }
            Some(cursor) => self.bridge(id, &hold, cursor.seq, head, began).await?,
        };
        let Start::At(position, say) = start else {
            return Ok(None);
        };
        let (done, outcome) = oneshot::channel();
        inbox.push(Command::Read(Box::new(Read {
            id,
            hold,
            position,
            generation,
            say,
            began,
            done,
        })));
        Ok(outcome.await.ok())
    }

    /// Makes sure that the log knows its head.
    async fn open(self: &Arc<Self>, log: &Arc<RoomLog>) -> store::Result<()> {
        log.opened
            .get_or_try_init(|| async {
                let facts = self.store.room_facts(&RoomRef::Id(log.room), None).await?;
                let room = facts.room;
                let config = &self.context.config;
                if log.open(room.head, room.kind, room.member_count, config) == Offered::Waiting {
                    self.repair_later(log);
                }
                Ok(())
            })
            .await
            .copied()
    }

    async fn about(&self, id: ConnectionId) -> Option<About> {
        let (reply, about) = oneshot::channel();
        self.inbox(id)?.push(Command::About { id, reply });
        about.await.ok()
    }

    /// A membership that ended lately may have begun again since: the store tells.
    async fn check_doubt(&self, room: RoomId, about: About) -> store::Result<()> {
        if !self.context.doubts.has_membership(room, about.user) {
            return Ok(());
        }
        let facts = self
            .store
            .room_facts(&RoomRef::Id(room), Some(about.user))
            .await?;
        if facts.room.kind == RoomKind::Open || facts.membership.is_some() {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Finds or makes the way from `after` to live.
    async fn bridge(
        &self,
        id: ConnectionId,
        hold: &Hold,
        after: Seq,
        head: Seq,
        began: u64,
    ) -> store::Result<Start> {
        let log = hold.log();
        if after.next() < log.first() && head.0 - after.0 <= self.ring_frames() {
            self.backfill(log).await?;
        }
        if after.next() >= log.first() {
            return Ok(Start::At(after, Say::Subscribed(head)));
        }
        self.send_backlog(id, hold, after, head, began).await
    }

    fn ring_frames(&self) -> i64 {
        i64::try_from(self.context.config.ring_frames).unwrap_or(i64::MAX)
    }

    /// Fills the ring backwards, once for all who come back after a restart.
    async fn backfill(&self, log: &Arc<RoomLog>) -> store::Result<()> {
        let _turn = log.backfill.lock().await;
        let (first, head) = (log.first(), log.head());
        let from = Seq((head.0 - self.ring_frames()).max(0));
        let Ok(limit) = usize::try_from(first.0 - from.0 - 1) else {
            return Ok(());
        };
        if limit == 0 {
            return Ok(());
        }
        let (_, generation) = log.state();
        let events = self
            .store
            .events_after(log.room, from, limit.min(1000))
            .await?;
        if log.state().1 == generation {
            log.prepend(events, &self.context.config);
        }
        Ok(())
    }

    /// Sends what was missed from the store until the ring reaches.
    async fn send_backlog(
        &self,
        id: ConnectionId,
        hold: &Hold,
        after: Seq,
        head: Seq,
        began: u64,
    ) -> store::Result<Start> {
        let log = hold.log();
        let (Some(about), Some(inbox)) = (self.about(id).await, self.inbox(id)) else {
            return Ok(Start::Over);
        };
        let room = log.room;
        // What it reads of the room already would come between.
        inbox.push(Command::Unsubscribe { id, room });
        let mut position = after;
        let mut piece = BytesMut::new();
        self.write_subscribed(room, head, about.variant, &mut piece);
        let mut sent = 0;
        while position.next() < log.first() {
            let events = self.store.events_after(room, position, PAGE).await?;
            let first = log.first();
            let mut is_stuck = true;
            for event in events.iter().take_while(|event| event.seq < first) {
                self.write_event(event, about.variant, &mut piece);
                position = event.seq;
                is_stuck = false;
                sent += 1;
            }
            if is_stuck || sent > MAX_BACKLOG {
                let head = log.head();
                return Ok(Start::At(head, Say::Resync(head)));
            }
            if piece.len() >= PIECE_BYTES {
                let bytes = piece.split().freeze();
                match send_piece(inbox, id, room, began, bytes).await {
                    Sent::Taken => {}
                    Sent::Gone => return Ok(Start::Over),
                    Sent::Stalled => {
                        let head = log.head();
                        return Ok(Start::At(head, Say::Resync(head)));
                    }
                }
            }
        }
        if !piece.is_empty() {
            let (drained, _) = oneshot::channel();
            let bytes = piece.freeze();
            inbox.push(Command::Backlog {
                id,
                room,
                began,
                bytes,
                drained,
            });
        }
        Ok(Start::At(position, Say::Nothing))
    }

    fn write_subscribed(&self, room: RoomId, head: Seq, variant: Variant, out: &mut BytesMut) {
        let epoch = self.context.epoch();
        let control = Control::Subscribed { room, head, epoch };
        let format = variant.format();
        let frame = rendered(|text| self.context.render.control(format, &control, text));
        out.extend_from_slice(&frame);
    }

    fn write_event(&self, event: &Event, variant: Variant, out: &mut BytesMut) {
        let encoded = Encoded::default();
        let write = |format, text: &mut String| self.context.render.event(format, event, text);
        out.extend_from_slice(encoded.get(variant, write).0);
    }

    /// Takes an event by its number and tells everyone whom it concerns.
    pub(crate) fn admit(self: &Arc<Self>, event: &Arc<Event>) {
        let log = self.context.rooms.find(event.room);
        let offered = log
            .as_ref()
            .map(|log| log.offer(Arc::clone(event), &self.context.config));
        if !matches!(offered, Some(Offered::Dropped | Offered::Expected)) {
            self.tell_of(event, log.as_deref());
        }
        let (Some(log), Some(offered)) = (log, offered) else {
            return;
        };
        match offered {
            Offered::Appended | Offered::Expected => self.wake(&log),
            Offered::Waiting if log.opened.initialized() => self.repair_later(&log),
            Offered::Waiting | Offered::Dropped => {}
        }
    }

    /// Wakes the shards that have readers of the room and do not know yet.
    pub(crate) fn wake(&self, log: &RoomLog) {
        for shard in log.to_wake() {
            if let Some(inbox) = self.inboxes.get(shard) {
                inbox.push_dirty(log.room);
            }
        }
    }
}

async fn send_piece(
    inbox: &Inbox,
    id: ConnectionId,
    room: RoomId,
    began: u64,
    bytes: Bytes,
) -> Sent {
    let (drained, is_drained) = oneshot::channel();
    inbox.push(Command::Backlog {
        id,
        room,
        began,
        bytes,
        drained,
    });
    match tokio::time::timeout(PIECE_WAIT, is_drained).await {
        Ok(Ok(())) => Sent::Taken,
        Ok(Err(_)) => Sent::Gone,
        Err(_) => Sent::Stalled,
    }
}
