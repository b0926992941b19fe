//! Doing what the inbox says.

use bytes::Bytes;
use domain::actor::Credential;
use domain::{RoomId, Seq, UserId};
use tokio::sync::oneshot;

use super::Shard;
use super::conn::{Phase, Put};
use crate::frames::rendered;
use crate::inbox::{About, Command, Read, ReadOutcome, Say};
use crate::{ConnectionId, Control, Revocation, close, ws};

/// A piece of backlog may wait behind direct messages; more than this is refused.
const MAX_BACKLOG_BYTES: usize = 4 * 1024 * 1024;

impl Shard {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Adopt(new) => self.adopt(*new),
            Command::About { id, reply } => self.about(id, reply),
            Command::Read(read) => self.read(*read),
            Command::Backlog {
                id,
                room,
                began,
                bytes,
                drained,
            } => self.backlog(id, room, began, bytes, drained),
            Command::Unsubscribe { id, room } => {
                if let Some(key) = self.key(id) {
                    self.stop_reading(key, room);
                }
            }
            Command::Send { id, text } => self.send(id, &text),
            Command::Resume { id } => {
                if let Some(key) = self.key(id) {
                    self.resume(key);
                }
            }
            Command::Close { id, code, reason } => {
                if let Some(key) = self.key(id) {
                    self.close(key, code, reason);
                }
            }
            Command::Posted {
                room,
                author,
                seq,
                may_mention,
            } => self.posted(room, author, seq, may_mention),
            Command::Told(told) => self.tell(&told),
            Command::Watch { room, user } => {
                for key in self.keys_of(user) {
                    self.watch(key, room);
                }
            }
            Command::Left {
                room,
                user,
                seq,
                keeps_reading,
            } => self.left(room, user, seq, keeps_reading),
            Command::SignalReaders {
                room,
                signal,
                except,
            } => self.signal_readers(room, &signal, except),
            Command::SignalUser { user, signal } => self.signal_user(user, &signal),
            Command::Receipt {
                room,
                user,
                signal,
                to_readers,
            } => self.receipt(room, user, &signal, to_readers),
            Command::Revoke { what, done } => {
                self.revoke(&what);
                // The caller may have gone away; the right has ended all the same.
                let _ = done.send(());
            }
            Command::Stop { spread } => self.stop(spread),
        }
    }

    fn key(&self, id: ConnectionId) -> Option<u32> {
        let key = self.ids.get(&id).copied()?;
        let conn = self.conns.get(key as usize)?;
        (conn.phase == Phase::Open).then_some(key)
    }

    fn user_of(&self, key: u32) -> Option<UserId> {
        let who = self.conns.get(key as usize)?.who.as_ref()?;
        Some(who.connected.user)
    }

    /// Answers nothing (the sender is dropped) when the connection is gone.
    fn about(&self, id: ConnectionId, reply: oneshot::Sender<About>) {
        if let Some(key) = self.key(id)
            && let Some(conn) = self.conns.get(key as usize)
            && let Some(user) = self.user_of(key)
        {
            let variant = conn.variant;
            let _ = reply.send(About { user, variant });
        }
    }

    /// Whether the user's membership ended since a subscription began.
    fn is_revoked(&self, key: u32, room: RoomId, began: u64) -> bool {
        self.user_of(key)
            .is_none_or(|user| self.context.doubts.membership_after(room, user, began))
    }

    fn read(&mut self, read: Read) {
        // Dropping `done` says that the connection is gone.
        let Some(key) = self.key(read.id) else {
            return;
        };
        let room = read.hold.log().room;
        let outcome = if self.is_revoked(key, room, read.began) {
            ReadOutcome::Refused
        } else if read.hold.log().state().1 != read.generation {
            ReadOutcome::Stale
        } else if self.start_reading(key, read.hold, read.position, read.generation) {
            self.say(key, room, read.say);
            self.catch_up(key);
            ReadOutcome::Reading
        } else {
            ReadOutcome::TooMany
        };
        let _ = read.done.send(outcome);
    }

    fn say(&mut self, key: u32, room: RoomId, say: Say) {
        let epoch = self.context.epoch();
        let control = match say {
            Say::Nothing => return,
            Say::Subscribed(head) => Control::Subscribed { room, head, epoch },
            Say::Resync(head) => Control::Resync { room, head, epoch },
        };
        self.put_control(key, &control);
    }

    pub(super) fn say_ready(&mut self, key: u32) {
        let Some(user) = self.user_of(key) else {
            return;
        };
        let ready = Control::Ready {
            user,
            epoch: self.context.epoch(),
            heartbeat_s: self.context.config.heartbeat.as_secs(),
        };
        self.put_control(key, &ready);
    }

    fn put_control(&mut self, key: u32, control: &Control) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        let format = conn.variant.format();
        let frame = rendered(|out| self.context.render.control(format, control, out));
        let put = conn.put(&frame);
        self.settle(key, put);
    }

    fn settle(&mut self, key: u32, put: Put) {
        match put {
            Put::Done => {}
            Put::Full => self.close(key, close::OVERLOAD, "too far behind"),
            Put::Dead => self.dead.push(key),
        }
    }

    /// Dropping `drained` says that it was refused or the connection is gone.
    fn backlog(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        began: u64,
        bytes: Bytes,
        drained: oneshot::Sender<()>,
    ) {
        let Some(key) = self.key(id) else {
            return;
        };
        if self.is_revoked(key, room, began) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(key as usize) {
            let put = conn.put_chunk(bytes, Some(room), Some(drained), MAX_BACKLOG_BYTES);
            self.settle(key, put);
        }
    }

    fn send(&mut self, id: ConnectionId, text: &str) {
        let Some(key) = self.key(id) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        let plain = ws::text_frame(text);
        let small = conn.deflate.then(|| ws::deflated_frame(&plain)).flatten();
        let put = conn.put(&small.unwrap_or(plain));
        self.settle(key, put);
    }

    /// A membership ended by an event that its holder may still see.
    fn left(&mut self, room: RoomId, user: UserId, seq: Seq, keeps_reading: bool) {
        for key in self.keys_of(user) {
            self.unwatch(key, room);
            if !keeps_reading {
                self.write_last(key, room, seq);
                self.stop_reading(key, room);
            }
        }
    }

    fn revoke(&mut self, what: &Revocation) {
        match *what {
            Revocation::Session(session) => {
                self.close_where(|held| matches!(held, Credential::Session(id) if *id == session));
            }
            Revocation::Token(token) => {
                self.close_where(|held| matches!(held, Credential::Token(id, _) if *id == token));
            }
            Revocation::User(user, code) => {
                for key in self.keys_of(user) {
                    self.close(key, code, reason_of(code));
                }
            }
            Revocation::Membership(room, user) => {
                for key in self.keys_of(user) {
                    self.stop_reading(key, room);
                    self.unwatch(key, room);
                    if let Some(conn) = self.conns.get_mut(key as usize) {
                        conn.forget_room(room);
                    }
                }
            }
        }
    }

    /// Looks at every connection: rights end rarely, an index would cost all the time.
    fn close_where(&mut self, is_meant: impl Fn(&Credential) -> bool) {
        let keys: Vec<u32> = self
            .conns
            .iter()
            .filter(|(_, conn)| {
                conn.who
                    .as_ref()
                    .is_some_and(|who| is_meant(&who.connected.credential))
            })
            .map(|(key, _)| key as u32)
            .collect();
        for key in keys {
            self.close(key, close::SIGNED_OUT, reason_of(close::SIGNED_OUT));
        }
    }
}

fn reason_of(code: u16) -> &'static str {
    match code {
        close::SIGNED_OUT => "signed out",
        close::BANNED => "banned",
        close::RESTART => "restarting",
        _ => "",
    }
}
