//! Who asks, and under which name: the Host header, proxies, the request's own origin.
//!
//! Everything that decides by host, scheme or address reads [`Client`], never a header. A
//! newcomer would read `X-Forwarded-For` directly; anyone can send that.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, Uri};

use crate::problem::Problem;
use crate::settings::{Network, Settings, origin};

/// Who asks, as far as it can be believed. An extension of every request.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address limits count by: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// Whether the browser reached us by TLS.
    pub is_https: bool,
    /// The origin under which this request came, e.g. `https://chat.example.org`.
    pub origin: Arc<str>,
    /// The operator's public origin, when it differs from `origin`.
    base_origin: Option<Arc<str>>,
}

impl Client {
    /// Whether a browser's `Origin` header names this site.
    #[must_use]
    pub fn owns(&self, origin: &str) -> bool {
        // Browsers write origins in lower case and without the default port.
        *self.origin == *origin || self.base_origin.as_deref() == Some(origin)
    }

    /// A client that passed no gate: nothing is its own, so every check of origin fails.
    pub(crate) fn nobody() -> Self {
        Self {
            address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            is_https: false,
            origin: "".into(),
            base_origin: None,
        }
    }

    /// The origin for links that leave the page: the operator's, else the request's.
    #[must_use]
    pub fn public_origin(&self) -> &str {
        self.base_origin.as_deref().unwrap_or(&self.origin)
    }
}

/// The rules of [`Settings`], made ready once.
#[derive(Debug)]
pub(crate) struct Hosts {
    allowed: Vec<Pattern>,
    any_literal_address: bool,
    proxies: Vec<Network>,
    base: Option<Base>,
}

#[derive(Debug)]
struct Base {
    is_https: bool,
    authority: String,
    origin: Arc<str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Exactly(String),
    Below(String),
}

impl Hosts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let listen = settings.listen.ip();
        let mut allowed: Vec<Pattern> = settings.allowed_hosts.iter().map(|h| pattern(h)).collect();
        if allowed.is_empty() {
            allowed.extend(["localhost", "127.0.0.1", "::1"].map(|h| Pattern::Exactly(h.into())));
            allowed.push(Pattern::Exactly(listen.to_string()));
        }
        let any_literal_address = settings.allowed_hosts.is_empty()
            && listen.is_unspecified()
            && settings.base_url.is_none();
        let base = settings.base_url.as_ref().map(|url| Base {
            is_https: url.is_https(),
            authority: url.authority().to_owned(),
            origin: url.origin().into(),
        });
        if let Some(base) = &base {
            allowed.push(Pattern::Exactly(host_of(&base.authority).to_owned()));
        }
        Self {
            allowed,
            any_literal_address,
            proxies: settings.trusted_proxies.clone(),
            base,
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// 400 when the Host header is absent, doubled or no host; 421 when it names another
    /// site, unless `any_host` (health checks come under any name).
    pub(crate) fn client(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        peer: IpAddr,
        any_host: bool,
    ) -> Result<Client, Problem> {
        let peer = peer.to_canonical();
        let is_proxied = self.trusts(peer);
        let authority = authority(uri, headers, is_proxied)?;
        if !any_host && !self.allows(host_of(&authority)) {
            return Err(Problem::misdirected());
        }
        let is_base = |base: &Base| without_port_80_443(&authority) == base.authority;
        let is_https = match &self.base {
            Some(base) if is_base(base) => base.is_https,
            _ => is_proxied && forwarded_proto(headers) == Some("https"),
        };
        let own: Arc<str> = origin(is_https, &authority).into();
        let base_origin = self.base.as_ref().map(|base| Arc::clone(&base.origin));
        Ok(Client {
            address: if is_proxied {
                self.forwarded_for(headers, peer)
            } else {
                peer
            },
            is_https,
            base_origin: base_origin.filter(|base| *base != own),
            origin: own,
        })
    }

    fn allows(&self, host: &str) -> bool {
        let is_allowed = self.allowed.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Exactly(name) => name == host,
            Pattern::Below(domain) => host == &domain[1..] || host.ends_with(domain.as_str()),
        });
        is_allowed || (self.any_literal_address && host.parse::<IpAddr>().is_ok())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// The last address in the chain that is no trusted proxy: what stands left of it is
    /// whatever the sender liked to write.
    fn forwarded_for(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut address = peer;
        let lines = headers.get_all("x-forwarded-for");
        let mut entries: Vec<&str> = Vec::new();
        for line in lines {
            entries.extend(line.to_str().unwrap_or("").split(',').map(str::trim));
        }
        for entry in entries.into_iter().rev().take(32) {
            let Some(said) = literal_address(entry) else {
                break;
            };
            address = said.to_canonical();
            if !self.trusts(address) {
                break;
            }
        }
        address
    }
}

/// The site's name in the request, in lower case, with its port.
fn authority(uri: &Uri, headers: &HeaderMap, is_proxied: bool) -> Result<String, Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Problem::invalid("a request needs exactly one Host header"));
    };
    let host = host.to_str().unwrap_or("");
    // RFC 9112 §3.2.2: an absolute target outranks the Host header.
    let mut said = uri.authority().map_or(host, |authority| authority.as_str());
    if is_proxied && let Some(forwarded) = headers.get("x-forwarded-host") {
        said = forwarded.to_str().unwrap_or("");
    }
    if !is_authority(said) || !is_authority(host) {
        return Err(Problem::invalid("the Host header is not a host name"));
    }
    Ok(said.to_ascii_lowercase())
}

