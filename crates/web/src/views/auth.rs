//! Cards before one is in: set-up, log-in, sign-up, log-out, a new password.

use askama::Template;

use super::filters;
use super::frame::Errors;

/// `GET /setup`: makes the owner.
#[derive(Template, Default)]
#[template(path = "auth/setup.html")]
pub struct SetupPage {
    /// Whether the one-time code from the log is asked for.
    pub needs_code: bool,
    /// As typed.
    pub code: String,
    /// As typed.
    pub username: String,
    /// As typed.
    pub display_name: String,
    /// As typed.
    pub email: String,
    /// What was refused.
    pub errors: Errors,
}

/// `GET /login/`.
#[derive(Template, Default)]
#[template(path = "auth/login.html")]
pub struct LoginPage {
    /// As typed.
    pub username: String,
    /// Where to go afterwards; the handler lets own paths through only.
    pub next: Option<String>,
    /// Whether to show the way to sign-up.
    pub can_sign_up: bool,
    /// Good news, such as "Your password was changed".
    pub notice: Option<String>,
    /// What was refused.
    pub errors: Errors,
}

/// `GET /signup/`.
#[derive(Template, Default)]
#[template(path = "auth/signup.html")]
pub struct SignupPage {
    /// As typed.
    pub username: String,
    /// As typed.
    pub display_name: String,
    /// As typed.
    pub email: String,
    /// What was refused.
    pub errors: Errors,
}

/// `GET /signup/` when nobody may.
#[derive(Template)]
#[template(path = "auth/signup_closed.html")]
pub struct SignupClosedPage {
    /// By invitation, rather than not at all.
    pub by_invitation: bool,
}

/// `GET /logout/` when the browser does not say that a person asked for it.
#[derive(Template)]
#[template(path = "auth/logout.html")]
pub struct LogoutPage {
    /// Who would log out.
    pub display_name: String,
}

/// `GET /reset/{secret}`.
#[derive(Template)]
#[template(path = "auth/reset.html")]
pub struct ResetPage {
    /// The link's secret.
    pub secret: String,
    /// Whose password.
    pub username: String,
    /// What was refused.
    pub errors: Errors,
}
