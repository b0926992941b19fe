//! Making, listing, joining, leaving and changing rooms.

use std::sync::Arc;

use domain::policy::{Action, Facts};
use domain::{
    Actor, Cursor, Membership, Room, RoomChanges, RoomId, RoomKind, RoomName, RoomRef, Slug, Topic,
};
use live::{ConnectionId, Revocation};
use store::{ChangeRoom, CreateRoom, Member, RoomListFilter, RoomListed};

use crate::access::RoomAccess;
use crate::{Chat, Error, Result, access};

/// A room someone wants to make.
#[derive(Clone, Debug)]
pub struct RoomDraft {
    /// 1–80 characters.
    pub name: String,
    /// Open or closed.
    pub kind: RoomKind,
    /// May be empty.
    pub topic: String,
}

impl Chat {
    /// Rooms the actor may know of, by name.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn rooms(&self, actor: &Actor, filter: &RoomListFilter) -> Result<Vec<RoomListed>> {
        let user = actor.user().ok_or(Error::Unauthorized)?;
        let facts = Facts {
            room_kind: Some(RoomKind::Open),
            ..Facts::default()
        };
        if filter.joined {
            // A guest's own rooms: the policy is asked as for a member of them.
            let facts = Facts {
                member_role: Some(domain::MemberRole::Member),
                ..facts
            };
            access::require(actor, Action::ReadRoom, &facts)?;
        } else {
            access::require(actor, Action::ReadRoom, &facts)?;
        }
        Ok(self.store.rooms(user, filter).await?)
    }

    /// A room with what is new in it for the actor.
    ///
    /// # Errors
    /// `Unavailable` and its kin; access has been decided.
    pub async fn listed(&self, actor: &Actor, access: &RoomAccess) -> Result<RoomListed> {
        let mut counts = None;
        if let (Some(user), Some(_)) = (actor.user(), access.membership()) {
            counts = self
                .store
                .unread_counts(access.room().id, &[user])
                .await?
                .into_iter()
                .next();
        }
        Ok(RoomListed {
            room: access.room().clone(),
            membership: access.membership().cloned(),
            unread: counts.map_or(0, |count| count.unread),
            mentions: counts.map_or(0, |count| count.mentions),
            last_message_at: None,
        })
    }

    /// Every membership of the actor: the rooms a socket watches.
    ///
    /// # Errors
    /// `Unauthorized`.
    pub async fn memberships(&self, actor: &Actor) -> Result<Vec<Membership>> {
        let user = actor.user().ok_or(Error::Unauthorized)?;
        Ok(self.store.memberships(user).await?)
    }

    /// Makes a room; the actor becomes its owner.
    ///
    /// # Errors
    /// `Invalid`, `Denied`, `Conflict(TooMany)`.
    pub async fn create_room(self: &Arc<Self>, actor: &Actor, draft: RoomDraft) -> Result<Room> {
        access::require(actor, Action::CreateRoom, &Facts::default())?;
        let creator = actor.user().ok_or(Error::Unauthorized)?;
        self.limits.change(creator)?;
        if draft.kind == RoomKind::Direct {
            return Err(Error::invalid(
                "kind",
                "invalid",
                "a room is open or closed",
            ));
        }
        let name = RoomName::parse(&draft.name)?;
        let topic = Topic::parse(&draft.topic)?;
        let new = CreateRoom {
            slug: Slug::of_name(&name).map(|slug| slug.as_str().to_owned()),
            name: name.as_str().to_owned(),
            kind: draft.kind,
            topic: topic.as_str().to_owned(),
            creator,
            at: self.env.now(),
        };
        let chat = Arc::clone(self);
        self.finish(async move {
            let (room, event) = chat.store.create_room(&new).await?;
            chat.live.publish(event);
            Ok(room)
        })
        .await
    }

    /// Changes a room's name, topic or archive state; `None` is "as before".
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`.
    pub async fn change_room(
        self: &Arc<Self>,
        actor: &Actor,
        room: &RoomRef,
        name: Option<&str>,
        topic: Option<&str>,
        archived: Option<bool>,
    ) -> Result<Room> {
        let access = self.room(actor, room).await?;
        if name.is_some() || topic.is_some() {
            access.check(actor, Action::ChangeRoom)?;
        }
        if archived.is_some() {
            access.check(actor, Action::ArchiveRoom)?;
        }
        if let Some(user) = actor.user() {
            self.limits.change(user)?;
        }
        let name = name.map(RoomName::parse).transpose()?;
        let topic = topic.map(Topic::parse).transpose()?;
        let change = ChangeRoom {
            room: access.room().id,
            changes: RoomChanges {
                name: name.map(|name| name.as_str().to_owned()),
                topic: topic.map(|topic| topic.as_str().to_owned()),
                archived,
                ..RoomChanges::default()
            },
            actor: actor.user(),
            at: self.env.now(),
        };
        let chat = Arc::clone(self);
        self.finish(async move {
            let (room, event) = chat.store.change_room(&change).await?;
            chat.publish_all(event);
            Ok(room)
        })
        .await
    }

    /// Makes the actor a member of an open room.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn join_room(self: &Arc<Self>, actor: &Actor, room: &RoomRef) -> Result<Membership> {
        let access = self.room(actor, room).await?;
        access.check(actor, Action::JoinRoom)?;
        let user = actor.user().ok_or(Error::Unauthorized)?;
        self.limits.change(user)?;
        let (chat, room, at) = (Arc::clone(self), access.room().id, self.env.now());
        self.finish(async move {
            let joined = chat.store.join_room(room, user, at).await?;
            chat.publish_all(joined.event);
            Ok(joined.membership)
        })
        .await
    }

    /// Ends the actor's membership. In a closed room nothing later reaches them; an open
    /// one can still be read.
    ///
    /// # Errors
    /// `NotFound`, `Denied` (the lobby), `Conflict(LastOwner)`.
    pub async fn leave_room(self: &Arc<Self>, actor: &Actor, room: &RoomRef) -> Result<()> {
        let access = self.room(actor, room).await?;
        access.check(actor, Action::LeaveRoom)?;
        let user = actor.user().ok_or(Error::Unauthorized)?;
        self.limits.change(user)?;
        let (chat, at) = (Arc::clone(self), self.env.now());
        let (room, kind) = (access.room().id, access.room().kind);
        self.finish(async move {
            let left = chat.store.leave_room(room, user, at).await?;
            chat.actors.rights_changed();
            if kind != RoomKind::Open {
                chat.live.revoke(Revocation::Membership(room, user)).await;
            }
            chat.publish_all(left.event);
            Ok(())
        })
        .await
    }

    /// Makes a connection a reader of a room, from `after` if given.
    ///
    /// A right that ends while this is under way found no reader to remove, so access is
    /// asked once more if any right ended meanwhile. Whatever ends one commits, then says
    /// so here, then revokes: either we see it, or it sees our reader.
    ///
    /// # Errors
    /// `NotFound`, `Denied`; `Conflict(TooMany)` above 256 rooms on one connection.
    pub async fn subscribe(
        &self,
        actor: &Actor,
        connection: ConnectionId,
        room: RoomId,
        after: Option<Cursor>,
    ) -> Result<()> {
        let rights = self.actors.rights();
        self.room(actor, &RoomRef::Id(room)).await?;
        self.live.subscribe(connection, room, after).await?;
        if self.actors.rights() != rights
            && let Err(error) = self.room(actor, &RoomRef::Id(room)).await
        {
            self.live.unsubscribe(connection, room);
            return Err(error);
        }
        Ok(())
    }

    /// Members of a room by display name, after the row given, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable` and its kin; access has been decided.
    pub async fn members(
        &self,
        access: &RoomAccess,
        after: Option<(String, i64)>,
        limit: usize,
    ) -> Result<Vec<Member>> {
        Ok(self.store.members(access.room().id, after, limit).await?)
    }
}
