//! Posting, editing, deleting, and one message with its facts.

use std::sync::Arc;

use domain::{
    Body, EventKind, MessageId, RoomChanges, RoomId, RoomKind, Seq, Time, UserId, UserState,
};

use super::scene::{LOBBY, Scene, absent, draft, edit_of, markdown, nonce, refused, source};
use crate::{ChangeRoom, Conflict, Store, UserUpdate};

async fn archive(scene: &Scene, room: RoomId) {
    let change = ChangeRoom {
        room,
        changes: RoomChanges {
            archived: Some(true),
            ..RoomChanges::default()
        },
        actor: None,
        at: Time(9),
    };
    scene.store.change_room(&change).await.unwrap();
}

async fn ban(scene: &Scene, user: UserId) {
    let update = UserUpdate {
        state: Some(UserState::Banned),
        ..UserUpdate::default()
    };
    scene
        .store
        .update_user(user, &update, Time(9))
        .await
        .unwrap();
}

pub async fn a_message_comes_back_as_it_was_posted(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = draft(LOBBY, scene.bob.id, "hello 'world' \\ % _ \u{1f600}");
    let posted = scene.append(new.clone()).await;
    assert!(!posted.repeated);
    let message = posted.message;
    assert_eq!(
        (message.room, message.seq, message.version),
        (LOBBY, Seq(3), 1)
    );
    assert_eq!((message.nonce, message.origin), (new.nonce, new.origin));
    assert_eq!(message.author.id, scene.bob.id);
    assert_eq!(message.body, Some(new.body));
    assert_eq!(message.created_at, new.at);
    let facts = scene.store.message_facts(message.id, None).await.unwrap();
    assert_eq!(facts.message, message);
    let log = scene.log(LOBBY).await;
    assert_eq!(posted.events, log[2..]);
    assert_eq!(log[2].kind, EventKind::MessagePosted(message));
}

pub async fn a_sealed_body_is_kept_byte_for_byte(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let sealed = Body::Sealed(vec![0, 255, 1, 0, 39]);
    let mut new = draft(LOBBY, scene.bob.id, "sealed");
    new.body = sealed.clone();
    let message = scene.append(new).await.message;
    let facts = scene.store.message_facts(message.id, None).await.unwrap();
    assert_eq!(facts.message.body, Some(sealed));
    let mut edit = edit_of(message.id, scene.bob.id, "x");
    edit.body = Body::Sealed(vec![7]);
    let (edited, _) = scene.store.edit_message(edit).await.unwrap();
    assert_eq!(edited.body, Some(Body::Sealed(vec![7])));
}

pub async fn a_repeated_nonce_returns_the_first_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = draft(LOBBY, scene.bob.id, "once");
    let first = scene.append(new.clone()).await;
    let again = scene.append(new).await;
    assert!(again.repeated && again.events.is_empty());
    assert_eq!(again.message, first.message);
    assert_eq!(scene.log(LOBBY).await.len(), 3);
}

pub async fn a_nonce_for_another_draft_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = draft(LOBBY, scene.bob.id, "once");
    scene.append(new.clone()).await;
    let mut other = draft(LOBBY, scene.bob.id, "twice");
    other.nonce = new.nonce;
    refused(
        scene.store.append_message(other).await,
        Conflict::NonceReused,
    );
}

pub async fn a_nonce_belongs_to_its_author(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bobs = draft(LOBBY, scene.bob.id, "bob's");
    let mut adas = draft(LOBBY, scene.ada.id, "ada's");
    adas.nonce = bobs.nonce;
    let first = scene.append(bobs.clone()).await.message;
    let second = scene.append(adas).await.message;
    assert_ne!(first.id, second.id);
    let by = |author| scene.store.message_by_nonce(author, bobs.nonce);
    assert_eq!(by(scene.bob.id).await.unwrap(), Some(first));
    assert_eq!(by(scene.ada.id).await.unwrap(), Some(second));
    let unknown = scene.store.message_by_nonce(scene.bob.id, nonce()).await;
    assert_eq!(unknown.unwrap(), None);
}

pub async fn a_retry_after_edit_or_deletion_shows_the_message_as_it_is(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let new = draft(LOBBY, bob, "once");
    let id = scene.append(new.clone()).await.message.id;
    scene
        .store
        .edit_message(edit_of(id, bob, "changed"))
        .await
        .unwrap();
    let retried = scene.append(new.clone()).await;
    assert_eq!(
        (retried.repeated, source(&retried.message)),
        (true, "changed")
    );
    scene.store.delete_message(id, bob, Time(30)).await.unwrap();
    let retried = scene.append(new.clone()).await;
    assert!(retried.repeated && retried.message.body.is_none());
    archive(&scene, LOBBY).await;
    assert!(scene.append(new).await.repeated);
}

