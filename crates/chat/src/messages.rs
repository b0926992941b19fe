//! Posting, editing, deleting, reading: the spine.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use domain::policy::Action;
use domain::{
    Actor, Body, Event, Message, MessageId, Nonce, Origin, RoomId, RoomKind, RoomRef, Seq, Signal,
    markup, messages::normalize_source,
};
use sha2::{Digest, Sha256};
use store::{
    Appended, Conflict, EditMessage, EditVersion, NewMessage, PageAnchor, Receipt, RoomPage,
    StoreError,
};

use crate::access::{MessageAccess, RoomAccess};
use crate::{Chat, Error};

type Result<T, E = Error> = std::result::Result<T, E>;

/// A message not yet accepted.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where.
    pub room: RoomRef,
    /// Markdown as typed.
    pub source: String,
    /// The sender's key; the same key again gives the same message.
    pub nonce: Nonce,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// How it came.
    pub origin: Origin,
}

/// What became of a draft.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The message as it is now.
    pub message: Message,
    /// True when the nonce repeated: nothing new was stored.
    pub repeated: bool,
}

/// A draft on its way to the disk, in the order in which posts were begun.
///
/// Whoever drops it does not undo the post: what was committed is published all the same.
pub struct PendingPost {
    /// The sender's key, to name the post by in an answer.
    pub nonce: Nonce,
    room_kind: RoomKind,
    chat: Arc<Chat>,
    progress: Progress,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one lives per post, and only for a moment"
)]
enum Progress {
    Appending(Pin<Box<dyn Future<Output = Result<Appended, StoreError>> + Send>>),
    Done(Result<Posted>),
    Taken,
}

impl PendingPost {
    /// The outcome, after the flushed commit.
    ///
    /// # Errors
    /// As for [`Chat::post_message`].
    pub async fn wait(mut self) -> Result<Posted> {
        poll_fn(|context| {
            if let Progress::Appending(appending) = &mut self.progress {
                let appended = ready!(appending.as_mut().poll(context));
                let outcome = self.chat.publish_appended(self.room_kind, appended);
                self.progress = Progress::Done(outcome);
            }
            match std::mem::replace(&mut self.progress, Progress::Taken) {
                Progress::Done(outcome) => Poll::Ready(outcome),
                // Unreachable by construction: `wait` takes the post, and polls once more
                // only while it is appending.
                _ => Poll::Ready(Err(Error::Unavailable { retry_after_s: 2 })),
            }
        })
        .await
    }
}

/// A client that hangs up between commit and publishing must not leave readers waiting for
/// the head check, so the rest is done by a task of our own.
impl Drop for PendingPost {
    fn drop(&mut self) {
        let progress = std::mem::replace(&mut self.progress, Progress::Taken);
        if let Progress::Appending(appending) = progress {
            let (chat, kind) = (Arc::clone(&self.chat), self.room_kind);
            self.chat.tasks.spawn(async move {
                let _ = chat.publish_appended(kind, appending.await);
            });
        }
    }
}

impl Chat {
    /// Posts a message: access, policy, markup, one transaction, publish. Resolves after
    /// the flushed commit.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid` (`empty`, `too_long`), `TooMany`,
    /// `Conflict(NonceReused)` when the nonce stands for another draft.
    pub async fn post_message(self: &Arc<Self>, actor: &Actor, draft: Draft) -> Result<Posted> {
        self.begin_post(actor, draft).await?.wait().await
    }

    /// The first half of [`Chat::post_message`]: returns once the post stands in the
    /// writer's queue. Posts begun one after the other get their numbers in that order,
    /// while their acknowledgements are awaited together; that is what lets one socket
    /// have many posts in flight.
    ///
    /// # Errors
    /// As for [`Chat::post_message`], as far as known before storing.
    pub async fn begin_post(self: &Arc<Self>, actor: &Actor, draft: Draft) -> Result<PendingPost> {
        let author = actor.user().ok_or(Error::Unauthorized)?;
        let access = self.room_to_post(actor, &draft.room).await?;
        access.check(actor, Action::Post)?;
        let room = access.room().id;
        self.limits.message(author, room)?;
        let source = normalize_source(&draft.source, self.settings.max_message_chars)?;
        let compiled = markup::compile(&source);
        let new = NewMessage {
            room,
            author,
            nonce: draft.nonce,
            fingerprint: fingerprint(room, &source, draft.reply_to),
            mentions: compiled.mentions,
            body: Body::Markdown {
                source,
                html: compiled.html,
            },
            origin: draft.origin,
            reply_to: draft.reply_to,
            join_if_open: access.membership().is_none(),
            at: self.env.now(),
        };
        Ok(self.enqueue(new, access.room().kind).await)
    }

