//! A socket as a program has it, over a second implementation of RFC 6455.
//!
//! What must not arrive is shown without waiting: [`Socket::fence`] asks for a pong, and
//! everything said before stands in front of it.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Client, DEADLINE};

/// One socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What came while something else was waited for.
    kept: VecDeque<Value>,
    /// The first thing said: who is connected, and the epoch.
    pub ready: Value,
}

/// What arrived.
#[derive(Debug)]
pub enum Said {
    /// A JSON object.
    Event(Value),
    /// Text that is no JSON: fragments of the page.
    Text(String),
    /// Binary, on the echo route.
    Binary(Vec<u8>),
    /// The end with its code; 1006 when there was none.
    Closed(u16),
}

/// Why a socket was not opened.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Socket {
    /// Opens `/api/v1/socket` and waits for `ready`.
    pub async fn of(client: &Client) -> Self {
        Self::open(client, "/api/v1/socket", &[])
            .await
            .expect("the socket opens")
    }

    /// Opens the page's socket.
    pub async fn of_page(client: &Client) -> Self {
        let origin = client.origin();
        Self::open(client, "/ws", &[("origin", &origin)])
            .await
            .expect("the socket opens")
    }

    /// Opens a socket with extra headers and waits for `ready`.
    ///
    /// # Errors
    /// The refusal before the upgrade.
    pub async fn open(
        client: &Client,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let mut socket = Self::open_silent(client, path, headers).await?;
        socket.ready = socket.event("ready").await;
        Ok(socket)
    }

    /// Opens a socket that says nothing first: the echo route.
    ///
    /// # Errors
    /// The refusal before the upgrade.
    pub async fn open_silent(
        client: &Client,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let mut request = format!("ws://{}{path}", client.address())
            .into_client_request()
            .unwrap();
        let own = client.credentials();
        let own = own
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(client.address())
            .await
            .map_err(|error| Refusal {
                status: 0,
                body: error.to_string(),
            })?;
        stream.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default()
            .max_message_size(Some(64 << 20))
            .max_frame_size(Some(64 << 20));
        let opening = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        match tokio::time::timeout(DEADLINE, opening)
            .await
            .expect("an answer to the handshake")
        {
            Ok((stream, _)) => Ok(Self {
                stream,
                kept: VecDeque::new(),
                ready: Value::Null,
            }),
            Err(Error::Http(response)) => Err(Refusal {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or(&[]))
                    .into_owned(),
            }),
            Err(error) => Err(Refusal {
                status: 0,
                body: error.to_string(),
            }),
        }
    }

    /// Says something.
    pub async fn say(&mut self, op: Value) {
        self.say_text(&op.to_string()).await;
    }

    /// Says text as it is.
    pub async fn say_text(&mut self, text: &str) {
        self.try_say(text).await.expect("the socket takes text");
    }

    /// Says text as it is.
    ///
    /// # Errors
    /// When the socket is gone.
    pub async fn try_say(&mut self, text: &str) -> Result<(), String> {
        self.stream
            .send(Message::text(text.to_owned()))
            .await
            .map_err(|error| error.to_string())
    }

    /// Sends any message.
    ///
    /// # Errors
    /// When the socket is gone.
    pub async fn send(&mut self, message: Message) -> Result<(), String> {
        self.stream
            .send(message)
            .await
            .map_err(|error| error.to_string())
    }

    /// The next thing said, or the end. Pings are answered by the library.
    pub async fn next(&mut self) -> Said {
        if let Some(kept) = self.kept.pop_front() {
            return Said::Event(kept);
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Said {
        self.receive_within(DEADLINE).await
    }

    /// The next thing said, for what takes longer than a story usually waits.
    pub async fn next_patiently(&mut self, patience: Duration) -> Said {
        self.receive_within(patience).await
    }

    async fn receive_within(&mut self, patience: Duration) -> Said {
        loop {
            let next = tokio::time::timeout(patience, self.stream.next()).await;
            let next = next.expect("something is said in time");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return match serde_json::from_str(text.as_str()) {
                        Ok(value) => Said::Event(value),
                        Err(_) => Said::Text(text.as_str().to_owned()),
                    };
                }
                Some(Ok(Message::Binary(bytes))) => return Said::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    // Lets the library answer the close, as a browser does.
                    let _ = tokio::time::timeout(DEADLINE, self.stream.next()).await;
                    return Said::Closed(code);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Said::Closed(1006),
            }
        }
    }

    /// The next event of that name; others are kept for later.
    #[track_caller]
    pub fn event<'a>(&'a mut self, name: &'a str) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            if let Some(at) = self.kept.iter().position(|event| event["event"] == name) {
                return self.kept.remove(at).unwrap();
            }
            loop {
                let began = tokio::time::timeout(DEADLINE, self.receive()).await;
                match began {
                    Ok(Said::Event(event)) if event["event"] == name => return event,
                    Ok(Said::Event(event)) => self.kept.push_back(event),
                    Ok(Said::Text(_) | Said::Binary(_)) => {}
                    Ok(closed) => panic!(
                        "{caller}: waiting for {name}: {closed:?}; kept: {:?}",
                        self.kept
                    ),
                    Err(_) => panic!("{caller}: {name} did not come; kept: {:?}", self.kept),
                }
            }
        }
    }

    /// The next fragment of the page.
    pub async fn fragment(&mut self) -> String {
        loop {
            match self.receive().await {
                Said::Text(text) => return text,
                Said::Event(event) => self.kept.push_back(event),
                other => panic!("waiting for a fragment: {other:?}"),
            }
        }
    }

    /// Waits for the end and returns its code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Said::Closed(code) = self.receive().await {
                return code;
            }
        }
    }

    /// Reads a room: subscribes and waits for the answer.
    pub async fn subscribe(&mut self, room: i64) -> Value {
        self.say(json!({"op": "subscribe", "room": room})).await;
        self.event("subscribed").await
    }

    /// Reads a room on from a position; what comes first is the caller's to read.
    pub async fn resume(&mut self, room: i64, after: i64, epoch: &Value) {
        self.say(json!({"op": "subscribe", "room": room, "after": after, "epoch": epoch}))
            .await;
    }

    /// Posts and waits for the acknowledgement or the refusal.
    pub async fn post(&mut self, room: i64, nonce: &str, body: &str) -> Value {
        self.say(json!({"op": "post", "room": room, "nonce": nonce, "body": body}))
            .await;
        loop {
            match self.receive().await {
                Said::Event(event) if event["nonce"] == nonce || event["re"] == nonce => {
                    return event;
                }
                Said::Event(event) => self.kept.push_back(event),
                Said::Text(_) | Said::Binary(_) => {}
                closed => panic!("waiting for the acknowledgement: {closed:?}"),
            }
        }
    }

    /// Everything said before now, in order. What is not in it was not sent.
    pub async fn fence(&mut self) -> Vec<Value> {
        self.say(json!({"op": "ping"})).await;
        let mut seen: Vec<Value> = Vec::new();
        loop {
            match self.receive().await {
                Said::Event(event) if event["event"] == "pong" => {
                    let mut all: Vec<Value> = self.kept.drain(..).collect();
                    all.append(&mut seen);
                    return all;
                }
                Said::Event(event) => seen.push(event),
                Said::Text(text) => seen.push(json!({"fragment": text})),
                other => panic!("waiting for a pong: {other:?}"),
            }
        }
    }
}

/// The events of a name among those seen.
pub fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}