pub async fn strangers_cannot_post_unless_they_join_an_open_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let open = scene.room("Garden", RoomKind::Open).await.id;
    let closed = scene.room("Cellar", RoomKind::Closed).await.id;
    let (store, bob) = (&scene.store, scene.bob.id);
    let joining = |room| {
        let mut new = draft(room, bob, "hello");
        new.join_if_open = true;
        new
    };
    refused(
        store.append_message(draft(open, bob, "hello")).await,
        Conflict::NotMember,
    );
    refused(
        store.append_message(joining(closed)).await,
        Conflict::NotMember,
    );
    let posted = scene.append(joining(open)).await;
    let words: Vec<_> = posted
        .events
        .iter()
        .map(|event| event.kind.word())
        .collect();
    assert_eq!(words, ["member.joined", "message.posted"]);
    assert_eq!(scene.log(open).await[1..], posted.events);
    assert_eq!(scene.append(joining(open)).await.events.len(), 1);
}

pub async fn nobody_posts_into_an_archived_or_absent_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let message = scene.post(room, scene.ada.id, "before").await;
    archive(&scene, room).await;
    let (store, ada) = (&scene.store, scene.ada.id);
    refused(
        store.append_message(draft(room, ada, "after")).await,
        Conflict::Archived,
    );
    refused(
        store.edit_message(edit_of(message.id, ada, "x")).await,
        Conflict::Archived,
    );
    absent(store.append_message(draft(RoomId(99), ada, "x")).await);
    absent(store.append_message(draft(LOBBY, UserId(99), "x")).await);
}

pub async fn a_banned_author_cannot_post_edit_or_delete(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let message = scene.post(LOBBY, bob, "before").await;
    ban(&scene, bob).await;
    refused(
        store.append_message(draft(LOBBY, bob, "after")).await,
        Conflict::NotActive,
    );
    refused(
        store.edit_message(edit_of(message.id, bob, "x")).await,
        Conflict::NotActive,
    );
    refused(
        store.delete_message(message.id, bob, Time(9)).await,
        Conflict::NotActive,
    );
}

pub async fn a_reply_quotes_the_message_as_it_is_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    let long = "word ".repeat(100);
    let first = scene.post(LOBBY, ada, &long).await;
    let mut new = draft(LOBBY, bob, "answer");
    new.reply_to = Some(first.id);
    let reply = scene.append(new).await.message;
    let quote = reply.reply_to.clone().unwrap();
    assert_eq!((quote.id, quote.seq), (first.id, first.seq));
    assert_eq!(quote.author.id, ada);
    let cut: String = long.chars().take(200).collect();
    assert_eq!(quote.source, Some(cut));
    let quoted = || async {
        let facts = store.message_facts(reply.id, None).await.unwrap();
        facts.message.reply_to.unwrap().source
    };
    store
        .edit_message(edit_of(first.id, ada, "short"))
        .await
        .unwrap();
    assert_eq!(quoted().await.as_deref(), Some("short"));
    store.delete_message(first.id, ada, Time(30)).await.unwrap();
    assert_eq!(quoted().await, None);
}

pub async fn a_reply_needs_an_undeleted_message_of_the_same_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, ada) = (&scene.store, scene.ada.id);
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let elsewhere = scene.post(room, ada, "elsewhere").await.id;
    let deleted = scene.post(LOBBY, ada, "gone").await.id;
    store.delete_message(deleted, ada, Time(9)).await.unwrap();
    for target in [elsewhere, deleted, MessageId(999)] {
        let mut new = draft(LOBBY, ada, "answer");
        new.reply_to = Some(target);
        absent(store.append_message(new).await);
    }
    scene.assert_gapless(LOBBY).await;
}

pub async fn an_edit_replaces_the_body_and_keeps_the_earlier_one(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let message = scene.post(LOBBY, bob, "first").await;
    for text in ["second", "third"] {
        let edit = edit_of(message.id, bob, text);
        let (now, event) = scene.store.edit_message(edit).await.unwrap();
        assert_eq!(now.body, Some(markdown(text)));
        assert_eq!((now.seq, now.edited_at), (message.seq, Some(Time(20_000))));
        assert_eq!(event.unwrap().kind, EventKind::MessageEdited(now));
    }
    let edits = scene.store.edits(message.id).await.unwrap();
    let sources: Vec<_> = edits.iter().map(|edit| edit.source.as_str()).collect();
    assert_eq!(sources, ["first", "second"]);
    assert_eq!(scene.log(LOBBY).await.len(), 5);
    absent(scene.store.edits(MessageId(999)).await);
}

