//! A house with a store, a live path and clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::actor::Credential;
use domain::{
    Body, Event, EventKind, Message, MessageId, Nonce, Origin, Role, RoomId, RoomKind, Scopes, Seq,
    SessionId, Signal, Time, TokenId, UserId, UserKind,
};
use futures_util::{SinkExt, StreamExt};
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{CreateRoom, EditMessage, NewMessage, NewUser, Store};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role as Side, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use crate::{
    Adopt, Config, Connected, ConnectionId, Control, Flow, Format, Inbound, Live, Purpose, Refused,
    Render,
};

pub(crate) const LOBBY: RoomId = RoomId(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// One line per fact.
pub(crate) struct Lines;

impl Render for Lines {
    fn event(&self, format: Format, event: &Event, out: &mut String) {
        let mark = if format == Format::Html { "html " } else { "" };
        *out = format!("{mark}{}:{} {}", event.room, event.seq, event.kind.word());
        if let Some(message) = event.kind.message() {
            *out += " ";
            *out += source(message);
            if let Some(quote) = &message.reply_to {
                *out += &format!(" > {}", quote.source.as_deref().unwrap_or("gone"));
            }
        }
        if out.contains("poison") {
            panic!("this message cannot be rendered");
        }
    }

    fn signal(&self, _: Format, signal: &Signal, out: &mut String) {
        *out = match signal {
            Signal::Typing { room, user } => format!("typing {room} {}", user.username),
            Signal::Receipt {
                room, user, seq, ..
            } => {
                format!("receipt {room} {} {seq}", user.username)
            }
            Signal::Unread {
                room,
                unread,
                mentions,
                head,
            } => format!("unread {room} {unread:?} {mentions} {head}"),
            Signal::Heads { rooms, .. } => {
                let heads: Vec<String> = rooms.iter().map(|(r, s)| format!("{r}:{s}")).collect();
                format!("heads {}", heads.join(","))
            }
        };
    }

    fn control(&self, _: Format, control: &Control, out: &mut String) {
        *out = match control {
            Control::Ready { user, .. } => format!("ready {user}"),
            Control::Subscribed { room, head, .. } => format!("subscribed {room} {head}"),
            Control::Resync { room, head, .. } => format!("resync {room} {head}"),
        };
    }
}

fn source(message: &Message) -> &str {
    match &message.body {
        Some(Body::Markdown { source, .. }) => source,
        Some(Body::Sealed(_)) => "sealed",
        None => "gone",
    }
}

/// Remembers what clients said; `stop!` pauses.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) texts: Mutex<Vec<String>>,
    pub(crate) closed: Mutex<Vec<ConnectionId>>,
}

impl Inbound for Heard {
    fn text(&self, _: &Connected, text: String) -> Flow {
        let flow = if text == "stop!" {
            Flow::Pause
        } else {
            Flow::Continue
        };
        assert!(text != "panic!", "a listener with a bug");
        self.texts.lock().unwrap().push(text);
        flow
    }

    fn closed(&self, connection: ConnectionId) {
        self.closed.lock().unwrap().push(connection);
    }
}

/// Rhythms for tests: nothing happens by the clock unless a test asks for it.
pub(crate) fn quiet() -> Config {
    Config {
        shards: 2,
        heartbeat: Duration::from_secs(600),
        reap_after: Duration::from_secs(1200),
        close_wait: Duration::from_secs(5),
        head_check: Duration::from_secs(600),
        hole_wait: Duration::from_millis(5),
        ..Config::default()
    }
}

pub(crate) struct House {
    _dir: tempfile::TempDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: Live,
    pub(crate) heard: Arc<Heard>,
    pub(crate) ada: UserId,
    pub(crate) bob: UserId,
}

static NUMBER: AtomicU64 = AtomicU64::new(1);

impl House {
    pub(crate) async fn new() -> House {
        House::with(quiet()).await
    }

    pub(crate) async fn with(config: Config) -> House {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("house.sqlite3");
        let store: Arc<dyn Store> = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let ada = person(&*store, "ada", Role::Owner).await;
        let bob = person(&*store, "bob", Role::Member).await;
        let live = Live::start(config, Arc::clone(&store), Arc::new(Lines))
            .await
            .unwrap();
        let heard = Arc::new(Heard::default());
        live.set_inbound(Arc::<Heard>::clone(&heard));
        House {
            _dir: dir,
            store,
            live,
            heard,
            ada,
            bob,
        }
    }

