//! The handle that the rest of the process holds.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Cursor, Epoch, Event, RoomId, Signal, UserId};
use mio::net::TcpStream;
use mio::{Poll, Waker};
use store::Store;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::context::Context;
use crate::frames::SignalFrames;
use crate::inbox::{Command, Inbox};
use crate::shard::{NewConn, Shard, WAKER, Who};
use crate::unread::{self, COUNTED_MEMBERS};
use crate::{
    Adopt, Config, Connected, ConnectionId, Inbound, Purpose, Refused, Render, Revocation, close,
};

/// The most shards; a connection's id carries its shard's number.
const MAX_SHARDS: usize = 64;

/// The running live path. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    pub(crate) hub: Arc<Hub>,
}

/// What the handle's clones share.
pub(crate) struct Hub {
    pub(crate) context: Arc<Context>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) inboxes: Arc<[Arc<Inbox>]>,
    next_id: AtomicU64,
    is_stopping: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    tasks: Mutex<JoinSet<()>>,
    runtime: Handle,
}

impl Live {
    /// Starts the shards and the head check. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no thread or poll, or the store does not tell its epoch.
    pub async fn start(
        mut config: Config,
        store: Arc<dyn Store>,
        render: Arc<dyn Render>,
    ) -> std::io::Result<Live> {
        config.shards = config.shards.clamp(1, MAX_SHARDS);
        let epoch = store.epoch().await.map_err(std::io::Error::other)?;
        let context = Arc::new(Context::new(config, render, epoch));
        let (asks_to, asks) = mpsc::channel(unread::MAX_ASKS);
        let mut inboxes = Vec::new();
        let mut threads = Vec::new();
        for index in 0..context.config.shards {
            let poll = Poll::new()?;
            let inbox = Arc::new(Inbox::new(Waker::new(poll.registry(), WAKER)?));
            inboxes.push(Arc::clone(&inbox));
            let shard = Shard::new(index, Arc::clone(&context), poll, inbox, asks_to.clone());
            let thread = std::thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || shard.run())?;
            threads.push(thread);
        }
        let inboxes: Arc<[Arc<Inbox>]> = inboxes.into();
        let hub = Arc::new(Hub {
            context,
            store: Arc::clone(&store),
            inboxes: Arc::clone(&inboxes),
            next_id: AtomicU64::new(1),
            is_stopping: AtomicBool::new(false),
            threads: Mutex::new(threads),
            tasks: Mutex::new(JoinSet::new()),
            runtime: Handle::current(),
        });
        hub.spawn(unread::answer(store, inboxes, asks));
        hub.start_head_check();
        Ok(Live { hub })
    }

    /// Sets who hears what clients say; once, before the first `adopt`.
    pub fn set_inbound(&self, inbound: Arc<dyn Inbound>) {
        if self.hub.context.inbound.set(inbound).is_err() {
            warn!("the live path was given a second listener; the first one stays");
        }
    }

    /// Whether another socket of this user and address would be taken; asked before the
    /// upgrade so that a refusal is an HTTP status.
    ///
    /// # Errors
    /// [`Refused`] with the limit.
    pub fn admits(&self, user: UserId, address: IpAddr) -> Result<(), Refused> {
        if self.hub.is_stopping.load(Ordering::SeqCst) {
            return Err(Refused::Stopping);
        }
        self.hub.context.limits.admits(user, address)
    }

    /// Takes a socket over.
    ///
    /// # Errors
    /// [`Refused`]; the socket is dropped.
    pub fn adopt(&self, adopt: Adopt) -> Result<ConnectionId, Refused> {
        self.hub.adopt(adopt)
    }

    /// Makes a connection a reader of `room`, from `after` if given. Sends `subscribed` or
    /// `resync`, what was missed, then live, without a hole. The caller has checked access
    /// and checks it again afterwards (a removal may fall in between).
    ///
    /// `Ok` when the connection is gone meanwhile. Dropped half-way, the connection may
    /// have got a part of what it missed and reads nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such room or the membership ended in the meantime,
    /// `Conflict(TooMany)` above 256 rooms on one connection, else the store's failure.
    pub async fn subscribe(
        &self,
        connection: ConnectionId,
        room: RoomId,
        after: Option<Cursor>,
    ) -> store::Result<()> {
        self.hub.subscribe(connection, room, after).await
    }

    /// The connection stops reading `room`; it goes on watching if it did.
    pub fn unsubscribe(&self, connection: ConnectionId, room: RoomId) {
        let id = connection;
        self.hub.tell(connection, Command::Unsubscribe { id, room });
    }

    /// Sends one text message to one connection, behind what is under way to it. A peer
    /// that leaves 1 MiB of these unread is closed with 1013.
    pub fn send(&self, connection: ConnectionId, text: &str) {
        let (id, text) = (connection, text.to_owned());
        self.hub.tell(connection, Command::Send { id, text });
    }

    /// Reads on after `Flow::Pause`.
    pub fn resume(&self, connection: ConnectionId) {
        self.hub
            .tell(connection, Command::Resume { id: connection });
    }

    /// Closes a connection with a code.
    pub fn close(&self, connection: ConnectionId, code: u16, reason: &'static str) {
        let id = connection;
        self.hub
            .tell(connection, Command::Close { id, code, reason });
    }

    /// A committed event. Never fails, never waits for a reader; repeats and disorder are
    /// sorted out by number, holes are read from the store.
    pub fn publish(&self, event: Event) {
        self.hub.admit(&Arc::new(event));
    }

    /// A signal to the readers of a room, but the connections of `except`.
    pub fn signal_readers(&self, room: RoomId, signal: Signal, except: Option<UserId>) {
        let signal = Arc::new(SignalFrames::new(signal));
        for inbox in self.hub.inboxes.iter() {
            let signal = Arc::clone(&signal);
            inbox.push_lossy(Command::SignalReaders {
                room,
                signal,
                except,
            });
        }
    }

    /// A signal to every connection of a user.
    pub fn signal_user(&self, user: UserId, signal: Signal) {
        let signal = Arc::new(SignalFrames::new(signal));
        for inbox in self.hub.inboxes.iter() {
            let signal = Arc::clone(&signal);
            inbox.push_lossy(Command::SignalUser { user, signal });
        }
    }

    /// The user's receipt moved: their other devices and the room's readers are told (the
    /// latter in rooms of up to 100 members: beyond, everybody would be told of everybody),
    /// and the next message makes an unread signal again.
    pub fn receipt(&self, signal: Signal) {
        let Signal::Receipt { room, ref user, .. } = signal else {
            warn!("something else than a receipt was given as one");
            return;
        };
        let user = user.id;
        let log = self.hub.context.rooms.find(room);
        let to_readers = log.is_some_and(|log| log.facts().1 <= COUNTED_MEMBERS);
        let signal = Arc::new(SignalFrames::new(signal));
        for inbox in self.hub.inboxes.iter() {
            inbox.push(Command::Receipt {
                room,
                user,
                signal: Arc::clone(&signal),
                to_readers,
            });
        }
    }

    /// Acts on the end of a right. Resolves when every shard has acted: no frame leaves
    /// afterwards, but for the rest of one that was begun.
    pub async fn revoke(&self, what: Revocation) {
        // First, so that what is under way is refused by the shards (see `doubts`).
        self.hub.context.doubts.note(&what);
        let mut acted = Vec::new();
        for inbox in self.hub.inboxes.iter() {
            let (done, is_done) = oneshot::channel();
            let what = what.clone();
            inbox.push(Command::Revoke { what, done });
            acted.push(is_done);
        }
        for is_done in acted {
            // A shard that ended has no connections left.
            let _ = is_done.await;
        }
    }

    /// The history changed: every reader of every room is told `resync`.
    pub async fn history_changed(&self) {
        self.hub.history_changed().await;
    }

    /// The present history.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.hub.context.epoch()
    }

    /// Sockets now open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.hub.context.open.load(Ordering::Relaxed)
    }

    /// Closes all sockets with 1012, spread over `spread`, and stops the threads. Takes at
    /// most `spread` and the wait for the last echoes.
    pub async fn stop(&self, spread: Duration) {
        self.hub.is_stopping.store(true, Ordering::SeqCst);
        for inbox in self.hub.inboxes.iter() {
            inbox.push(Command::Stop { spread });
        }
        let threads: Vec<_> = lock(&self.hub.threads).drain(..).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    warn!("a shard ended with a panic");
                }
            }
        });
        if joined.await.is_err() {
            warn!("the wait for the shards was cut off");
        }
        let mut tasks = std::mem::take(&mut *lock(&self.hub.tasks));
        tasks.shutdown().await;
    }
}

