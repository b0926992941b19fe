//! The console: people of the house, reset links, closing accounts.

use axum::extract::Path;
use axum::response::Response;
use chat::Error;
use chat::UserListFilter;
use domain::policy::Action;
use domain::{User, UserId, UserState};
use http::StatusCode;
use serde::Deserialize;

use super::respond::{PageError, go_to, html, keep_nowhere, sentence};
use super::visit::{PageQuery, Visit};
use crate::views::{PeoplePage, PersonRow, Place, ResetLink, Stamp, render};

/// People on a page of the list.
const PAGE_PEOPLE: usize = 50;

type Page = std::result::Result<Response, PageError>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PeopleQuery {
    query: String,
    after: Option<i64>,
}

pub(crate) async fn people(visit: Visit, PageQuery(query): PageQuery<PeopleQuery>) -> Page {
    show(&visit, &query, StatusCode::OK, |_| {}).await
}

async fn show(
    visit: &Visit,
    query: &PeopleQuery,
    status: StatusCode,
    fill: impl FnOnce(&mut PeoplePage),
) -> Page {
    let mut page = people_page(visit, query)
        .await
        .map_err(|error| visit.error(error))?;
    fill(&mut page);
    let body = if visit.is_scripted {
        render(&page.as_main())
    } else {
        render(&page)
    };
    Ok(html(status, body))
}

async fn people_page(visit: &Visit, query: &PeopleQuery) -> chat::Result<PeoplePage> {
    let chat = &visit.app.chat;
    let searched = query.query.trim();
    let filter = UserListFilter {
        query: (!searched.is_empty()).then(|| searched.to_owned()),
        after: query.after.map(UserId),
        limit: PAGE_PEOPLE + 1,
    };
    let mut people = chat.console_people(&visit.actor, &filter).await?;
    let has_more = people.len() > PAGE_PEOPLE;
    people.truncate(PAGE_PEOPLE);
    let next = people.last().filter(|_| has_more).map(|last| {
        let pairs = [
            ("query", searched.to_owned()),
            ("after", last.id.to_string()),
        ];
        format!(
            "/admin/?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default()
        )
    });
    let row = |user: &User| {
        PersonRow::of(
            user,
            chat.may_on_person(&visit.actor, Action::ResetPassword, user),
            chat.may_on_person(&visit.actor, Action::DeactivateUser, user),
        )
    };
    Ok(PeoplePage {
        frame: visit.frame(Place::Admin).await?,
        query: searched.to_owned(),
        people: people.iter().map(row).collect(),
        next,
        notice: None,
        refusal: None,
        reset_link: None,
    })
}

pub(crate) async fn reset(visit: Visit, Path(username): Path<String>) -> Page {
    let address = visit.client.address.to_string();
    match visit
        .app
        .chat
        .make_reset_link(&visit.actor, &username, &address)
        .await
    {
        Ok(link) => {
            let url = format!("{}/reset/{}", visit.client.public_origin(), link.secret);
            let shown = ResetLink {
                username,
                url,
                expires_at: Stamp(link.expires_at),
            };
            let query = PeopleQuery::default();
            let mut response = show(&visit, &query, StatusCode::OK, |page| {
                page.reset_link = Some(shown)
            })
            .await?;
            keep_nowhere(&mut response);
            Ok(response)
        }
        Err(error) => refuse(&visit, error).await,
    }
}

pub(crate) async fn deactivate(visit: Visit, Path(username): Path<String>) -> Page {
    set_state(&visit, &username, UserState::Deactivated).await
}

pub(crate) async fn reactivate(visit: Visit, Path(username): Path<String>) -> Page {
    set_state(&visit, &username, UserState::Active).await
}

async fn set_state(visit: &Visit, username: &str, state: UserState) -> Page {
    let address = visit.client.address.to_string();
    match visit
        .app
        .chat
        .set_user_state(&visit.actor, username, state, &address)
        .await
    {
        Ok(_) => Ok(go_to(visit.is_scripted, "/admin/")),
        Err(error) => refuse(visit, error).await,
    }
}

async fn refuse(visit: &Visit, error: Error) -> Page {
    let status = match &error {
        Error::Denied(_) => StatusCode::FORBIDDEN,
        Error::Conflict(_) => StatusCode::CONFLICT,
        _ => return Err(visit.error(error)),
    };
    let text = sentence(&error.to_string());
    // Whoever may not see the console gets the plain refusal from building the page.
    show(visit, &PeopleQuery::default(), status, |page| {
        page.refusal = Some(text)
    })
    .await
}
