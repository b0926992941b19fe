//! What a page of the signed-in house stands in: the viewer and their rooms.

use chat::{RoomListFilter, RoomListed};
use domain::RoomId;
use domain::policy::{self, Action, Decision, Facts};

use super::visit::Visit;
use crate::views::{AppFrame, Place, Sidebar, SidebarRoom, Viewer};

/// Most rooms in the sidebar; the rest is found by browsing.
const MAX_SIDEBAR_ROOMS: usize = 500;

impl Visit {
    /// The frame of a page.
    pub(crate) async fn frame(&self, place: Place) -> chat::Result<AppFrame> {
        Ok(AppFrame {
            epoch: self.app.live.epoch(),
            max_chars: self.app.chat.settings().max_message_chars,
            sidebar: self.sidebar(place).await?,
        })
    }

    /// The sidebar: the lobby first, then rooms by name.
    pub(crate) async fn sidebar(&self, place: Place) -> chat::Result<Sidebar> {
        let filter = RoomListFilter {
            joined: true,
            limit: MAX_SIDEBAR_ROOMS,
            ..RoomListFilter::default()
        };
        let mut rooms = self.app.chat.rooms(&self.actor, &filter).await?;
        rooms.sort_by_key(|listed| !listed.room.is_lobby());
        Ok(Sidebar {
            viewer: self.viewer()?,
            place,
            rooms: rooms.iter().map(line).collect(),
        })
    }

    /// The signed-in person as the page shows them.
    pub(crate) fn viewer(&self) -> chat::Result<Viewer> {
        let standing = self.actor.standing().ok_or(chat::Error::Unauthorized)?;
        let console = policy::decide(&self.actor, Action::ReadConsole, &Facts::default());
        Ok(Viewer {
            id: standing.user,
            username: standing.username.clone(),
            display_name: standing.display_name.clone(),
            is_admin: console == Decision::Allow,
        })
    }

    /// Whether the policy lets the viewer do something outside any room.
    pub(crate) fn may(&self, action: Action) -> bool {
        policy::decide(&self.actor, action, &Facts::default()) == Decision::Allow
    }
}

fn line(listed: &RoomListed) -> SidebarRoom {
    let RoomListed {
        room,
        unread,
        mentions,
        ..
    } = listed;
    SidebarRoom {
        id: RoomId(room.id.0),
        slug: room.slug.clone(),
        name: room.name.clone(),
        kind: room.kind,
        head: room.head,
        unread: *unread,
        mentions: *mentions,
    }
}