impl Hub {
    pub(crate) fn inbox(&self, connection: ConnectionId) -> Option<&Arc<Inbox>> {
        self.inboxes
            .get((connection.0 % MAX_SHARDS as u64) as usize)
    }

    fn tell(&self, connection: ConnectionId, command: Command) {
        if let Some(inbox) = self.inbox(connection) {
            inbox.push(command);
        }
    }

    /// Starts a task that ends with the live path.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        if !self.is_stopping.load(Ordering::SeqCst) {
            tasks.spawn_on(task, &self.runtime);
        }
    }

    fn adopt(self: &Arc<Self>, adopt: Adopt) -> Result<ConnectionId, Refused> {
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(Refused::Stopping);
        }
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        let shard = number % self.inboxes.len() as u64;
        let id = ConnectionId(number * MAX_SHARDS as u64 + shard);
        let (who, watches) = match adopt.purpose {
            Purpose::Echo => (None, Vec::new()),
            Purpose::Chat {
                user,
                credential,
                format,
                address,
                watches,
            } => {
                if self.context.doubts.has_credential(&credential) {
                    return Err(Refused::SignedOut);
                }
                self.context.limits.take(user, address)?;
                let connected = Connected {
                    id,
                    user,
                    credential,
                    format,
                };
                (Some(Who { connected, address }), watches)
            }
        };
        let doubted = who
            .as_ref()
            .map(|who| who.connected.clone())
            .filter(|connected| self.context.doubts.has_user(connected.user));
        self.context.open.fetch_add(1, Ordering::Relaxed);
        // Both fail only on a socket that is broken already, which the first read notices;
        // a blocking socket must not reach a shard, though.
        if let Err(error) = adopt.socket.set_nodelay(true) {
            debug!(%error, "a socket could not be set to send at once");
        }
        if let Err(error) = adopt.socket.set_nonblocking(true) {
            debug!(%error, "a socket could not be taken over");
            let _ = adopt.socket.shutdown(std::net::Shutdown::Both);
        }
        self.tell(
            id,
            Command::Adopt(Box::new(NewConn {
                id,
                socket: TcpStream::from_std(adopt.socket),
                leftover: adopt.leftover,
                deflate: adopt.deflate,
                who,
                watches,
            })),
        );
        if let Some(connected) = doubted {
            self.verify(connected);
        }
        Ok(id)
    }

    /// Everything of this user ended a moment ago, and here they are again: rightly, after
    /// a new sign-in, or with a check from before. The store tells.
    fn verify(self: &Arc<Self>, connected: Connected) {
        let hub = Arc::clone(self);
        self.spawn(async move {
            if !hub.is_in_force(&connected).await {
                let id = connected.id;
                let (code, reason) = (close::SIGNED_OUT, "signed out");
                hub.tell(id, Command::Close { id, code, reason });
            }
        });
    }

    /// Whether the account is active and its session or token still exists; a store that
    /// cannot tell counts as no.
    async fn is_in_force(&self, connected: &Connected) -> bool {
        use domain::UserState;
        use domain::actor::Credential;
        let user = connected.user;
        let is_active = self
            .store
            .user(user)
            .await
            .is_ok_and(|user| user.state == UserState::Active);
        is_active
            && match &connected.credential {
                Credential::Session(id) => self
                    .store
                    .sessions(user)
                    .await
                    .is_ok_and(|sessions| sessions.iter().any(|session| session.id == *id)),
                Credential::Token(id, _) => self
                    .store
                    .tokens(user)
                    .await
                    .is_ok_and(|tokens| tokens.iter().any(|token| token.id == *id)),
            }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for inbox in self.inboxes.iter() {
            inbox.push(Command::Stop {
                spread: Duration::ZERO,
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
