//! Set-up, log-in, sign-up, log-out, a new password by link.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use chat::accounts::{SignUp, SignedIn};
use chat::{Error, Registration};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use super::respond::{PageError, html, secret_html, wait_sentence};
use super::visit::{PageQuery, Stranger};
use crate::auth;
use crate::limits::FormBody;
use crate::state::App;
use crate::views::{
    Errors, LoginPage, LogoutPage, ResetPage, SetupPage, SignupClosedPage, SignupPage, render,
};

/// A sign-up or set-up as forms send it; the second names are those of older clients.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SignUpForm {
    username: String,
    password: String,
    password_confirm: String,
    password1: String,
    password2: String,
    display_name: String,
    email: String,
    code: String,
}

impl SignUpForm {
    fn into_sign_up(self) -> SignUp {
        let or = |first: String, second: String| if first.is_empty() { second } else { first };
        SignUp {
            username: self.username,
            password: or(self.password, self.password1),
            password_confirm: or(self.password_confirm, self.password2),
            display_name: self.display_name,
            email: self.email,
            code: self.code,
        }
    }
}

pub(crate) async fn setup_form(visitor: Stranger) -> Response {
    match visitor.app.chat.is_set_up().await {
        Ok(false) => {
            let needs_code = visitor.app.chat.setup_code().is_some();
            html(
                StatusCode::OK,
                render(&SetupPage {
                    needs_code,
                    ..SetupPage::default()
                }),
            )
        }
        Ok(true) => PageError::new(Error::NotFound, false).into_response(),
        Err(error) => PageError::new(error, false).into_response(),
    }
}