pub async fn of_many_edits_the_newest_hundred_are_kept(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let message = scene.post(LOBBY, bob, "0").await;
    for number in 1..=105 {
        let edit = edit_of(message.id, bob, &number.to_string());
        scene.store.edit_message(edit).await.unwrap();
    }
    let edits = scene.store.edits(message.id).await.unwrap();
    assert_eq!(edits.len(), 100);
    assert_eq!(edits[0].source, "5");
    assert_eq!(edits[99].source, "104");
}

pub async fn an_edit_of_another_version_is_stale(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let message = scene.post(LOBBY, bob, "first").await;
    let at_version = |text, version| {
        let mut edit = edit_of(message.id, bob, text);
        edit.if_version = Some(version);
        scene.store.edit_message(edit)
    };
    let (now, _) = at_version("second", 1).await.unwrap();
    assert_eq!(now.version, 2);
    refused(at_version("third", 1).await, Conflict::Stale);
    at_version("third", 2).await.unwrap();
}

pub async fn an_edit_to_the_same_words_is_no_event(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let message = scene.post(LOBBY, scene.bob.id, "same").await;
    let edit = edit_of(message.id, scene.bob.id, "same");
    let (now, event) = scene.store.edit_message(edit).await.unwrap();
    assert_eq!((now, event), (message.clone(), None));
    assert!(scene.store.edits(message.id).await.unwrap().is_empty());
}

pub async fn only_members_edit_and_only_what_exists(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let message = scene.post(room, scene.ada.id, "hers").await;
    refused(
        scene
            .store
            .edit_message(edit_of(message.id, scene.bob.id, "x"))
            .await,
        Conflict::NotMember,
    );
    absent(
        scene
            .store
            .edit_message(edit_of(MessageId(999), scene.bob.id, "x"))
            .await,
    );
}

pub async fn a_deleted_message_is_a_tombstone_everywhere(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let message = scene.post(LOBBY, bob, "secret").await;
    store
        .edit_message(edit_of(message.id, bob, "secret too"))
        .await
        .unwrap();
    let (tombstone, event) = store
        .delete_message(message.id, scene.ada.id, Time(30))
        .await
        .unwrap();
    assert_eq!(
        (&tombstone.body, tombstone.deleted_at),
        (&None, Some(Time(30)))
    );
    assert_eq!(
        (tombstone.id, tombstone.seq, tombstone.nonce),
        (message.id, message.seq, message.nonce)
    );
    assert_eq!(
        event.unwrap().kind,
        EventKind::MessageDeleted(tombstone.clone())
    );
    assert!(store.edits(message.id).await.unwrap().is_empty());
    for event in &scene.log(LOBBY).await[2..] {
        assert_eq!(
            event.kind.message(),
            Some(&tombstone),
            "{}",
            event.kind.word()
        );
    }
    let page = store
        .room_page(LOBBY, crate::PageAnchor::Newest, 10)
        .await
        .unwrap();
    assert_eq!(page.messages, [tombstone]);
}

pub async fn deleting_twice_is_one_event_and_a_tombstone_cannot_be_edited(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let message = scene.post(LOBBY, bob, "gone").await;
    let (first, _) = store
        .delete_message(message.id, bob, Time(30))
        .await
        .unwrap();
    let (second, event) = store
        .delete_message(message.id, bob, Time(40))
        .await
        .unwrap();
    assert_eq!((second, event), (first, None));
    refused(
        store.edit_message(edit_of(message.id, bob, "back")).await,
        Conflict::Deleted,
    );
    absent(store.delete_message(MessageId(999), bob, Time(30)).await);
}

pub async fn facts_of_a_message_hold_room_and_membership(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Cellar", RoomKind::Closed).await;
    let message = scene.post(room.id, scene.ada.id, "hidden").await;
    let facts = |user| scene.store.message_facts(message.id, user);
    let owner = facts(Some(scene.ada.id)).await.unwrap();
    assert_eq!((owner.room.id, owner.room.head), (room.id, Seq(2)));
    assert!(owner.membership.is_some());
    assert!(
        facts(Some(scene.bob.id))
            .await
            .unwrap()
            .membership
            .is_none()
    );
    assert!(facts(None).await.unwrap().membership.is_none());
    absent(scene.store.message_facts(MessageId(999), None).await);
}
