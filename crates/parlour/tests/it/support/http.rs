//! A small HTTP client: one connection per request, nothing followed, nothing hidden.
//!
//! A client with conveniences (redirects, default headers) would hide what these tests are
//! about. The cookie jar is a map, because there is one site.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::DEADLINE;

/// Who asks: nobody, a program with a token, or a browser with cookies.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    is_browser: bool,
    jar: Arc<Mutex<BTreeMap<String, String>>>,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Nobody yet.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
            is_browser: false,
            jar: Arc::default(),
            headers: Vec::new(),
        }
    }

    /// A program with this token.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.trim().to_owned());
        self
    }

    /// Behaves like a browser: says where requests come from, and keeps cookies.
    pub fn like_a_browser(mut self) -> Self {
        self.is_browser = true;
        self
    }

    /// With a cookie it got earlier.
    pub fn with_cookie(self, name: &str, value: &str) -> Self {
        self.jar
            .lock()
            .unwrap()
            .insert(name.to_owned(), value.trim().to_owned());
        self
    }

    /// With a header on every request.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same person after the server came back at another address.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A cookie it holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.lock().unwrap().get(name).cloned()
    }

    /// Its token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The site's origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).send().await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path).send().await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path).json(&body).send().await
    }

    /// `PUT` with JSON.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path).json(&body).send().await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PATCH, path).json(&body).send().await
    }

    /// `POST` with a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(Method::POST, path).form(fields).send().await
    }

    /// A request to fill in.
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        let mut headers = self.headers.clone();
        if let Some(token) = &self.token {
            headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        let jar = self.jar.lock().unwrap();
        if !jar.is_empty() {
            let cookies: Vec<String> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers.push(("cookie".into(), cookies.join("; ")));
        }
        if self.is_browser {
            headers.push(("sec-fetch-site".into(), "same-origin".into()));
            if !method.is_safe() {
                headers.push(("origin".into(), self.origin()));
            }
        }
        Ask {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers,
            body: Bytes::new(),
        }
    }

    /// The headers that prove who it is, for sockets.
    pub fn credentials(&self) -> Vec<(String, String)> {
        let ask = self.ask(Method::GET, "/");
        let is_credential = |name: &str| matches!(name, "authorization" | "cookie");
        ask.headers
            .into_iter()
            .filter(|(name, _)| is_credential(name))
            .collect()
    }

    /// Posts a message through the API and returns it.
    pub async fn say(&self, room: i64, body: &str) -> Value {
        let path = format!("/api/v1/rooms/{room}/messages");
        self.post(&path, serde_json::json!({"body": body}))
            .await
            .expect(201)
            .json()
    }

    /// Makes a room through the API and returns it.
    pub async fn make_room(&self, name: &str, kind: &str) -> Value {
        let asked = serde_json::json!({"name": name, "kind": kind});
        self.post("/api/v1/rooms", asked).await.expect(201).json()
    }

    /// The lobby's id.
    pub async fn lobby(&self) -> i64 {
        let rooms = self.get("/api/v1/rooms?limit=100").await.expect(200).json();
        let rooms = rooms["items"].as_array().unwrap().clone();
        let lobby = rooms
            .iter()
            .find(|room| room["slug"] == "lobby")
            .expect("there is a lobby");
        lobby["id"].as_i64().unwrap()
    }
}

/// A request being made.
pub struct Ask {
    client: Client,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Ask {
    /// Sets a header, instead of one of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a header away.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| present != name);
        self
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    /// A body of any kind.
    pub fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// Sends it; fails the story when the server does not answer.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        match self.try_send().await {
            Ok(answer) => answer,
            Err(error) => panic!("{what}: no answer: {error}"),
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// What kept the answer from arriving.
    pub async fn try_send(self) -> Result<Answer, String> {
        let sending = self.converse();
        match tokio::time::timeout(DEADLINE, sending).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no answer in time".into()),
        }
    }

    async fn converse(self) -> Result<Answer, String> {
        let stream = TcpStream::connect(self.client.address)
            .await
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        let driving = tokio::spawn(connection);
        let has_host = self.headers.iter().any(|(name, _)| name == "host");
        let mut request = Request::builder().method(self.method).uri(&self.path);
        if !has_host {
            request = request.header("host", self.client.address.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(self.body))
            .map_err(|e| e.to_string())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        driving.abort();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            path: self.path,
        };
        answer.keep_cookies(&self.client.jar);
        Ok(answer)
    }
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    path: String,
}

impl Answer {
    /// The status must be this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let text = self.text();
        let shown: String = text.chars().take(600).collect();
        assert_eq!(
            self.status, status,
            "{} answered {}: {shown}",
            self.path, self.status
        );
        self
    }

    /// A refusal with this status and code, in the shape of problem+json.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{}",
            answer.path
        );
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{}: {problem}", answer.path);
        assert_eq!(problem["status"], status, "{problem}");
        assert!(
            !problem["title"].as_str().unwrap_or("").is_empty(),
            "{problem}"
        );
        assert!(
            !problem["detail"].as_str().unwrap_or("").is_empty(),
            "{problem}"
        );
        if matches!(status, 429 | 503) {
            let wait: u64 = answer
                .header("retry-after")
                .parse()
                .expect("Retry-After is a number");
            assert!(wait > 0);
        }
        answer
    }

    /// A header's text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.path, self.text()))
    }

    /// The items of a list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        self.json()["items"].as_array().expect("a list").clone()
    }

    /// Its `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    fn keep_cookies(&self, jar: &Mutex<BTreeMap<String, String>>) {
        for line in self.set_cookies() {
            let pair = line.split(';').next().unwrap_or("");
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let mut jar = jar.lock().unwrap();
            if value.is_empty() || line.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Percent-encodes everything but letters, digits and `-_.~`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