    pub(crate) async fn person(&self, name: &str) -> UserId {
        person(&*self.store, name, Role::Member).await
    }

    pub(crate) async fn room(&self, kind: RoomKind) -> RoomId {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = CreateRoom {
            name: format!("room {number}"),
            slug: Some(format!("room-{number}-x")),
            kind,
            topic: String::new(),
            creator: self.ada,
            at: Time(1),
        };
        self.store.create_room(&new).await.unwrap().0.id
    }

    /// Stores a message and publishes it.
    pub(crate) async fn post(&self, room: RoomId, author: UserId, text: &str) -> Event {
        let event = self.store_only(room, author, text).await;
        self.live.publish(event.clone());
        event
    }

    /// Stores a message; its publication is lost.
    pub(crate) async fn store_only(&self, room: RoomId, author: UserId, text: &str) -> Event {
        store_message(&*self.store, room, author, text, None).await
    }

    pub(crate) async fn reply(&self, room: RoomId, to: MessageId, text: &str) -> Event {
        let event = store_message(&*self.store, room, self.ada, text, Some(to)).await;
        self.live.publish(event.clone());
        event
    }

    pub(crate) async fn edit(&self, message: MessageId, text: &str) {
        let edit = EditMessage {
            message,
            editor: self.ada,
            body: body(text),
            mentions: Vec::new(),
            if_version: None,
            at: Time(3),
        };
        let (_, event) = self.store.edit_message(edit).await.unwrap();
        self.live.publish(event.unwrap());
    }

    pub(crate) async fn delete(&self, message: MessageId) {
        let deleted = self.store.delete_message(message, self.ada, Time(4)).await;
        self.live.publish(deleted.unwrap().1.unwrap());
    }

    pub(crate) async fn head(&self, room: RoomId) -> Seq {
        self.store.heads(&[room]).await.unwrap()[0].1
    }

    pub(crate) fn cursor(&self, room: RoomId, seq: i64) -> Option<domain::Cursor> {
        let epoch = self.live.epoch();
        let seq = Seq(seq);
        Some(domain::Cursor { epoch, room, seq })
    }

    /// A connected client of this user that has read its `ready`.
    pub(crate) async fn connect(&self, user: UserId) -> Client {
        let mut client = self.try_connect(user, Vec::new()).await.unwrap();
        assert_eq!(client.next().await, format!("ready {user}"));
        client
    }

    pub(crate) async fn connect_watching(&self, user: UserId, rooms: &[RoomId]) -> Client {
        let mut client = self.try_connect(user, rooms.to_vec()).await.unwrap();
        assert_eq!(client.next().await, format!("ready {user}"));
        client
    }

    pub(crate) async fn try_connect(
        &self,
        user: UserId,
        watches: Vec<RoomId>,
    ) -> Result<Client, Refused> {
        let purpose = Purpose::Chat {
            user,
            credential: Credential::Session(SessionId(user.0)),
            format: Format::Json,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            watches,
        };
        self.adopt(purpose).await
    }

    pub(crate) async fn connect_token(&self, user: UserId, token: i64) -> Result<Client, Refused> {
        self.adopt(Purpose::Chat {
            user,
            credential: Credential::Token(TokenId(token), Scopes::ALL),
            format: Format::Html,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            watches: Vec::new(),
        })
        .await
    }

    pub(crate) async fn adopt(&self, purpose: Purpose) -> Result<Client, Refused> {
        let (ours, theirs) = pair().await;
        let id = self.live.adopt(Adopt {
            socket: ours,
            leftover: Vec::new(),
            deflate: false,
            purpose,
        })?;
        Ok(Client::new(id, theirs).await)
    }

    /// A client that speaks bytes, not frames.
    pub(crate) async fn adopt_raw(
        &self,
        purpose: Purpose,
        deflate: bool,
    ) -> (ConnectionId, tokio::net::TcpStream) {
        let (ours, theirs) = pair().await;
        let id = self.live.adopt(Adopt {
            socket: ours,
            leftover: Vec::new(),
            deflate,
            purpose,
        });
        (id.unwrap(), theirs)
    }

    /// A client for whom the kernels of both sides keep little.
    pub(crate) async fn connect_narrow(&self, user: UserId) -> Client {
        let (ours, theirs) = narrow_pair();
        let id = self.live.adopt(Adopt {
            socket: ours,
            leftover: Vec::new(),
            deflate: false,
            purpose: self.chat(user),
        });
        let theirs = tokio::net::TcpStream::from_std(theirs).unwrap();
        let mut client = Client::new(id.unwrap(), theirs).await;
        assert_eq!(client.next().await, format!("ready {user}"));
        client
    }