pub(crate) async fn set_up(visitor: Stranger, FormBody(form): FormBody<SignUpForm>) -> Response {
    let form = form.into_sign_up();
    let kept = form.clone();
    match visitor.app.chat.set_up(form, &visitor.device).await {
        Ok(signed_in) => enter(&visitor, &signed_in, "/"),
        Err(Error::Invalid(fields)) => {
            let page = SetupPage {
                needs_code: visitor.app.chat.setup_code().is_some(),
                code: kept.code,
                username: kept.username,
                display_name: kept.display_name,
                email: kept.email,
                errors: Errors::of_fields(fields),
            };
            html(StatusCode::UNPROCESSABLE_ENTITY, render(&page))
        }
        Err(error) => PageError::new(error, false).into_response(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoginQuery {
    next: String,
    changed: String,
}

pub(crate) async fn login_form(
    visitor: Stranger,
    PageQuery(query): PageQuery<LoginQuery>,
) -> Response {
    if visitor.actor.is_some() {
        return Redirect::to(auth::safe_next(Some(&query.next))).into_response();
    }
    let page = LoginPage {
        next: own_next(&query.next),
        can_sign_up: can_sign_up(&visitor.app),
        notice: (query.changed == "password").then(|| "Your password was changed.".to_owned()),
        ..LoginPage::default()
    };
    html(StatusCode::OK, render(&page))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoginForm {
    username: String,
    password: String,
    next: String,
}

pub(crate) async fn log_in(visitor: Stranger, FormBody(form): FormBody<LoginForm>) -> Response {
    let next = own_next(&form.next);
    let attempt = visitor
        .app
        .chat
        .log_in(&form.username, form.password, &visitor.device)
        .await;
    let error = match attempt {
        Ok(signed_in) => return enter(&visitor, &signed_in, next.as_deref().unwrap_or("/")),
        Err(error) => error,
    };
    let (status, text) = match &error {
        Error::WrongCredentials => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Username or password is wrong.".to_owned(),
        ),
        Error::Denied(reason) => (StatusCode::FORBIDDEN, reason.sentence().to_owned()),
        Error::TooMany {
            what,
            retry_after_s,
        } => (
            StatusCode::TOO_MANY_REQUESTS,
            wait_sentence(what, *retry_after_s),
        ),
        _ => return PageError::new(error, false).into_response(),
    };
    let page = LoginPage {
        username: form.username,
        next,
        can_sign_up: can_sign_up(&visitor.app),
        notice: None,
        errors: Errors::of_form(text),
    };
    let mut response = html(status, render(&page));
    if let Error::TooMany { retry_after_s, .. } = error {
        let seconds = HeaderValue::from(retry_after_s);
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, seconds);
    }
    response
}

pub(crate) async fn signup_form(visitor: Stranger) -> Response {
    if visitor.actor.is_some() {
        return Redirect::to("/").into_response();
    }
    match visitor.app.chat.settings().registration {
        Registration::Open => html(StatusCode::OK, render(&SignupPage::default())),
        closed => html(StatusCode::FORBIDDEN, closed_page(closed)),
    }
}

pub(crate) async fn sign_up(visitor: Stranger, FormBody(form): FormBody<SignUpForm>) -> Response {
    let form = form.into_sign_up();
    let kept = form.clone();
    match visitor.app.chat.sign_up(form, &visitor.device).await {
        Ok(signed_in) => enter(&visitor, &signed_in, "/"),
        Err(Error::RegistrationClosed) => {
            let page = closed_page(visitor.app.chat.settings().registration);
            html(StatusCode::FORBIDDEN, page)
        }
        Err(Error::Invalid(fields)) => {
            let page = SignupPage {
                username: kept.username,
                display_name: kept.display_name,
                email: kept.email,
                errors: Errors::of_fields(fields),
            };
            html(StatusCode::UNPROCESSABLE_ENTITY, render(&page))
        }
        Err(error) => PageError::new(error, false).into_response(),
    }
}

fn closed_page(registration: Registration) -> String {
    render(&SignupClosedPage {
        by_invitation: registration == Registration::Invite,
    })
}

fn can_sign_up(app: &App) -> bool {
    app.chat.settings().registration == Registration::Open
}

/// `GET /logout/` logs out only when a person asked for it: typed, or the site's own
/// navigation. An image or a foreign link shows the button instead.
pub(crate) async fn logout_form(visitor: Stranger) -> Response {
    let Some(actor) = &visitor.actor else {
        return Redirect::to("/login/").into_response();
    };
    if is_asked_by_a_person(&visitor.headers) {
        return leave(&visitor).await;
    }
    let display_name = actor
        .standing()
        .map(|standing| standing.display_name.clone());
    let page = LogoutPage {
        display_name: display_name.unwrap_or_default(),
    };
    html(StatusCode::OK, render(&page))
}

pub(crate) async fn log_out(visitor: Stranger) -> Response {
    leave(&visitor).await
}

async fn leave(visitor: &Stranger) -> Response {
    if let Some(actor) = &visitor.actor
        && let Err(error) = visitor.app.chat.log_out(actor).await
    {
        return PageError::new(error, false).into_response();
    }
    let mut response = Redirect::to("/login/").into_response();
    response
        .headers_mut()
        .append(SET_COOKIE, auth::sign_out_cookie(&visitor.client));
    response
}

fn is_asked_by_a_person(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    is("sec-fetch-site", "none")
        || (is("sec-fetch-site", "same-origin")
            && is("sec-fetch-dest", "document")
            && is("sec-fetch-mode", "navigate")
            && is("sec-fetch-user", "?1"))
}

pub(crate) async fn reset_form(visitor: Stranger, Path(secret): Path<String>) -> Response {
    match visitor.app.chat.reset_subject(&secret).await {
        Ok(user) => {
            let page = ResetPage {
                secret,
                username: user.username,
                errors: Errors::none(),
            };
            secret_html(StatusCode::OK, render(&page))
        }
        Err(error) => PageError::new(error, false).into_response(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResetForm {
    password: String,
    password_confirm: String,
}

pub(crate) async fn reset(
    visitor: Stranger,
    Path(secret): Path<String>,
    FormBody(form): FormBody<ResetForm>,
) -> Response {
    let chat = &visitor.app.chat;
    match chat
        .reset_password(&secret, form.password, &form.password_confirm)
        .await
    {
        // The link proves possession of the link, so it ends at the log-in, where the
        // password is proved.
        Ok(_) => Redirect::to("/login/?changed=password").into_response(),
        Err(Error::Invalid(fields)) => {
            let username = match chat.reset_subject(&secret).await {
                Ok(user) => user.username,
                Err(error) => return PageError::new(error, false).into_response(),
            };
            let page = ResetPage {
                secret,
                username,
                errors: Errors::of_fields(fields),
            };
            secret_html(StatusCode::UNPROCESSABLE_ENTITY, render(&page))
        }
        Err(error) => PageError::new(error, false).into_response(),
    }
}

/// Sets the cookies of a fresh session and goes on.
fn enter(visitor: &Stranger, signed_in: &SignedIn, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    let age_ms = visitor.app.chat.settings().session_age_ms;
    for cookie in auth::sign_in_cookies(&visitor.client, signed_in, age_ms) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `next` worth keeping in the form: an own path that is more than the start.
fn own_next(next: &str) -> Option<String> {
    let own = auth::safe_next(Some(next));
    (own != "/").then(|| own.to_owned())
}
