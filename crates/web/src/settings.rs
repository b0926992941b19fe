//! What the operator decided about the HTTP side, checked before it gets here.
//!
//! Not the place for rules of the chat (`chat::Settings`) or of sockets (`live::Config`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// What the operator decided about the HTTP side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens; decides which hosts are allowed when nothing else does.
    pub listen: SocketAddr,
    /// The public address, when the operator named one.
    pub base_url: Option<BaseUrl>,
    /// Hosts to answer to; empty means the defaults. `*` is any, `.example.org` is the
    /// domain and everything below it.
    pub allowed_hosts: Vec<String>,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether test routes such as `/debug/ws-echo` exist.
    pub debug: bool,
    /// Longest message in Unicode scalar values, for pages and the description of the API.
    pub max_message_chars: usize,
    /// Bounds of the server; tests shorten them.
    pub bounds: Bounds,
}

/// How long and how much a peer may take.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections served at once; more wait in the kernel's queue. Sockets that left for
    /// the live path do not count.
    pub max_connections: usize,
    /// Time for the whole head of a request, from its first byte.
    pub header_timeout: Duration,
    /// Time a connection may stay silent between two requests.
    pub idle_timeout: Duration,
    /// Head of a request, start line included.
    pub max_header_bytes: usize,
    /// Body of a request.
    pub max_body_bytes: usize,
    /// A body has this long before its rate counts.
    pub body_grace: Duration,
    /// Afterwards it must have come at this rate since its beginning.
    pub body_bytes_per_s: u64,
    /// Time for a whole body, whatever its rate.
    pub body_timeout: Duration,
    /// A peer that takes nothing of an answer for so long is gone.
    pub write_stall: Duration,
    /// Time for requests in flight when the server stops.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_header_bytes: 16 * 1024,
            max_body_bytes: 1024 * 1024,
            body_grace: Duration::from_secs(5),
            body_bytes_per_s: 1024,
            body_timeout: Duration::from_secs(60),
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(8),
        }
    }
}

impl Settings {
    /// Settings for a server on `listen`, everything else as by default.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            base_url: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            debug: false,
            max_message_chars: 1000,
            bounds: Bounds::default(),
        }
    }
}

/// A public address: scheme, host and port, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    is_https: bool,
    authority: String,
}

impl BaseUrl {
    /// Whether browsers reach the site by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Host, and port when it is not the scheme's own; lower case.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// `https://chat.example.org`, without a slash at its end.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(self.is_https, &self.authority)
    }
}

/// Why a base URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address like https://chat.example.org (http or https, no path)")]
pub struct NotABaseUrl;

impl FromStr for BaseUrl {
    type Err = NotABaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: http::Uri = text.parse().map_err(|_| NotABaseUrl)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NotABaseUrl),
        };
        let authority = uri.authority().ok_or(NotABaseUrl)?.as_str();
        if authority.contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(NotABaseUrl);
        }
        Ok(Self {
            is_https,
            authority: without_default_port(is_https, authority).to_ascii_lowercase(),
        })
    }
}

/// An origin as browsers write it.
#[must_use]
pub(crate) fn origin(is_https: bool, authority: &str) -> String {
    let scheme = if is_https { "https" } else { "http" };
    format!("{scheme}://{}", without_default_port(is_https, authority))
}

fn without_default_port(is_https: bool, authority: &str) -> &str {
    let port = if is_https { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// One address or a block of them, e.g. `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    prefix: u32,
    is_v4: bool,
}

impl Network {
    /// Whether `address` is in the block. IPv4 in IPv6 clothes is IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4, width) = bits(address);
        let host_bits = width - self.prefix.min(width);
        is_v4 == self.is_v4
            && bits.checked_shr(host_bits).unwrap_or(0)
                == self.base.checked_shr(host_bits).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> (u128, bool, u32) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), true, 32),
        IpAddr::V6(v6) => (u128::from(v6), false, 128),
    }
}

/// Why a network is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a block like 10.0.0.0/8")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let (base, is_v4, width) = bits(address);
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NotANetwork)?,
            None => width,
        };
        if prefix > width {
            return Err(NotANetwork);
        }
        Ok(Self {
            base,
            prefix,
            is_v4,
        })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::{BaseUrl, Network};

    #[test]
    fn base_urls_are_scheme_host_and_port() {
        let check = |text: &str, expected: Option<&str>| {
            let got = text.parse::<BaseUrl>().ok().map(|url| url.origin());
            assert_eq!(got.as_deref(), expected, "{text}");
        };
        check("https://Chat.Example.org", Some("https://chat.example.org"));
        check(
            "https://chat.example.org:443/",
            Some("https://chat.example.org"),
        );
        check("http://localhost:8000", Some("http://localhost:8000"));
        check("http://[::1]:8000", Some("http://[::1]:8000"));
        check("https://chat.example.org/sub", None);
        check("https://me@chat.example.org", None);
        check("ftp://chat.example.org", None);
        check("chat.example.org", None);
        check("", None);
    }

    #[test]
    fn networks_hold_their_addresses() {
        let check = |network: &str, address: &str, expected: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("127.0.0.1", "::ffff:127.0.0.1", true);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        check("::/0", "2001:db8::1", true);
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