    pub(crate) fn chat(&self, user: UserId) -> Purpose {
        Purpose::Chat {
            user,
            credential: Credential::Session(SessionId(user.0)),
            format: Format::Json,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            watches: Vec::new(),
        }
    }
}

/// The two ends of a connection: the server's as `std` has it, the client's as tokio does.
async fn pair() -> (std::net::TcpStream, tokio::net::TcpStream) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = std::net::TcpListener::bind(any).unwrap();
    let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, tokio::net::TcpStream::from_std(theirs).unwrap())
}

/// As above, with small buffers, and segments as small as on a real network: loopback's of
/// 64 KiB do not fit them.
fn narrow_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    use socket2::{Domain, Socket, Type};
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = std::net::TcpListener::bind(any).unwrap();
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    client.set_recv_buffer_size(32 * 1024).unwrap();
    client.set_tcp_mss(1_400).unwrap();
    client
        .connect(&listener.local_addr().unwrap().into())
        .unwrap();
    let (ours, _) = listener.accept().unwrap();
    let sending = socket2::SockRef::from(&ours);
    sending.set_send_buffer_size(32 * 1024).unwrap();
    client.set_nonblocking(true).unwrap();
    (ours, client.into())
}

pub(crate) async fn person(store: &dyn Store, name: &str, role: Role) -> UserId {
    let new = NewUser {
        username: name.to_owned(),
        skeleton: name.to_owned(),
        display_name: name.to_owned(),
        email: None,
        kind: UserKind::Person,
        role,
        password_hash: None,
        at: Time(1),
    };
    store.create_user(&new).await.unwrap().0.id
}

fn body(text: &str) -> Body {
    Body::Markdown {
        source: text.to_owned(),
        html: format!("<p>{text}</p>"),
    }
}

pub(crate) async fn store_message(
    store: &dyn Store,
    room: RoomId,
    author: UserId,
    text: &str,
    reply_to: Option<MessageId>,
) -> Event {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let nonce: Nonce = format!("00000000-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap();
    let mut fingerprint = [0; 32];
    fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    let mentions = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('@'))
        .map(str::to_owned)
        .collect();
    let new = NewMessage {
        room,
        author,
        nonce,
        fingerprint,
        body: body(text),
        mentions,
        origin: Origin::Person,
        reply_to,
        join_if_open: true,
        at: Time(2),
    };
    let mut events = store.append_message(new).await.unwrap().events;
    let last = events.pop().unwrap();
    assert!(matches!(last.kind, EventKind::MessagePosted(_)));
    last
}

/// A message's id out of its event.
pub(crate) fn id_of(event: &Event) -> MessageId {
    event.kind.message().unwrap().id
}

pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) socket: WebSocketStream<tokio::net::TcpStream>,
}

impl Client {
    async fn new(id: ConnectionId, socket: tokio::net::TcpStream) -> Client {
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let socket = WebSocketStream::from_raw_socket(socket, Side::Client, Some(config)).await;
        Client { id, socket }
    }

    /// The next text frame.
    pub(crate) async fn next(&mut self) -> String {
        match self.next_frame().await {
            Some(Frame::Text(text)) => text.to_string(),
            other => panic!("a text was expected, not {other:?}"),
        }
    }

    /// The next frame that is not a ping or pong; `None` at the end.
    pub(crate) async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("nothing came in time") {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_))) | None => {
                    return None;
                }
                Some(Err(error)) => panic!("the socket broke: {error}"),
            }
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Frame::text(text)).await.unwrap();
    }

    /// Waits for the Close and returns its code; texts before it are passed over.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match self.next_frame().await {
                Some(Frame::Close(Some(close))) => return close.code.into(),
                Some(Frame::Text(_)) => {}
                other => panic!("a close was expected, not {other:?}"),
            }
        }
    }

    /// Subscribes and reads the answer.
    pub(crate) async fn subscribe(&mut self, house: &House, room: RoomId) {
        house.live.subscribe(self.id, room, None).await.unwrap();
        let answer = self.next().await;
        assert!(answer.starts_with("subscribed "), "{answer}");
    }

    /// Whether nothing comes before what the server is asked to say now.
    pub(crate) async fn expect_only(&mut self, house: &House, expected: &[&str]) {
        house.live.send(self.id, "-- end --");
        for line in expected {
            assert_eq!(self.next().await, *line);
        }
        assert_eq!(self.next().await, "-- end --");
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
