//! `parlour createsuperuser`: the owner if there is none, else an administrator.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use chat::accounts::SignUp;

use super::{make_data_dir, new_password, runtime, say};
use crate::WrongUse;
use crate::args::SuperuserArgs;
use crate::config::Config;
use crate::wiring::House;

pub(super) fn run(config: &Config, args: &SuperuserArgs) -> anyhow::Result<ExitCode> {
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask("Username: ")?,
    };
    let password = new_password(args.password_stdin)?;
    let form = SignUp {
        username,
        password_confirm: password.clone(),
        password,
        email: args.email.clone().unwrap_or_default(),
        ..SignUp::default()
    };
    make_data_dir(config)?;
    runtime()?.block_on(async {
        let house = House::open(config).await?;
        let mut made = house.chat.create_superuser(form.clone()).await;
        if matches!(
            made,
            Err(chat::Error::Conflict(store::Conflict::OwnerExists))
        ) {
            // Somebody else became the owner a moment ago; this one is an administrator then.
            made = house.chat.create_superuser(form).await;
        }
        house.close().await;
        let user = made?;
        say(&format!("{} is {} now", user.username, user.role))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn ask(question: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(WrongUse("--username NAME is missing".to_owned()).into());
    }
    let mut err = std::io::stderr();
    write!(err, "{question}")
        .and_then(|()| err.flush())
        .context("cannot ask")?;
    let mut line = String::new();
    stdin
        .lock()
        .read_line(&mut line)
        .context("cannot read the answer")?;
    Ok(line.trim().to_owned())
}
