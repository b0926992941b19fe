//! Every DOM id, data attribute and form field that scripts or tests look for.
//!
//! Not a place for style classes. The same names stand in `docs/page.md`; whoever changes
//! one here changes it there and in the scripts. Templates write them out, because a
//! constant in an attribute hides the markup, and a test holds both together.

/// The element that owns the socket; outside everything that is swapped.
pub const SOCKET: &str = "socket";
/// The three panes: sidebar, main, panel.
pub const APP: &str = "app";
/// Rooms, people, oneself.
pub const SIDEBAR: &str = "sidebar";
/// The room, or another page's content.
pub const MAIN: &str = "main";
/// Members and other things beside the room.
pub const PANEL: &str = "panel";
/// The scrolling box around the messages.
pub const TIMELINE: &str = "timeline";
/// The list of messages and event lines.
pub const MESSAGES: &str = "messages";
/// "Jump to latest".
pub const JUMP: &str = "jump";
/// The "new" line that scripts put after what has been read.
pub const NEW_LINE: &str = "new-line";
/// The form to post with.
pub const COMPOSER: &str = "composer";
/// Its text box.
pub const COMPOSER_INPUT: &str = "composer-input";
/// Its line for typing, counter, errors and connection.
pub const COMPOSER_HINT: &str = "composer-hint";
/// The quote being answered, inside the composer.
pub const COMPOSER_REPLY: &str = "composer-reply";
/// Short notes that vanish by themselves.
pub const TOASTS: &str = "toasts";
/// The room's name in its head.
pub const ROOM_NAME: &str = "room-name";
/// The room's topic in its head.
pub const ROOM_TOPIC: &str = "room-topic";
/// The link to the favicon; `data-unread` names the one with the dot.
pub const FAVICON: &str = "favicon";

/// A message's DOM id.
#[must_use]
pub fn message(id: domain::MessageId) -> String {
    format!("msg-{id}")
}

/// The DOM id of a room's line in the sidebar.
#[must_use]
pub fn sidebar_room(id: domain::RoomId) -> String {
    format!("room-{id}")
}

/// All fixed ids, for the test that looks for them in the templates.
#[cfg(test)]
pub(crate) const IN_TEMPLATES: &[&str] = &[
    SOCKET,
    APP,
    SIDEBAR,
    MAIN,
    PANEL,
    TIMELINE,
    MESSAGES,
    JUMP,
    COMPOSER,
    COMPOSER_INPUT,
    COMPOSER_HINT,
    COMPOSER_REPLY,
    TOASTS,
    ROOM_NAME,
    ROOM_TOPIC,
    FAVICON,
];
