//! People, rooms and posts for the cases, made through the traits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{
    Body, Event, Message, MessageId, Nonce, Origin, Role, Room, RoomId, RoomKind, Time, User,
    UserId, UserKind,
};

use crate::{
    Appended, Conflict, CreateRoom, EditMessage, NewMessage, NewSession, NewToken, NewUser, Result,
    Store, StoreError,
};

/// The lobby of every house.
pub(super) const LOBBY: RoomId = RoomId(1);

static NONCE: AtomicI64 = AtomicI64::new(1);

/// A nonce nobody has used.
pub(super) fn nonce() -> Nonce {
    let number = NONCE.fetch_add(1, Ordering::Relaxed).cast_unsigned();
    // Spread like random ones, so that an index meets them out of order.
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Nonce(uuid::Uuid::from_u64_pair(high, number))
}

/// An account to make, named by its skeleton.
pub(super) fn new_user(name: &str, role: Role) -> NewUser {
    NewUser {
        username: name.to_owned(),
        skeleton: name.to_lowercase(),
        display_name: format!("{name} Example"),
        email: None,
        kind: UserKind::Person,
        role,
        password_hash: Some(format!("hash of {name}")),
        at: Time(1_000),
    }
}

/// A message to post, unlike every other.
pub(super) fn draft(room: RoomId, author: UserId, source: &str) -> NewMessage {
    let mut fingerprint = [0; 32];
    for (place, byte) in fingerprint.iter_mut().zip(source.bytes()) {
        *place = byte;
    }
    NewMessage {
        room,
        author,
        nonce: nonce(),
        fingerprint,
        body: markdown(source),
        mentions: Vec::new(),
        origin: Origin::Person,
        reply_to: None,
        join_if_open: false,
        at: Time(10_000),
    }
}

pub(super) fn markdown(source: &str) -> Body {
    Body::Markdown {
        source: source.to_owned(),
        html: format!("<p>{source}</p>"),
    }
}

/// The Markdown source of a message; panics on a tombstone.
pub(super) fn source(message: &Message) -> &str {
    match &message.body {
        Some(Body::Markdown { source, .. }) => source,
        other => panic!("no Markdown: {other:?}"),
    }
}

pub(super) fn edit_of(message: MessageId, editor: UserId, source: &str) -> EditMessage {
    EditMessage {
        message,
        editor,
        body: markdown(source),
        mentions: Vec::new(),
        if_version: None,
        at: Time(20_000),
    }
}

pub(super) fn new_session(user: UserId, secret: u8) -> NewSession {
    NewSession {
        user,
        secret_hash: [secret; 32],
        agent: "Browser".into(),
        address: "192.0.2.1".into(),
        proof: None,
        at: Time(5_000),
    }
}

pub(super) fn new_token(user: UserId, secret: u8) -> NewToken {
    NewToken {
        user,
        name: format!("token {secret}"),
        secret_hash: [secret; 32],
        scopes: domain::Scopes::ALL,
        proof: None,
        at: Time(5_000),
    }
}

/// Asserts that `result` is this refusal.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>, expected: Conflict) {
    match result {
        Err(StoreError::Conflict(found)) => assert_eq!(found, expected),
        other => panic!("expected {expected:?}, got {other:?}"),
    }
}

/// Asserts that `result` is `NotFound`.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers pass what a call returned"
)]
pub(super) fn absent<T: std::fmt::Debug>(result: Result<T>) {
    assert!(
        matches!(result, Err(StoreError::NotFound)),
        "expected NotFound, got {result:?}"
    );
}

/// A house with its owner Ada, and Bob; both are in the lobby (events 1 and 2).
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) store: Arc<dyn Store>,
    pub(super) ada: User,
    pub(super) bob: User,
}

impl Scene {
    pub(super) async fn new(store: Arc<dyn Store>) -> Self {
        let (ada, _) = store
            .create_user(&new_user("Ada", Role::Owner))
            .await
            .unwrap();
        let (bob, _) = store
            .create_user(&new_user("Bob", Role::Member))
            .await
            .unwrap();
        Self { store, ada, bob }
    }

    pub(super) async fn person(&self, name: &str) -> User {
        let new = new_user(name, Role::Member);
        self.store.create_user(&new).await.unwrap().0
    }

    /// A room of Ada's.
    pub(super) async fn room(&self, name: &str, kind: RoomKind) -> Room {
        let new = CreateRoom {
            name: name.to_owned(),
            slug: Some(name.to_lowercase()),
            kind,
            topic: String::new(),
            creator: self.ada.id,
            at: Time(2_000),
        };
        self.store.create_room(&new).await.unwrap().0
    }

    pub(super) async fn receipts(&self, seq: domain::Seq) -> Vec<crate::Receipt> {
        let asked = [(seq, self.ada.id)];
        let read = self.store.receipts(LOBBY, &asked).await.unwrap();
        read.into_iter().flatten().collect()
    }

    pub(super) async fn post(&self, room: RoomId, author: UserId, source: &str) -> Message {
        self.append(draft(room, author, source)).await.message
    }

    pub(super) async fn append(&self, new: NewMessage) -> Appended {
        self.store.append_message(new).await.unwrap()
    }

    /// The whole log of `room`.
    pub(super) async fn log(&self, room: RoomId) -> Vec<Event> {
        let mut log: Vec<Event> = Vec::new();
        loop {
            let after = log.last().map_or(domain::Seq::ZERO, |event| event.seq);
            let more = self.store.events_after(room, after, 1000).await.unwrap();
            if more.is_empty() {
                return log;
            }
            log.extend(more);
        }
    }

    /// Asserts that the log of `room` is gapless up to its head.
    pub(super) async fn assert_gapless(&self, room: RoomId) {
        let log = self.log(room).await;
        for (event, expected) in log.iter().zip(1..) {
            assert_eq!(event.seq.0, expected);
        }
        let heads = self.store.heads(&[room]).await.unwrap();
        assert_eq!(heads[0].1.0, i64::try_from(log.len()).unwrap());
    }
}
