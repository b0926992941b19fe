//! The only way to an object: found for an actor, with the facts permissions need.
//!
//! [`RoomAccess`] and [`MessageAccess`] have private fields and are made here alone, so a
//! function that takes one cannot be called by someone who forgot to check. What the actor
//! must not know of is the same `NotFound` as what does not exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::policy::{self, Action, Decision, Facts};
use domain::{Actor, Membership, Message, MessageId, Room, RoomRef, Time, UserId};

use crate::{Chat, Error, Result};

/// A room that its actor may read.
#[derive(Clone, Debug)]
pub struct RoomAccess {
    room: Room,
    membership: Option<Membership>,
    facts: Facts,
}

impl RoomAccess {
    /// Whether `actor` may do `action` to a message of this room.
    #[must_use]
    pub fn may_on(&self, actor: &Actor, action: Action, message: &Message) -> bool {
        let facts = Facts {
            author: Some(message.author.id),
            is_deleted: message.deleted_at.is_some(),
            ..self.facts.clone()
        };
        policy::decide(actor, action, &facts) == Decision::Allow
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The actor's membership, if any.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Whether `actor` may do `action` here; for pages that hide what is not allowed.
    #[must_use]
    pub fn may(&self, actor: &Actor, action: Action) -> bool {
        policy::decide(actor, action, &self.facts) == Decision::Allow
    }

    /// Refuses what the policy refuses.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub fn check(&self, actor: &Actor, action: Action) -> Result<()> {
        require(actor, action, &self.facts)
    }
}

/// A message in a room that its actor may read.
#[derive(Clone, Debug)]
pub struct MessageAccess {
    message: Message,
    room: Room,
    facts: Facts,
}

impl MessageAccess {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its room.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Whether `actor` may do `action` to it; for pages that hide what is not allowed.
    #[must_use]
    pub fn may(&self, actor: &Actor, action: Action) -> bool {
        policy::decide(actor, action, &self.facts) == Decision::Allow
    }

    /// Refuses what the policy refuses.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub fn check(&self, actor: &Actor, action: Action) -> Result<()> {
        require(actor, action, &self.facts)
    }
}

/// Turns a decision into a result.
pub(crate) fn require(actor: &Actor, action: Action, facts: &Facts) -> Result<()> {
    match policy::decide(actor, action, facts) {
        Decision::Allow => Ok(()),
        Decision::Hide => Err(Error::NotFound),
        Decision::Deny(reason) => Err(Error::Denied(reason)),
    }
}

impl Chat {
    /// The room for this actor, who may read it. One read of the store.
    ///
    /// # Errors
    /// `NotFound` when it does not exist or must stay hidden; `Denied` by the account's
    /// state or the token's scopes.
    pub async fn room(&self, actor: &Actor, room: &RoomRef) -> Result<RoomAccess> {
        let found = self.store.room_facts(room, actor.user()).await?;
        let facts = room_facts(&found.room, found.membership.as_ref());
        require(actor, Action::ReadRoom, &facts)?;
        Ok(RoomAccess {
            room: found.room,
            membership: found.membership,
            facts,
        })
    }

    /// The room for this actor, who is about to post there: as [`Chat::room`], but what was
    /// read in the last second serves again while no right has ended. Posting can afford it
    /// because the store looks at account, membership and archive once more inside the
    /// transaction.
    pub(crate) async fn room_to_post(
        &self,
        actor: &Actor,
        room: &RoomRef,
    ) -> Result<Arc<RoomAccess>> {
        let user = actor.user().ok_or(Error::Unauthorized)?;
        let (now, rights) = (self.env.now(), self.actors.rights());
        let key = (user, room.clone());
        if let Some(known) = self.postable.find(&key, now, rights) {
            require(actor, Action::ReadRoom, &known.facts)?;
            return Ok(known);
        }
        let access = Arc::new(self.room(actor, room).await?);
        self.postable.keep(key, Arc::clone(&access), now, rights);
        Ok(access)
    }

    /// The message for this actor, who may read its room. One read of the store.
    ///
    /// # Errors
    /// As for [`Chat::room`].
    pub async fn message(&self, actor: &Actor, message: MessageId) -> Result<MessageAccess> {
        let found = self.store.message_facts(message, actor.user()).await?;
        let facts = Facts {
            author: Some(found.message.author.id),
            is_deleted: found.message.deleted_at.is_some(),
            ..room_facts(&found.room, found.membership.as_ref())
        };
        require(actor, Action::ReadRoom, &facts)?;
        Ok(MessageAccess {
            message: found.message,
            room: found.room,
            facts,
        })
    }
}

/// Rooms that people posted to a moment ago.
#[derive(Default)]
pub(crate) struct Postable {
    by_person: Mutex<HashMap<(UserId, RoomRef), Remembered>>,
}

struct Remembered {
    access: Arc<RoomAccess>,
    at: Time,
    rights: u64,
}

impl Postable {
    const LIFE_MS: i64 = 1_000;
    /// Above so many all are forgotten, which only costs reads.
    const MAX: usize = 10_000;

    fn find(&self, key: &(UserId, RoomRef), now: Time, rights: u64) -> Option<Arc<RoomAccess>> {
        let by_person = self
            .by_person
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = by_person.get(key)?;
        let is_good =
            known.rights == rights && (0..Self::LIFE_MS).contains(&now.ms_since(known.at));
        is_good.then(|| Arc::clone(&known.access))
    }

    fn keep(&self, key: (UserId, RoomRef), access: Arc<RoomAccess>, at: Time, rights: u64) {
        let mut by_person = self
            .by_person
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if by_person.len() >= Self::MAX {
            by_person.clear();
        }
        by_person.insert(key, Remembered { access, at, rights });
    }
}

fn room_facts(room: &Room, membership: Option<&Membership>) -> Facts {
    Facts {
        room_kind: Some(room.kind),
        is_lobby: room.is_lobby(),
        is_archived: room.archived_at.is_some(),
        member_role: membership.map(|membership| membership.role),
        ..Facts::default()
    }
}
