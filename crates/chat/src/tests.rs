//! The application over a real SQLite file and the real live path, with a clock that the
//! test turns: what depends on time cannot be seen from outside the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::{Actor, Event, MessageId, Origin, RoomKind, RoomRef, Scopes, Signal, Time, UserState};
use live::{Control, Format, Live, Render};
use store::sqlite::{SqliteOptions, SqliteStore};

use crate::accounts::{Device, SignUp};
use crate::messages::Draft;
use crate::rooms::RoomDraft;
use crate::{Chat, Env, Error, Settings};

mod accounts;
mod rights;

const START: i64 = 1_795_000_000_000;
const PASSWORD: &str = "quiet lamp under oak";

/// Renders nothing: these tests have no sockets.
struct Blank;

impl Render for Blank {
    fn event(&self, _: Format, _: &Event, _: &mut String) {}
    fn signal(&self, _: Format, _: &Signal, _: &mut String) {}
    fn control(&self, _: Format, _: &Control, _: &mut String) {}
}

/// A house with the owner `ada` and the members `bob` and `eve`.
struct House {
    chat: Arc<Chat>,
    clock: Arc<AtomicI64>,
    ada: Actor,
    bob: Actor,
    eve: Actor,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> House {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> House {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parlour.sqlite3");
        let store = SqliteStore::open(&file, SqliteOptions::default()).unwrap();
        let live = Live::start(live::Config::default(), store.clone(), Arc::new(Blank))
            .await
            .unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let settings = Settings {
            secret_key: b"a key of the house".to_vec(),
            ..settings
        };
        let chat = Chat::start(store, live, env(&clock), settings);
        let ada = chat.set_up(form("ada"), &device()).await.unwrap();
        let ada = chat.actor_of_session(&ada.secret, "::1").await.unwrap();
        let mut house = House {
            bob: ada.clone(),
            eve: ada.clone(),
            ada,
            chat,
            clock,
            _folder: folder,
        };
        house.bob = house.person("bob").await;
        house.eve = house.person("eve").await;
        house
    }

    async fn person(&self, name: &str) -> Actor {
        let signed_in = self.chat.sign_up(form(name), &device()).await.unwrap();
        self.chat
            .actor_of_session(&signed_in.secret, "::1")
            .await
            .unwrap()
    }

    fn wait_ms(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    fn draft(&self, room: &RoomRef, source: &str) -> Draft {
        Draft {
            room: room.clone(),
            source: source.to_owned(),
            nonce: self.chat.fresh_nonce(),
            reply_to: None,
            origin: Origin::Person,
        }
    }

    async fn say(&self, actor: &Actor, room: &RoomRef, source: &str) -> crate::Result<MessageId> {
        let posted = self
            .chat
            .post_message(actor, self.draft(room, source))
            .await?;
        Ok(posted.message.id)
    }

    async fn closed_room(&self, owner: &Actor) -> RoomRef {
        let draft = RoomDraft {
            name: "Cellar".into(),
            kind: RoomKind::Closed,
            topic: String::new(),
        };
        RoomRef::Id(self.chat.create_room(owner, draft).await.unwrap().id)
    }
}

fn env(clock: &Arc<AtomicI64>) -> Env {
    let clock = Arc::clone(clock);
    // Distinct bytes are all these tests need of randomness.
    let counter = AtomicU64::new(1);
    Env::new(
        move || Time(clock.load(Ordering::SeqCst)),
        move |bytes| {
            for chunk in bytes.chunks_mut(8) {
                let number = counter.fetch_add(1, Ordering::SeqCst).to_le_bytes();
                chunk.copy_from_slice(&number[..chunk.len()]);
            }
        },
    )
}

fn form(name: &str) -> SignUp {
    SignUp {
        username: name.into(),
        password: PASSWORD.into(),
        password_confirm: PASSWORD.into(),
        ..SignUp::default()
    }
}

fn device() -> Device {
    Device {
        agent: "test".into(),
        address: "::1".into(),
        known_mark: None,
    }
}

fn lobby() -> RoomRef {
    RoomRef::Slug("lobby".into())
}
