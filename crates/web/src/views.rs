//! What pages and fragments look like: plain data in, HTML out by the templates.
//!
//! No decision is made here and nothing is fetched: a handler asks `chat`, fills one of
//! these structs and renders it. Fragments that go to everybody (a message, an event line,
//! a live frame) have no field for a viewer, so that one rendering serves all; what differs
//! per viewer is added in the browser. A newcomer would add `is_mine` to [`MessageView`]:
//! `decorate.js` compares `data-author` instead.
//!
//! Everything that a person typed is escaped by the templates. The one exception is a
//! message's compiled HTML, which [`domain::markup`] made safe.

use std::fmt::Write as _;

use askama::Template;

mod admin;
mod auth;
mod errors;
mod filters;
mod frame;
mod frames;
mod members;
mod messages;
mod rooms;
mod settings;
mod stamp;

#[cfg(test)]
mod lint;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use admin::{PeoplePage, PersonRow, ResetLink};
pub use auth::{LoginPage, LogoutPage, ResetPage, SetupPage, SignupClosedPage, SignupPage};
pub(crate) use errors::duration;
pub use errors::{ErrorPage, RefusalFragment};
pub use frame::{AppFrame, Errors, Place, Sidebar, SidebarFragment, SidebarRoom, Viewer};
pub use frames::{write_event_frame, write_unreadable_frame};
pub use members::{MembersPage, MembersPanel, PersonView};
pub use messages::{
    BodyView, DeletePage, EditPage, EventFragment, EventLine, EventView, MessageFragment,
    MessageView, QuoteView, Refusal, TimelineFragment, TimelineView,
};
pub use rooms::{
    BrowsePage, BrowseRoom, Composer, Hole, ReplyView, RoomPage, RoomSettingsPage, RoomView,
    TargetView, TimelineHead,
};
pub use settings::{NewTokenView, SessionRow, SettingsPage, TokenRow};
pub use stamp::Stamp;

/// What stands where something stored cannot be shown.
pub(crate) const UNREADABLE: &str =
    "This message cannot be shown: what is stored of it is damaged.";

/// What the house is called until a house can name itself.
pub const HOUSE: &str = "Parlour";

/// The policy every page is sent with: everything from here, nothing inline, no frames.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Renders `view` at the end of `out`.
///
/// Writing into a `String` cannot fail and neither do our templates; should one ever, the
/// text ends there and the log says so.
pub fn render_into(view: &impl Template, out: &mut String) {
    if let Err(error) = view.render_into(out) {
        tracing::error!(%error, "a template failed to render");
    }
}

/// Renders `view` into a new `String`.
#[must_use]
pub fn render(view: &impl Template) -> String {
    let mut out = String::with_capacity(16 * 1024);
    render_into(view, &mut out);
    out
}

/// Which of the twelve avatar hues an id gets. The factor keeps people who signed up one
/// after the other apart on the wheel.
fn hue(user: domain::UserId) -> i64 {
    (user.0.rem_euclid(12) * 5) % 12
}

/// One or two letters that stand for a name: the first of the first two words.
fn initials(name: &str) -> Initials<'_> {
    Initials(name)
}

/// See [`initials`].
pub(crate) struct Initials<'a>(&'a str);

impl std::fmt::Display for Initials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut letters = self
            .0
            .split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .take(2)
            .flat_map(char::to_uppercase)
            .peekable();
        if letters.peek().is_none() {
            return f.write_char('?');
        }
        letters.try_for_each(|letter| f.write_char(letter))
    }
}
