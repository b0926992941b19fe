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
mod visit;

use axum::Router;
use axum::routing::{get, post};

use crate::state::App;

pub(crate) use respond::{PageError, error_page};
pub(crate) use visit::Visit;

/// Every page's route. `crate::routes` lists them with who may.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(rooms::home))
        .route("/setup", get(accounts::setup_form).post(accounts::set_up))
        .route("/login/", get(accounts::login_form).post(accounts::log_in))
        .route("/signup/", get(accounts::signup_form).post(accounts::sign_up))
        .route("/register/", get(accounts::signup_form).post(accounts::sign_up))
        .route("/logout/", get(accounts::logout_form).post(accounts::log_out))
        .route("/reset/{secret}", get(accounts::reset_form).post(accounts::reset))
        .route("/sidebar", get(rooms::sidebar))
        .route("/rooms/", get(rooms::browse).post(rooms::create))
        .route("/rooms/{slug}/", get(rooms::room))
        .route("/rooms/{slug}/main", get(rooms::main))
        .route("/rooms/{slug}/timeline", get(rooms::timeline))
        .route("/rooms/{slug}/members", get(rooms::members))
        .route("/rooms/{slug}/join", post(rooms::join))
        .route("/rooms/{slug}/leave", post(rooms::leave))
        .route("/rooms/{slug}/settings", get(rooms::settings_form).post(rooms::save_settings))
        .route("/rooms/{slug}/messages", post(messages::post))
        .route("/messages/{id}/", get(messages::permalink))
        .route("/messages/{id}/edit", get(messages::edit_form).post(messages::edit))
        .route("/messages/{id}/delete", get(messages::delete_form).post(messages::delete))
        .route("/settings/", get(settings::page))
        .route("/settings/name", post(settings::name))
        .route("/settings/password", post(settings::password))
        .route("/settings/sessions/{id}/end", post(settings::end_session))
        .route("/settings/sessions/end-others", post(settings::end_others))
        .route("/settings/tokens", post(settings::make_token))
        .route("/settings/tokens/{id}/delete", post(settings::delete_token))
        .route("/admin/", get(admin::people))
        .route("/admin/people/{username}/reset", post(admin::reset))
        .route("/admin/people/{username}/deactivate", post(admin::deactivate))
        .route("/admin/people/{username}/reactivate", post(admin::reactivate))
}
