//! The pages people see and the fragments their scripts fetch.
//!
//! A handler asks `chat`, fills a view and renders it; it decides nothing. Every page works
//! without scripting: forms post and answer 303, links load. With `HX-Request` the same
//! addresses answer fragments and plain statuses; `docs/page.md` lists them.

mod accounts;
mod admin;
mod frame;
mod messages;
mod respond;
mod rooms;
mod settings;
mod timelines;
mod visit;

pub(crate) use timelines::Timelines;

use crate::routes::{Routes, Who};

/// Adds every page.
pub(crate) fn add(routes: Routes) -> Routes {
    use Who::{Administrator, Anyone, Author, BeforeSetup, Member, Reader, RoomKeeper, SignedIn};
    routes
        .get("/", SignedIn, rooms::home)
        .get("/setup", BeforeSetup, accounts::setup_form)
        .post("/setup", BeforeSetup, accounts::set_up)
        .get("/login/", Anyone, accounts::login_form)
        .post("/login/", Anyone, accounts::log_in)
        .get("/signup/", Anyone, accounts::signup_form)
        .post("/signup/", Anyone, accounts::sign_up)
        .get("/register/", Anyone, accounts::signup_form)
        .post("/register/", Anyone, accounts::sign_up)
        .get("/logout/", Anyone, accounts::logout_form)
        .post("/logout/", Anyone, accounts::log_out)
        .get("/reset/{secret}", Anyone, accounts::reset_form)
        .post("/reset/{secret}", Anyone, accounts::reset)
        .get("/sidebar", SignedIn, rooms::sidebar)
        .get("/rooms/", SignedIn, rooms::browse)
        .post("/rooms/", SignedIn, rooms::create)
        .get("/rooms/{slug}/", Reader, rooms::room)
        .get("/rooms/{slug}/main", Reader, rooms::main)
        .get("/rooms/{slug}/timeline", Reader, rooms::timeline)
        .get("/rooms/{slug}/members", Reader, rooms::members)
        .post("/rooms/{slug}/join", Reader, rooms::join)
        .post("/rooms/{slug}/leave", Member, rooms::leave)
        .get("/rooms/{slug}/settings", RoomKeeper, rooms::settings_form)
        .post("/rooms/{slug}/settings", RoomKeeper, rooms::save_settings)
        .post("/rooms/{slug}/messages", Reader, messages::post)
        .get("/messages/{id}/", Reader, messages::permalink)
        .get("/messages/{id}/edit", Author, messages::edit_form)
        .post("/messages/{id}/edit", Author, messages::edit)
        .get("/messages/{id}/delete", Author, messages::delete_form)
        .post("/messages/{id}/delete", Author, messages::delete)
        .get("/settings/", SignedIn, settings::page)
        .post("/settings/name", SignedIn, settings::name)
        .post("/settings/password", SignedIn, settings::password)
        .post(
            "/settings/sessions/{id}/end",
            SignedIn,
            settings::end_session,
        )
        .post(
            "/settings/sessions/end-others",
            SignedIn,
            settings::end_others,
        )
        .post("/settings/tokens", SignedIn, settings::make_token)
        .post(
            "/settings/tokens/{id}/delete",
            SignedIn,
            settings::delete_token,
        )
        .get("/admin/", Administrator, admin::people)
        .post(
            "/admin/people/{username}/reset",
            Administrator,
            admin::reset,
        )
        .post(
            "/admin/people/{username}/deactivate",
            Administrator,
            admin::deactivate,
        )
        .post(
            "/admin/people/{username}/reactivate",
            Administrator,
            admin::reactivate,
        )
}
