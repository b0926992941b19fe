//! One's own settings: name, password, signed-in browsers, API tokens.

use axum::extract::RawForm;
use axum::response::Response;
use chat::Error;
use chat::{SessionInfo, TokenInfo};
use domain::actor::Credential;
use domain::{Scope, Scopes, SessionId, TokenId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::respond::{
    PageError, go_to, html, html_with_etag, secret_html, sentence, wait_sentence,
};
use super::visit::{PageId, Visit};
use crate::limits::FormBody;
use crate::views::{
    Errors, NewTokenView, Place, SessionRow, SettingsPage, Stamp, TokenRow, render,
};

type Page = std::result::Result<Response, PageError>;

pub(crate) async fn page(visit: Visit, headers: HeaderMap) -> Page {
    let page = settings_page(&visit)
        .await
        .map_err(|error| visit.error(error))?;
    let body = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    Ok(html_with_etag(&headers, body))
}

async fn settings_page(visit: &Visit) -> chat::Result<SettingsPage> {
    let chat = &visit.app.chat;
    let current = match visit.actor.standing().map(|standing| &standing.credential) {
        Some(Credential::Session(id)) => Some(*id),
        _ => None,
    };
    let (me, _) = chat.me(&visit.actor).await?;
    let mut sessions = chat.sessions(&visit.actor).await?;
    sessions.sort_by_key(|session| Some(session.id) != current);
    let tokens = chat.tokens(&visit.actor).await?;
    Ok(SettingsPage {
        frame: visit.frame(Place::Settings).await?,
        display_name: me.display_name,
        notice: None,
        errors: Errors::none(),
        sessions: sessions
            .into_iter()
            .map(|session| session_row(session, current))
            .collect(),
        tokens: tokens.into_iter().map(token_row).collect(),
        new_token: None,
        token_name: String::new(),
    })
}

fn session_row(session: SessionInfo, current: Option<SessionId>) -> SessionRow {
    SessionRow {
        id: session.id,
        is_current: Some(session.id) == current,
        agent: agent_words(&session.agent),
        address: session.address,
        created_at: Stamp(session.created_at),
        seen_at: Stamp(session.seen_at),
    }
}

fn token_row(token: TokenInfo) -> TokenRow {
    TokenRow {
        id: token.id,
        name: token.name,
        scopes: TokenRow::scope_words(token.scopes),
        created_at: Stamp(token.created_at),
        used_at: token.used_at.map(Stamp),
    }
}

/// "Firefox on Linux" out of what a browser says of itself; its own words when they fit no
/// pattern. Only for people to recognise their own devices.
fn agent_words(agent: &str) -> String {
    let find = |words: &[(&str, &'static str)]| {
        words
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    // The order matters: Edge and Opera also call themselves Chrome, Chrome also Safari.
    let browser = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ if agent.trim().is_empty() => "A browser without a name".to_owned(),
        _ => agent.chars().take(60).collect(),
    }
}

/// The page with a notice or refusals after a form.
async fn answer(
    visit: &Visit,
    outcome: chat::Result<&str>,
    fill: impl FnOnce(&mut SettingsPage),
) -> Page {
    let (notice, errors) = match outcome {
        // With scripts off a reload must not repeat the act, so good news is a redirect.
        Ok(_) if !visit.is_scripted => return Ok(go_to(false, "/settings/")),
        Ok(notice) => (Some(notice.to_owned()), Errors::none()),
        Err(Error::Invalid(fields)) => (None, Errors::of_fields(fields)),
        Err(Error::TooMany {
            what,
            retry_after_s,
        }) => (None, Errors::of_form(wait_sentence(what, retry_after_s))),
        Err(error @ Error::Conflict(_)) => (None, Errors::of_form(sentence(&error.to_string()))),
        Err(error) => return Err(visit.error(error)),
    };
    let is_refused = notice.is_none();
    let mut page = settings_page(visit)
        .await
        .map_err(|error| visit.error(error))?;
    page.notice = notice;
    page.errors = errors;
    fill(&mut page);
    let status = if is_refused {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let body = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    Ok(html(status, body))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NameForm {
    display_name: String,
}

pub(crate) async fn name(visit: Visit, FormBody(form): FormBody<NameForm>) -> Page {
    let renamed = visit
        .app
        .chat
        .rename_self(&visit.actor, &form.display_name)
        .await;
    let typed = form.display_name;
    let is_refused = renamed.is_err();
    answer(&visit, renamed.map(|_| "Name saved."), |page| {
        if is_refused {
            page.display_name = typed;
        }
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PasswordForm {
    current_password: String,
    password: String,
    password_confirm: String,
}

pub(crate) async fn password(visit: Visit, FormBody(form): FormBody<PasswordForm>) -> Page {
    let chat = &visit.app.chat;
    let changed = chat
        .change_password(
            &visit.actor,
            form.current_password,
            form.password,
            &form.password_confirm,
            &visit.device,
        )
        .await;
    let notice = "Password changed. Every other browser and every token is signed out.";
    answer(&visit, changed.map(|()| notice), |_| {}).await
}

pub(crate) async fn end_session(visit: Visit, PageId(id): PageId) -> Page {
    let ended = visit
        .app
        .chat
        .end_session(&visit.actor, SessionId(id))
        .await;
    answer(
        &visit,
        ended.map(|()| "That browser is signed out."),
        |_| {},
    )
    .await
}

pub(crate) async fn end_others(visit: Visit) -> Page {
    let ended = visit.app.chat.end_other_sessions(&visit.actor).await;
    answer(
        &visit,
        ended.map(|_| "Every other browser is signed out."),
        |_| {},
    )
    .await
}

/// A form with repeated `scopes`, which the ordinary form type cannot read.
pub(crate) async fn make_token(visit: Visit, RawForm(form): RawForm) -> Page {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(&form).unwrap_or_default();
    let mut name = String::new();
    let mut scopes = Scopes {
        read: false,
        write: false,
        admin: false,
    };
    for (field, value) in pairs {
        match (field.as_str(), Scope::from_word(&value)) {
            ("name", _) => name = value,
            ("scopes", Some(Scope::Read)) => scopes.read = true,
            ("scopes", Some(Scope::Write)) => scopes.write = true,
            ("scopes", Some(Scope::Admin)) => scopes.admin = true,
            _ => {}
        }
    }
    match visit
        .app
        .chat
        .create_token(&visit.actor, &name, scopes)
        .await
    {
        Ok(made) => {
            // Shown once, so it cannot wait behind a redirect.
            let mut page = settings_page(&visit)
                .await
                .map_err(|error| visit.error(error))?;
            page.new_token = Some(NewTokenView {
                name: made.info.name,
                secret: made.secret,
            });
            let body = if visit.is_scripted {
                render(&page.as_main())
            } else {
                render(&page)
            };
            Ok(secret_html(StatusCode::OK, body))
        }
        Err(error) => answer(&visit, Err(error), |page| page.token_name = name).await,
    }
}

pub(crate) async fn delete_token(visit: Visit, PageId(id): PageId) -> Page {
    let deleted = visit.app.chat.delete_token(&visit.actor, TokenId(id)).await;
    answer(&visit, deleted.map(|()| "The token is deleted."), |_| {}).await
}

#[cfg(test)]
mod tests {
    use super::agent_words;

    #[test]
    fn browsers_are_named_in_words() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(agent_words(chrome), "Chrome on Linux");
        assert_eq!(agent_words("curl/8.9"), "curl/8.9");
        assert_eq!(agent_words(" "), "A browser without a name");
    }
}