    /// Puts the post into the writer's queue.
    async fn enqueue(self: &Arc<Self>, new: NewMessage, room_kind: RoomKind) -> PendingPost {
        let nonce = new.nonce;
        let store = Arc::clone(&self.store);
        let mut appending: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async move { store.append_message(new).await });
        // The first poll takes the place in the queue, which keeps the order of callers.
        let early = poll_fn(|context| Poll::Ready(appending.as_mut().poll(context))).await;
        let progress = match early {
            Poll::Ready(appended) => Progress::Done(self.publish_appended(room_kind, appended)),
            Poll::Pending => Progress::Appending(appending),
        };
        PendingPost {
            nonce,
            room_kind,
            chat: Arc::clone(self),
            progress,
        }
    }

    fn publish_appended(
        &self,
        room_kind: RoomKind,
        appended: Result<Appended, StoreError>,
    ) -> Result<Posted> {
        let appended = appended.map_err(|error| match error {
            // Removed between the check and the commit: as absent as to anyone outside.
            StoreError::Conflict(Conflict::NotMember) if room_kind != RoomKind::Open => {
                Error::NotFound
            }
            StoreError::NotFound => Error::invalid(
                "reply_to",
                "invalid",
                "the message you answer is not in this room any more",
            ),
            other => other.into(),
        })?;
        for event in appended.events {
            self.live.publish(event);
        }
        Ok(Posted {
            message: appended.message,
            repeated: appended.repeated,
        })
    }

    /// Replaces the body of one's own message.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`, `Conflict(Stale)` when `if_version` no longer holds,
    /// `Conflict(Deleted)`.
    pub async fn edit_message(
        self: &Arc<Self>,
        actor: &Actor,
        message: MessageId,
        source: &str,
        if_version: Option<i64>,
    ) -> Result<Message> {
        let editor = actor.user().ok_or(Error::Unauthorized)?;
        let access = self.message(actor, message).await?;
        access.check(actor, Action::EditMessage)?;
        self.limits.message(editor, access.room().id)?;
        let source = normalize_source(source, self.settings.max_message_chars)?;
        let compiled = markup::compile(&source);
        let edit = EditMessage {
            message,
            editor,
            mentions: compiled.mentions,
            body: Body::Markdown {
                source,
                html: compiled.html,
            },
            if_version,
            at: self.env.now(),
        };
        let chat = Arc::clone(self);
        self.finish(async move {
            let (message, event) = chat.store.edit_message(edit).await?;
            chat.publish_all(event);
            Ok(message)
        })
        .await
    }

    /// Makes a message a tombstone. Deleting a tombstone changes nothing.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn delete_message(
        self: &Arc<Self>,
        actor: &Actor,
        message: MessageId,
    ) -> Result<Message> {
        let by = actor.user().ok_or(Error::Unauthorized)?;
        let access = self.message(actor, message).await?;
        access.check(actor, Action::DeleteMessage)?;
        self.limits.change(by)?;
        let chat = Arc::clone(self);
        let at = self.env.now();
        self.finish(async move {
            let (message, event) = chat.store.delete_message(message, by, at).await?;
            chat.publish_all(event);
            Ok(message)
        })
        .await
    }

    /// Earlier versions of a message, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn edits(&self, actor: &Actor, access: &MessageAccess) -> Result<Vec<EditVersion>> {
        access.check(actor, Action::ReadEdits)?;
        Ok(self.store.edits(access.message().id).await?)
    }

    /// A page of history with the head it belongs to.
    ///
    /// # Errors
    /// `Unavailable` and its kin; access has been decided.
    pub async fn page(
        &self,
        access: &RoomAccess,
        anchor: PageAnchor,
        limit: usize,
    ) -> Result<RoomPage> {
        Ok(self
            .store
            .room_page(access.room().id, anchor, limit)
            .await?)
    }

    /// Events after a seq, oldest first.
    ///
    /// # Errors
    /// `Unavailable` and its kin; access has been decided.
    pub async fn events(
        &self,
        access: &RoomAccess,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>> {
        Ok(self
            .store
            .events_after(access.room().id, after, limit)
            .await?)
    }

    /// Who has read each message of a page (one room, ascending), and when; empty in rooms
    /// of over 100 members. One read for them all.
    ///
    /// # Errors
    /// `Unavailable` and its kin.
    pub async fn read_by(&self, messages: &[Message]) -> Result<Vec<Vec<Receipt>>> {
        let Some(first) = messages.first() else {
            return Ok(Vec::new());
        };
        let asked: Vec<_> = messages
            .iter()
            .map(|said| (said.seq, said.author.id))
            .collect();
        Ok(self.store.receipts(first.room, &asked).await?)
    }

    /// The actor's own message by its nonce, for a client that lost the answer.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn message_by_nonce(&self, actor: &Actor, nonce: Nonce) -> Result<Message> {
        let author = actor.user().ok_or(Error::Unauthorized)?;
        let message = self
            .store
            .message_by_nonce(author, nonce)
            .await?
            .ok_or(Error::NotFound)?;
        self.message(actor, message.id).await?;
        Ok(message)
    }

    /// Moves the actor's receipt forward; other devices and readers are told.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `TooMany`.
    pub async fn mark_read(&self, actor: &Actor, room: &RoomRef, seq: Seq) -> Result<()> {
        let access = self.room(actor, room).await?;
        access.check(actor, Action::MarkRead)?;
        let user = actor.user().ok_or(Error::Unauthorized)?;
        self.limits.change(user)?;
        let (room, at) = (access.room().id, self.env.now());
        if let Some(seq) = self.store.mark_read(room, user, seq, at).await?
            && let Some(author) = author(actor)
        {
            self.live.receipt(Signal::Receipt {
                room,
                user: author,
                seq,
                at,
            });
        }
        Ok(())
    }

    /// Sets the actor's "unread from here" marker.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `TooMany`.
    pub async fn mark_unread(&self, actor: &Actor, room: &RoomRef, seq: Seq) -> Result<()> {
        let access = self.room(actor, room).await?;
        access.check(actor, Action::MarkRead)?;
        let user = actor.user().ok_or(Error::Unauthorized)?;
        self.limits.change(user)?;
        Ok(self.store.mark_unread(access.room().id, user, seq).await?)
    }

    /// Tells the room's readers that the actor is writing, at most every 3 s. Someone who
    /// may not post there is dropped without a word.
    ///
    /// # Errors
    /// `Unavailable` and its kin.
    pub async fn typing(&self, actor: &Actor, room: RoomId) -> Result<()> {
        let Some(user) = author(actor) else {
            return Ok(());
        };
        if !self.limits.typing(room, user.id) {
            return Ok(());
        }
        match self.room(actor, &RoomRef::Id(room)).await {
            Ok(access) if access.may(actor, Action::Post) => {
                let except = Some(user.id);
                self.live
                    .signal_readers(room, Signal::Typing { room, user }, except);
                Ok(())
            }
            Ok(_) | Err(Error::NotFound | Error::Denied(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A key for a sender that brought none.
    #[must_use]
    pub fn fresh_nonce(&self) -> Nonce {
        self.env.nonce()
    }

    /// The key that a page's form carries: the same for the same page of a room, so that
    /// sending it twice stores one message.
    #[must_use]
    pub fn form_nonce(&self, actor: &Actor, access: &RoomAccess, head: Seq) -> Nonce {
        let user = actor.user().map_or(0, |user| user.0);
        let epoch = self.live.epoch();
        let page = format!("{user}:{}:{head}:{epoch}", access.room().id);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.keyed_hash(b"form", &page);
        let bytes = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        Nonce(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Publishes what was committed, in order.
    pub(crate) fn publish_all(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.live.publish(event);
        }
    }

    /// Runs a write with its publishing to the end, even when the caller hangs up.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let joined = self.tasks.spawn(work).await;
        joined.unwrap_or_else(|error| {
            tracing::error!("a task did not finish: {error}");
            Err(Error::Internal("task".into()))
        })
    }
}

/// What a nonce stands for: the room, the original body and the message answered.
fn fingerprint(room: RoomId, source: &str, reply_to: Option<MessageId>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(room.0.to_be_bytes());
    hash.update(reply_to.map_or(0, |id| id.0).to_be_bytes());
    hash.update(source.as_bytes());
    hash.finalize().into()
}

/// The actor as others see them.
pub(crate) fn author(actor: &Actor) -> Option<domain::Author> {
    actor.standing().map(|standing| domain::Author {
        id: standing.user,
        username: standing.username.clone(),
        display_name: standing.display_name.clone(),
        kind: standing.kind,
    })
}
