//! `parlour config check`: what the configuration means, with sources, without secrets.

use std::process::ExitCode;

use super::say;
use crate::config::{Config, Registration};

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let names: Vec<String> = config
        .settings
        .iter()
        .map(|setting| setting.key.env_name())
        .collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    for (setting, name) in config.settings.iter().zip(&names) {
        say(&format!(
            "{name:width$} = {}  ({})",
            setting.shown, setting.source
        ))?;
    }
    say("")?;
    for sentence in meaning(config) {
        say(&sentence)?;
    }
    for warning in &config.warnings {
        say(&format!("warning: {warning}"))?;
    }
    say("the configuration is valid")?;
    Ok(ExitCode::SUCCESS)
}

/// The consequences, in sentences.
fn meaning(config: &Config) -> Vec<String> {
    let reach = if config.listen.ip().is_loopback() {
        "reachable from this machine alone"
    } else {
        "reachable from other machines"
    };
    let secret = if config.secret_key.is_some() {
        "given by you".to_owned()
    } else {
        format!(
            "kept in {}",
            config.data_dir.join(crate::secret::FILE).display()
        )
    };
    let base = match &config.base_url {
        Some(url) if url.starts_with("https:") => {
            format!("People come to {url}; cookies are Secure and HSTS is sent.")
        }
        Some(url) => format!("People come to {url}; without https, passwords travel readably."),
        None => "Links and cookies follow the address a request comes to.".to_owned(),
    };
    let registration = match config.registration {
        Registration::Open => "Anyone who reaches the server may sign up.",
        Registration::Invite => "Only people with an invitation may sign up.",
        Registration::Closed => "Nobody may sign up; createsuperuser and administrators remain.",
    };
    vec![
        format!("Listens on {}, {reach}.", config.listen),
        format!("Keeps messages in {}.", config.sqlite_file().display()),
        format!("The house's key is {secret}."),
        base,
        registration.to_owned(),
        format!(
            "A message has at most {} characters.",
            config.max_message_chars
        ),
    ]
}
