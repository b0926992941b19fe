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
/// The live region around messages and pending rows.
pub const LOG: &str = "log";
/// The sender's own rows that are not stored yet.
pub const PENDING: &str = "pending";
/// What stands in a room without messages.
pub const EMPTY: &str = "empty";
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
/// Refusals and the state of the connection, in that line.
pub const COMPOSER_NOTICE: &str = "composer-notice";
/// Who is writing, in that line.
pub const COMPOSER_TYPING: &str = "composer-typing";
/// Characters left, in that line.
pub const COMPOSER_COUNT: &str = "composer-count";
/// What is being answered, inside the composer.
pub const REPLY_CHIP: &str = "reply-chip";
/// Short notes that vanish by themselves.
pub const TOASTS: &str = "toasts";
/// Sentences for screen readers alone.
pub const ANNOUNCER: &str = "announcer";
/// A pending row, to be copied.
pub const PENDING_TEMPLATE: &str = "pending-template";
/// The actions of a message, to be copied.
pub const TOOLBAR_TEMPLATE: &str = "toolbar-template";
/// The form that edits in place, to be copied.
pub const EDIT_TEMPLATE: &str = "edit-template";
/// Asks before something is done.
pub const CONFIRM_DIALOG: &str = "confirm-dialog";
/// Leads back to the log-in.
pub const SIGNED_OUT_DIALOG: &str = "signed-out-dialog";
/// The room's name in its head.
pub const ROOM_NAME: &str = "room-name";
/// The room's topic in its head.
pub const ROOM_TOPIC: &str = "room-topic";
/// The link to the favicon; `data-unread-href` names the one with the dot.
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
    COMPOSER_NOTICE,
    COMPOSER_TYPING,
    COMPOSER_COUNT,
    REPLY_CHIP,
    LOG,
    PENDING,
    EMPTY,
    ANNOUNCER,
    PENDING_TEMPLATE,
    TOOLBAR_TEMPLATE,
    EDIT_TEMPLATE,
    CONFIRM_DIALOG,
    SIGNED_OUT_DIALOG,
    TOASTS,
    ROOM_NAME,
    ROOM_TOPIC,
    FAVICON,
];
