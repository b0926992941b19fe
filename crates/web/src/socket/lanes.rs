//! What clients say, worked off in order: one lane per connection, only while it has work.
//!
//! A shard thread puts texts into a lane and goes on; a task takes them out, one after the
//! other. Posts alone overlap: each is *begun* in order, which fixes its place in the
//! writer's queue, and acknowledged when its commit is flushed, so that one socket can fill
//! a batch. When lane and posts are empty, lane and task are gone: an idle connection has
//! nothing here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chat::Chat;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use live::{Connected, ConnectionId, Flow, Inbound, Live};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::ops::{self, Outcome, Pending};

/// Texts waiting in a lane before its connection is not read any more.
const MAX_TEXTS: usize = 256;
/// Their bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Posts begun and not acknowledged; the next is begun when one is.
const MAX_POSTS: usize = 256;
/// Refusals after which a client is sent away.
const MAX_REFUSALS: u32 = 100;
/// RFC 6455: the peer breaks our rules.
const POLICY_VIOLATION: u16 = 1008;

/// The lanes of all connections.
pub(super) struct Lanes {
    chat: Arc<Chat>,
    live: Live,
    runtime: Handle,
    lanes: Mutex<HashMap<ConnectionId, Lane>>,
    me: std::sync::Weak<Lanes>,
}

/// One connection that said something lately, or something wrong ever.
#[derive(Default)]
struct Lane {
    /// Absent while no task works here.
    sender: Option<UnboundedSender<String>>,
    texts: usize,
    bytes: usize,
    is_paused: bool,
    refusals: u32,
}

impl Lanes {
    pub(super) fn start(chat: Arc<Chat>, live: Live) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            chat,
            live,
            runtime: Handle::current(),
            lanes: Mutex::default(),
            me: me.clone(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a text as taken out, and reads on when there is room again.
    fn taken(&self, connection: ConnectionId, bytes: usize) {
        let resumes = {
            let mut lanes = self.lock();
            let Some(lane) = lanes.get_mut(&connection) else {
                return;
            };
            lane.texts = lane.texts.saturating_sub(1);
            lane.bytes = lane.bytes.saturating_sub(bytes);
            let has_room = lane.texts <= MAX_TEXTS / 2 && lane.bytes <= MAX_BYTES / 2;
            has_room && std::mem::replace(&mut lane.is_paused, false)
        };
        if resumes {
            self.live.resume(connection);
        }
    }

    /// Ends a lane's task if nothing came in the meantime. Decided under the lock under
    /// which texts are put in, so none is left behind.
    fn retire(&self, connection: ConnectionId) -> bool {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(&connection) else {
            return true;
        };
        if lane.texts > 0 {
            return false;
        }
        lane.sender = None;
        // Only who has been refused something is remembered, to be sent away at the limit.
        if lane.refusals == 0 {
            lanes.remove(&connection);
        }
        true
    }

    fn refused(&self, connection: ConnectionId) {
        let refusals = {
            let mut lanes = self.lock();
            let Some(lane) = lanes.get_mut(&connection) else {
                return;
            };
            lane.refusals += 1;
            lane.refusals
        };
        if refusals >= MAX_REFUSALS {
            self.live
                .close(connection, POLICY_VIOLATION, "too many refused frames");
        }
    }

    /// Works a lane off until it is empty and every post is acknowledged.
    async fn work(&self, from: Connected, mut texts: UnboundedReceiver<String>) {
        // In order, because that is the order of commits too: nobody waits behind a later one.
        let mut posts: FuturesOrdered<Pending> = FuturesOrdered::new();
        loop {
            tokio::select! {
                biased;
                // Acknowledgements first: they make room.
                Some((answer, is_refusal)) = posts.next(), if !posts.is_empty() => {
                    self.answer(from.id, &answer, is_refusal);
                }
                text = texts.recv(), if posts.len() < MAX_POSTS => match text {
                    Some(text) => {
                        let outcome = ops::run(&self.chat, &self.live, &from, &text).await;
                        self.settle(from.id, outcome, &mut posts);
                        self.taken(from.id, text.len());
                    }
                    // The connection is gone. Begun posts stand without us.
                    None => return,
                },
            }
            if posts.is_empty() && texts.is_empty() && self.retire(from.id) {
                return;
            }
        }
    }

    fn settle(
        &self,
        connection: ConnectionId,
        outcome: Outcome,
        posts: &mut FuturesOrdered<Pending>,
    ) {
        match outcome {
            Outcome::Done => {}
            Outcome::Answer(answer) => self.live.send(connection, &answer),
            Outcome::Refused { answer, counts } => self.answer(connection, &answer, counts),
            Outcome::Posting(post) => posts.push_back(post),
        }
    }

    fn answer(&self, connection: ConnectionId, answer: &str, is_refusal: bool) {
        self.live.send(connection, answer);
        if is_refusal {
            self.refused(connection);
        }
    }
}

impl Inbound for Lanes {
    fn text(&self, from: &Connected, text: String) -> Flow {
        let mut lanes = self.lock();
        let lane = lanes.entry(from.id).or_default();
        lane.texts += 1;
        lane.bytes += text.len();
        lane.is_paused = lane.texts >= MAX_TEXTS || lane.bytes >= MAX_BYTES;
        let flow = if lane.is_paused {
            Flow::Pause
        } else {
            Flow::Continue
        };
        if let Some(sender) = &lane.sender {
            // Fails only when the task is going down with the runtime.
            let _ = sender.send(text);
            return flow;
        }
        let (sender, receiver) = unbounded_channel();
        let _ = sender.send(text);
        lane.sender = Some(sender);
        drop(lanes);
        if let Some(me) = self.me.upgrade() {
            let from = from.clone();
            // Owned by its connection: when that closes, the sender goes and the task ends.
            self.runtime
                .spawn(async move { me.work(from, receiver).await });
        }
        flow
    }

    fn closed(&self, connection: ConnectionId) {
        self.lock().remove(&connection);
    }
}
