//! Telling those who do not look that something is new, and other signals.
//!
//! A watcher is told once per room until its receipt moves, and once more per mention, so
//! what this costs follows who has not been told yet, not who is online. How much is
//! unread is the store's to say: the shard only finds out whom to ask for (`crate::unread`).

use domain::{RoomId, Seq, Signal, UserId};

use super::conn::{Phase, Put};
use super::{Shard, Watcher};
use crate::frames::SignalFrames;
use crate::inbox::Told;
use crate::unread::Ask;

/// Users asked for at once; of more, the rest is told by the next message.
const MAX_ASKED: usize = 16_384;

impl Shard {
    /// A message was posted: asks what watchers who need to know should be told.
    pub(super) fn posted(&mut self, id: RoomId, author: UserId, seq: Seq, may_mention: bool) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(entry) = self.rooms.get_mut(room as usize) else {
            return;
        };
        let mut users = Vec::new();
        for watcher in &mut entry.watchers {
            if watcher.is_reading || (watcher.is_flagged && !may_mention) {
                continue;
            }
            let user = self
                .conns
                .get(watcher.conn as usize)
                .and_then(|conn| conn.who.as_ref())
                .map(|who| who.connected.user);
            let Some(user) = user.filter(|user| *user != author) else {
                continue;
            };
            if users.len() < MAX_ASKED {
                watcher.is_flagged = true;
                users.push(user);
            }
        }
        if users.is_empty() {
            return;
        }
        users.sort_unstable();
        users.dedup();
        let ask = Ask {
            shard: self.index,
            room: id,
            head: seq,
            may_mention,
            users,
        };
        // Full: nobody was told, so the next message tries again.
        if let Err(error) = self.asks.try_send(ask) {
            let users = error.into_inner().users;
            self.each_watcher(id, |watcher, user| {
                if users.binary_search(&user).is_ok() {
                    watcher.is_flagged = false;
                }
            });
        }
    }

    fn each_watcher(&mut self, id: RoomId, mut act: impl FnMut(&mut Watcher, UserId)) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(entry) = self.rooms.get_mut(room as usize) else {
            return;
        };
        for watcher in &mut entry.watchers {
            if let Some(conn) = self.conns.get(watcher.conn as usize)
                && let Some(who) = &conn.who
            {
                act(watcher, who.connected.user);
            }
        }
    }

    /// Passes on what the store said.
    pub(super) fn tell(&mut self, told: &Told) {
        let mut news: Vec<(u32, Option<i64>, i64)> = Vec::new();
        self.each_watcher(told.room, |watcher, user| {
            if told.untold.binary_search(&user).is_ok() {
                watcher.is_flagged = false;
                return;
            }
            let Ok(at) = told.counts.binary_search_by_key(&user, |(user, ..)| *user) else {
                return;
            };
            let Some(&(_, unread, mentions)) = told.counts.get(at) else {
                return;
            };
            if watcher.is_reading || !watcher.is_flagged {
                return;
            }
            if unread == Some(0) {
                // Read elsewhere or deleted meanwhile.
                watcher.is_flagged = false;
                return;
            }
            let known = watcher.mentions;
            let now = u16::try_from(mentions)
                .unwrap_or(u16::MAX - 1)
                .saturating_add(1);
            // `mentions` counts from 1, so that 0 is "not told at all".
            if known != 0 && now <= known {
                return;
            }
            watcher.mentions = now;
            news.push((watcher.conn, unread, mentions));
        });
        let mut last: Option<(Option<i64>, i64, SignalFrames)> = None;
        for (key, unread, mentions) in news {
            let is_same = last
                .as_ref()
                .is_some_and(|(u, m, _)| (*u, *m) == (unread, mentions));
            if !is_same {
                let signal = Signal::Unread {
                    room: told.room,
                    unread,
                    mentions,
                    head: told.head,
                };
                last = Some((unread, mentions, SignalFrames::new(signal)));
            }
            if let Some((_, _, frames)) = &last {
                self.put_signal(key, frames);
            }
        }
    }

    fn put_signal(&mut self, key: u32, signal: &SignalFrames) {
        let Some(conn) = self.conns.get_mut(key as usize) else {
            return;
        };
        if conn.phase != Phase::Open {
            return;
        }
        let frame = signal.get(conn.variant, &*self.context.render);
        if conn.put_lossy(frame) == Put::Dead {
            self.dead.push(key);
        }
    }

    /// A signal to a room's readers.
    pub(super) fn signal_readers(
        &mut self,
        id: RoomId,
        signal: &SignalFrames,
        except: Option<UserId>,
    ) {
        let Some(&room) = self.room_index.get(&id) else {
            return;
        };
        let Some(entry) = self.rooms.get(room as usize) else {
            return;
        };
        for reader in &entry.readers {
            let Some(conn) = self.conns.get_mut(reader.conn as usize) else {
                continue;
            };
            let user = conn.who.as_ref().map(|who| who.connected.user);
            if (except.is_some() && user == except) || conn.phase != Phase::Open {
                continue;
            }
            let frame = signal.get(conn.variant, &*self.context.render);
            if conn.put_lossy(frame) == Put::Dead {
                self.dead.push(reader.conn);
            }
        }
    }

    /// A signal to a user's connections.
    pub(super) fn signal_user(&mut self, user: UserId, signal: &SignalFrames) {
        for key in self.keys_of(user) {
            self.put_signal(key, signal);
        }
    }

    /// A receipt moved: the user's connections may be told anew.
    pub(super) fn receipt(
        &mut self,
        room: RoomId,
        user: UserId,
        signal: &SignalFrames,
        to_readers: bool,
    ) {
        for key in self.keys_of(user) {
            self.clear_flag(key, room);
            self.put_signal(key, signal);
        }
        if to_readers {
            self.signal_readers(room, signal, Some(user));
        }
    }

    fn clear_flag(&mut self, key: u32, id: RoomId) {
        if let Some(&room) = self.room_index.get(&id)
            && let Some(conn) = self.conns.get(key as usize)
            && let Some(link) = conn.watches.iter().find(|link| link.room == room)
            && let Some(entry) = self.rooms.get_mut(room as usize)
            && let Some(watcher) = entry.watchers.get_mut(link.slot as usize)
        {
            watcher.is_flagged = false;
            watcher.mentions = 0;
        }
    }
}
