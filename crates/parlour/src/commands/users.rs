//! `parlour users`: the console's work from the shell, as the operator.
//!
//! Every change goes through `chat::admin`, so it is audited, and a running server acts on
//! it within a quarter of a second.

use std::process::ExitCode;

use domain::{Actor, Role, User, UserState};
use store::UserListFilter;

use super::{make_data_dir, new_password, runtime, say};
use crate::WrongUse;
use crate::args::UsersCommand;
use crate::config::Config;
use crate::wiring::House;

/// People fetched at once.
const PAGE: usize = 500;

pub(super) fn run(config: &Config, command: &UsersCommand) -> anyhow::Result<ExitCode> {
    // Everything that can be refused without the database is, before it is opened.
    let act = Act::of(command)?;
    make_data_dir(config)?;
    runtime()?.block_on(async {
        let house = House::open(config).await?;
        let done = act.run(&house, config).await;
        house.close().await;
        done?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A checked command.
enum Act<'a> {
    List(Option<String>),
    Passwd(&'a str, String),
    ResetLink(&'a str),
    Role(&'a str, Role),
    State(&'a str, UserState),
}

impl<'a> Act<'a> {
    fn of(command: &'a UsersCommand) -> anyhow::Result<Act<'a>> {
        Ok(match command {
            UsersCommand::List { query } => Act::List(query.clone()),
            UsersCommand::Passwd {
                name,
                password_stdin,
            } => Act::Passwd(name, new_password(*password_stdin)?),
            UsersCommand::ResetLink { name } => Act::ResetLink(name),
            UsersCommand::Role { name, role } => Act::Role(name, parse_role(role)?),
            UsersCommand::Ban { name } => Act::State(name, UserState::Banned),
            UsersCommand::Deactivate { name } => Act::State(name, UserState::Deactivated),
            UsersCommand::Unban { name } | UsersCommand::Reactivate { name } => {
                Act::State(name, UserState::Active)
            }
        })
    }

    async fn run(self, house: &House, config: &Config) -> anyhow::Result<()> {
        let chat = &house.chat;
        let operator = &Actor::Operator;
        match self {
            Act::List(query) => return list(house, query).await,
            Act::Passwd(name, password) => {
                let user = named(name, chat.set_password(operator, name, password).await)?;
                say(&format!(
                    "{} has a new password; sessions and tokens ended",
                    user.username
                ))
            }
            Act::ResetLink(name) => {
                let link = named(name, chat.make_reset_link(operator, name, "").await)?;
                let base = config
                    .base_url
                    .clone()
                    .unwrap_or_else(|| format!("http://{}", config.listen));
                say(&format!(
                    "{base}/reset/{} (once, until {})",
                    link.secret, link.expires_at
                ))
            }
            Act::Role(name, role) => {
                let user = named(name, chat.set_role(operator, name, role).await)?;
                say(&format!("{} is {} now", user.username, user.role))
            }
            Act::State(name, state) => {
                let user = named(name, chat.set_user_state(operator, name, state, "").await)?;
                say(&format!("{} is {} now", user.username, user.state))
            }
        }
    }
}

fn parse_role(word: &str) -> Result<Role, WrongUse> {
    Role::from_word(&word.to_ascii_lowercase()).ok_or_else(|| {
        let word: String = word.chars().flat_map(char::escape_debug).collect();
        WrongUse(format!(
            "no role is called {word}; use owner, administrator, moderator, member or guest"
        ))
    })
}

/// Says whom a refusal is about: "not found" alone helps nobody at a shell.
fn named<T>(name: &str, outcome: chat::Result<T>) -> anyhow::Result<T> {
    outcome.map_err(|error| {
        let name: String = name.chars().flat_map(char::escape_debug).collect();
        match error {
            chat::Error::NotFound => {
                anyhow::anyhow!("nobody is called {name}; `parlour users list` shows who there is")
            }
            chat::Error::Conflict(store::Conflict::LastOwner) => anyhow::anyhow!(
                "{name} is the last owner; make another one first with `parlour users role`"
            ),
            other => anyhow::Error::new(other).context(name),
        }
    })
}

async fn list(house: &House, query: Option<String>) -> anyhow::Result<()> {
    let mut filter = UserListFilter {
        query,
        after: None,
        limit: PAGE,
    };
    say(&row("USERNAME", "ROLE", "KIND", "STATE", "SINCE", "NAME"))?;
    loop {
        let people = house.chat.people(&Actor::Operator, &filter).await?;
        for user in &people {
            say(&line(user))?;
        }
        filter.after = people.last().map(|user| user.id);
        if people.len() < PAGE {
            return Ok(());
        }
    }
}

fn line(user: &User) -> String {
    let since = user.created_at.to_string();
    let day = since.get(..10).unwrap_or(&since);
    let (role, kind, state) = (user.role.as_str(), user.kind.as_str(), user.state.as_str());
    row(&user.username, role, kind, state, day, &user.display_name)
}

fn row(username: &str, role: &str, kind: &str, state: &str, since: &str, name: &str) -> String {
    format!("{username:<24} {role:<13} {kind:<6} {state:<11} {since:<10} {name}")
}
