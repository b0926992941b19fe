//! What a post costs: one write of the store and at most one read a second, however many
//! people are in the room. In process, because only the store can count.

use std::sync::Arc;

use chat::accounts::{Device, SignUp};
use chat::messages::Draft;
use chat::{Chat, Settings};
use domain::{Actor, Origin, Role, RoomRef, UserKind};
use live::Live;
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{NewUser, Store, Users as _};

use crate::support::PASSWORD;

const POSTS: u64 = 20;

/// Reads and writes of twenty posts. The least of a few tries, because the house's own
/// tasks may look at something meanwhile.
async fn cost(chat: &Arc<Chat>, store: &SqliteStore, actor: &Actor) -> (u64, u64) {
    let mut least = (u64::MAX, u64::MAX);
    for _ in 0..5 {
        let before = store.operations();
        for n in 0..POSTS {
            let draft = Draft {
                room: RoomRef::Slug("lobby".into()),
                source: format!("message {n} with @ada in it"),
                nonce: chat.fresh_nonce(),
                reply_to: None,
                origin: Origin::Person,
            };
            chat.post_message(actor, draft).await.unwrap();
        }
        let after = store.operations();
        least.0 = least.0.min(after.0 - before.0);
        least.1 = least.1.min(after.1 - before.1);
    }
    least
}

#[tokio::test]
async fn posting_is_one_write_and_at_most_one_read_whatever_the_size_of_the_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parlour.sqlite3");
    let sqlite = SqliteStore::open(&file, SqliteOptions::default()).unwrap();
    let store: Arc<dyn Store> = sqlite.clone();
    let config = live::Config::default();
    let live = Live::start(config, Arc::clone(&store), web::renderer())
        .await
        .unwrap();
    let settings = Settings {
        secret_key: vec![7; 32],
        rate_limits: false,
        ..Settings::default()
    };
    let chat = Chat::start(
        Arc::clone(&store),
        live.clone(),
        parlour::wiring::env(),
        settings,
    );
    let form = SignUp {
        username: "ada".into(),
        password: PASSWORD.into(),
        password_confirm: PASSWORD.into(),
        ..SignUp::default()
    };
    let ada = chat.set_up(form, &Device::default()).await.unwrap();
    let actor = chat
        .actor_of_session(&ada.secret, "127.0.0.1")
        .await
        .unwrap();

    let (reads, writes) = cost(&chat, &sqlite, &actor).await;
    assert!(
        reads <= 1 && writes == POSTS,
        "alone: {reads} reads, {writes} writes"
    );
    for n in 0..500 {
        let name = format!("person{n}");
        let new = NewUser {
            skeleton: domain::Username::skeleton_of(&name),
            display_name: name.clone(),
            username: name,
            email: None,
            kind: UserKind::Person,
            role: Role::Member,
            password_hash: None,
            at: parlour::wiring::now(),
        };
        sqlite.create_user(&new).await.unwrap();
    }
    let (reads, writes) = cost(&chat, &sqlite, &actor).await;
    assert!(
        reads <= 1 && writes == POSTS,
        "among 500: {reads} reads, {writes} writes"
    );
    chat.stop().await;
    live.stop(std::time::Duration::ZERO).await;
    store.close().await;
}