/// Host and optional port, of the letters that host names and addresses have.
fn is_authority(text: &str) -> bool {
    let is_port = |port: &str| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return false;
        };
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return host.parse::<Ipv6Addr>().is_ok() && port_fits;
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(is_letter) && port.is_none_or(is_port)
}

/// The host of an authority: no port, no brackets, no root dot.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or("");
    }
    let host = authority.split(':').next().unwrap_or("");
    host.strip_suffix('.').unwrap_or(host)
}

fn without_port_80_443(authority: &str) -> &str {
    authority
        .strip_suffix(":443")
        .or_else(|| authority.strip_suffix(":80"))
        .unwrap_or(authority)
}

fn pattern(host: &str) -> Pattern {
    let host = host.trim().to_ascii_lowercase();
    if host == "*" {
        Pattern::Any
    } else if host.starts_with('.') && host.len() > 1 {
        Pattern::Below(host)
    } else {
        // An operator may write the port or brackets; neither matters.
        match host.parse::<Ipv6Addr>() {
            Ok(_) => Pattern::Exactly(host),
            Err(_) => Pattern::Exactly(host_of(&host).to_owned()),
        }
    }
}

fn forwarded_proto(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get("x-forwarded-proto")?.to_str().ok()?;
    said.rsplit(',').next().map(str::trim)
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn literal_address(entry: &str) -> Option<IpAddr> {
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    if let Some(rest) = entry.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok();
    }
    entry
        .split_once(':')
        .and_then(|(address, _)| address.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};

    use super::{Client, Hosts};
    use crate::problem::Problem;
    use crate::settings::Settings;

    fn settings(listen: &str) -> Settings {
        Settings::new(listen.parse().unwrap())
    }

    fn ask(hosts: &Hosts, peer: &str, headers: &[(&str, &str)]) -> Result<Client, Problem> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let peer: IpAddr = peer.parse().unwrap();
        hosts.client(&Uri::from_static("/"), &map, peer, false)
    }

    fn status(hosts: &Hosts, host: &str) -> StatusCode {
        match ask(hosts, "127.0.0.1", &[("host", host)]) {
            Ok(_) => StatusCode::OK,
            Err(problem) => problem.status(),
        }
    }

    #[test]
    fn only_known_hosts_are_answered() {
        let hosts = Hosts::new(&settings("127.0.0.1:8000"));
        for (host, expected) in [
            ("localhost", 200),
            ("LOCALHOST:8000", 200),
            ("localhost.", 200),
            ("127.0.0.1:9", 200),
            ("[::1]:8000", 200),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("10.0.0.1", 421),
            ("", 400),
            ("a b", 400),
            ("localhost:99999", 400),
            ("localhost:+80", 400),
            ("[::1", 400),
            ("[localhost]", 400),
            ("me@localhost", 400),
            ("localhost/x", 400),
        ] {
            assert_eq!(status(&hosts, host).as_u16(), expected, "{host}");
        }
        let twice = ask(
            &hosts,
            "127.0.0.1",
            &[("host", "localhost"), ("host", "localhost")],
        );
        assert_eq!(twice.unwrap_err().status(), StatusCode::BAD_REQUEST);
        let absent = ask(&hosts, "127.0.0.1", &[]);
        assert_eq!(absent.unwrap_err().status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn the_operator_widens_and_narrows_the_hosts() {
        let mut wide = settings("0.0.0.0:8000");
        let hosts = Hosts::new(&wide);
        assert_eq!(status(&hosts, "192.168.1.5:8000"), StatusCode::OK);
        assert_eq!(status(&hosts, "[fe80::1]"), StatusCode::OK);
        assert_eq!(status(&hosts, "evil.example").as_u16(), 421);

        wide.base_url = Some("https://chat.example.org".parse().unwrap());
        let hosts = Hosts::new(&wide);
        assert_eq!(status(&hosts, "chat.example.org"), StatusCode::OK);
        assert_eq!(status(&hosts, "192.168.1.5:8000").as_u16(), 421);

        wide.allowed_hosts = vec![".example.net".into()];
        let hosts = Hosts::new(&wide);
        assert_eq!(status(&hosts, "example.net"), StatusCode::OK);
        assert_eq!(status(&hosts, "a.example.net"), StatusCode::OK);
        assert_eq!(status(&hosts, "aexample.net").as_u16(), 421);
        assert_eq!(status(&hosts, "localhost").as_u16(), 421);
        assert_eq!(status(&hosts, "chat.example.org"), StatusCode::OK);
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let mut behind = settings("127.0.0.1:8000");
        behind.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let hosts = Hosts::new(&behind);
        let headers = [
            ("host", "localhost"),
            ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1"),
            ("x-forwarded-proto", "https"),
        ];
        let client = ask(&hosts, "127.0.0.1", &headers).unwrap();
        assert_eq!(client.address.to_string(), "203.0.113.9");
        assert_eq!(&*client.origin, "https://localhost");

        let stranger = ask(&hosts, "198.51.100.7", &headers).unwrap();
        assert_eq!(stranger.address.to_string(), "198.51.100.7");
        assert_eq!(&*stranger.origin, "http://localhost");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let mut public = settings("127.0.0.1:8000");
        public.base_url = Some("https://chat.example.org".parse().unwrap());
        let hosts = Hosts::new(&public);
        let client = ask(&hosts, "127.0.0.1", &[("host", "chat.example.org")]).unwrap();
        assert!(client.is_https);
        for (origin, expected) in [
            ("https://chat.example.org", true),
            ("http://chat.example.org", false),
            ("https://chat.example.org:444", false),
            ("https://chat.example.org.evil.example", false),
            ("https://evil-chat.example.org", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(client.owns(origin), expected, "{origin}");
        }
    }
}
