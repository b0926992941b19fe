//! What the texts mean: one parser per kind of value, each saying why not and what instead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use domain::messages::MESSAGE_CHARS;

use super::{Database, Registration};

/// Why a value is refused and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// What instead.
    pub way_out: String,
}

fn refuse<T>(reason: impl Into<String>, way_out: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        reason: reason.into(),
        way_out: way_out.into(),
    })
}

/// An address and a port. `:PORT` and `localhost:PORT` are the loopback address: whoever
/// wants to be reached from outside says so.
pub fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    const WAY_OUT: &str = "write one such as 127.0.0.1:8000, 0.0.0.0:8000 or [::1]:8000";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let whole = SocketAddr::new(address, 8000);
        return refuse("has no port", format!("append one, for example {whole}"));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && (host.is_empty() || host.eq_ignore_ascii_case("localhost"))
    {
        return match port.parse() {
            Ok(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            Err(_) => refuse("the port is no number from 0 to 65535", WAY_OUT),
        };
    }
    refuse("not an IP address and a port", WAY_OUT)
}

/// A folder; its existence is looked at when it is used.
pub fn folder(text: &str) -> Result<PathBuf, Refusal> {
    if text.contains('\0') {
        return refuse("contains a NUL character", "write the path of a folder");
    }
    Ok(PathBuf::from(text))
}

/// `sqlite:PATH`.
pub fn database(text: &str) -> Result<Database, Refusal> {
    const WAY_OUT: &str = "use sqlite:PATH, or leave it out for parlour.sqlite3 in the data folder";
    let Some((scheme, rest)) = text.split_once(':') else {
        return refuse("not a database URL", WAY_OUT);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "sqlite" | "sqlite3" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path == ":memory:" {
                return refuse("a database in memory would lose every message", WAY_OUT);
            }
            if path.is_empty() || path.ends_with('/') || path.contains(['?', '#', '\0']) {
                return refuse("does not name a file", WAY_OUT);
            }
            Ok(Database::Sqlite(PathBuf::from(path)))
        }
        "postgres" | "postgresql" => refuse("this build has no PostgreSQL yet", WAY_OUT),
        _ => refuse("names a database that Parlour does not know", WAY_OUT),
    }
}

/// No Redis in this build.
pub fn redis(text: &str) -> Result<(), Refusal> {
    const WAY_OUT: &str = "leave it out: one node needs no Redis";
    let known = ["redis://", "rediss://", "redis+unix://", "unix://"];
    if known
        .iter()
        .any(|scheme| text.to_ascii_lowercase().starts_with(scheme))
    {
        return refuse("this build has no Redis yet", WAY_OUT);
    }
    refuse("not a Redis URL, and this build has no Redis yet", WAY_OUT)
}

/// The house's key. Tokens are random, so a weak key alone opens nothing; but a placeholder
/// copied from a guide should not look like protection.
pub fn secret(text: &str) -> Result<&str, Refusal> {
    if text.chars().count() < 16 {
        return refuse(
            "has fewer than 16 characters",
            "use the output of `openssl rand -hex 32`, or leave it out and Parlour makes one",
        );
    }
    Ok(text)
}

/// Names and addresses separated by commas, in lower case. `.example.org` is the domain and
/// everything below it; `*` is any, and gets a warning.
pub fn hosts(text: &str) -> Result<Vec<String>, Refusal> {
    let mut hosts = Vec::new();
    for host in items(text) {
        if host == "*" {
            hosts.push(host.to_owned());
            continue;
        }
        if !is_host(host.strip_prefix('.').unwrap_or(host)) {
            return refuse(
                format!("{} is no host name or IP address", shown(host)),
                "write names without scheme, port and path, for example chat.example.org",
            );
        }
        hosts.push(host.to_ascii_lowercase());
    }
    Ok(hosts)
}

/// A public address without path, in lower case and without a final slash.
pub fn base_url(text: &str) -> Result<String, Refusal> {
    const WAY_OUT: &str = "write one such as https://chat.example.org";
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = lower.split_once("://") else {
        return refuse("does not begin with https:// or http://", WAY_OUT);
    };
    if !matches!(scheme, "http" | "https") {
        return refuse("does not begin with https:// or http://", WAY_OUT);
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return refuse("has a path; Parlour lives at the root of a host", WAY_OUT);
    }
    if authority.contains('@') {
        return refuse("contains a user name or password", WAY_OUT);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return refuse("the port is no number from 1 to 65535", WAY_OUT);
    }
    if !is_host(host) || (host.contains(':') && !host.starts_with('[')) {
        return refuse(
            "does not name a host (other scripts need their xn-- form)",
            WAY_OUT,
        );
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Addresses and networks separated by commas, as address and length of the prefix.
pub fn proxies(text: &str) -> Result<Vec<(IpAddr, u8)>, Refusal> {
    const WAY_OUT: &str = "write addresses such as 127.0.0.1 or networks such as 10.0.0.0/8";
    let mut proxies = Vec::new();
    for item in items(text) {
        let (address, prefix) = match item.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (item, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return refuse(
                format!("{} is no IP address or network", shown(item)),
                WAY_OUT,
            );
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix.map(str::parse::<u8>) {
            None => longest,
            Some(Ok(prefix)) if prefix <= longest => prefix,
            Some(_) => {
                return refuse(
                    format!(
                        "the part behind / in {} is no number from 0 to {longest}",
                        shown(item)
                    ),
                    WAY_OUT,
                );
            }
        };
        proxies.push((address, prefix));
    }
    Ok(proxies)
}

/// Who may sign up.
pub fn registration(text: &str) -> Result<Registration, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "open" => Ok(Registration::Open),
        "invite" => Ok(Registration::Invite),
        "closed" => Ok(Registration::Closed),
        _ => refuse("not one of the modes", "use open, invite or closed"),
    }
}

/// On or off.
pub fn switch(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => refuse(
            "neither on nor off",
            "use on or off (true and false mean the same)",
        ),
    }
}

/// The limit of a message's length.
pub fn message_chars(text: &str) -> Result<usize, Refusal> {
    let (low, high) = (MESSAGE_CHARS.start(), MESSAGE_CHARS.end());
    match text.parse::<usize>() {
        Ok(number) if MESSAGE_CHARS.contains(&number) => Ok(number),
        Ok(_) => refuse("out of range", format!("use a number from {low} to {high}")),
        Err(_) => refuse(
            "not a whole number",
            format!("use a number from {low} to {high}"),
        ),
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn shown(text: &str) -> String {
    super::shown(text)
}

/// A DNS name, an IPv4 address, or an IPv6 address with or without brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}
