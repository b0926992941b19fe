//! Pages of history and the event log.

use std::sync::Arc;

use domain::{EventKind, RoomId, RoomKind, Seq, Time};

use super::scene::{LOBBY, Scene, absent, edit_of};
use crate::{PageAnchor, RoomPage, Store};

fn seqs(page: &RoomPage) -> Vec<i64> {
    page.messages.iter().map(|message| message.seq.0).collect()
}

/// Ten messages with seqs 2 to 11 in a room whose event 1 is a join.
async fn ten(scene: &Scene) -> RoomId {
    let room = scene.room("Garden", RoomKind::Open).await.id;
    for number in 0..10 {
        scene
            .post(room, scene.ada.id, &format!("number {number}"))
            .await;
    }
    room
}

pub async fn the_newest_page_ends_at_the_head(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    let page = scene
        .store
        .room_page(room, PageAnchor::Newest, 4)
        .await
        .unwrap();
    assert_eq!(seqs(&page), [8, 9, 10, 11]);
    assert_eq!((page.has_older, page.has_newer), (true, false));
    assert_eq!(page.head, Seq(11));
    assert_eq!(page.epoch, scene.store.epoch().await.unwrap());
}

pub async fn pages_go_back_to_the_first_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    let before = |seq| scene.store.room_page(room, PageAnchor::Before(Seq(seq)), 4);
    let page = before(8).await.unwrap();
    assert_eq!(seqs(&page), [4, 5, 6, 7]);
    assert_eq!((page.has_older, page.has_newer), (true, true));
    let page = before(4).await.unwrap();
    assert_eq!(seqs(&page), [2, 3]);
    assert_eq!((page.has_older, page.has_newer), (false, true));
    let page = before(2).await.unwrap();
    assert!(page.messages.is_empty());
    assert_eq!((page.has_older, page.has_newer), (false, true));
}

pub async fn pages_go_on_to_the_last_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    let after = |seq| scene.store.room_page(room, PageAnchor::After(Seq(seq)), 4);
    let page = after(0).await.unwrap();
    assert_eq!(seqs(&page), [2, 3, 4, 5]);
    assert_eq!((page.has_older, page.has_newer), (false, true));
    let page = after(7).await.unwrap();
    assert_eq!(seqs(&page), [8, 9, 10, 11]);
    assert_eq!((page.has_older, page.has_newer), (true, false));
    let page = after(11).await.unwrap();
    assert!(page.messages.is_empty());
    assert_eq!((page.has_older, page.has_newer), (true, false));
    let page = after(i64::MAX).await.unwrap();
    assert!(page.messages.is_empty() && !page.has_newer);
}

pub async fn a_page_around_a_message_holds_it_in_the_middle(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    let around = |seq, limit| {
        scene
            .store
            .room_page(room, PageAnchor::Around(Seq(seq)), limit)
    };
    let page = around(6, 5).await.unwrap();
    assert_eq!(seqs(&page), [4, 5, 6, 7, 8]);
    assert_eq!((page.has_older, page.has_newer), (true, true));
    assert_eq!(seqs(&around(6, 1).await.unwrap()), [6]);
    // A short side leaves its place to the other.
    assert_eq!(seqs(&around(2, 4).await.unwrap()), [2, 3, 4, 5]);
    assert_eq!(seqs(&around(11, 4).await.unwrap()), [8, 9, 10, 11]);
    let all = around(6, 200).await.unwrap();
    assert_eq!(all.messages.len(), 10);
    assert_eq!((all.has_older, all.has_newer), (false, false));
}

pub async fn an_empty_room_is_an_empty_page(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    for anchor in [
        PageAnchor::Newest,
        PageAnchor::Before(Seq(5)),
        PageAnchor::After(Seq(0)),
        PageAnchor::Around(Seq(1)),
    ] {
        let page = scene.store.room_page(room, anchor, 10).await.unwrap();
        assert!(page.messages.is_empty(), "{anchor:?}");
        assert_eq!(
            (page.has_older, page.has_newer),
            (false, false),
            "{anchor:?}"
        );
        assert_eq!(page.head, Seq(1));
    }
    absent(
        scene
            .store
            .room_page(RoomId(99), PageAnchor::Newest, 10)
            .await,
    );
}

pub async fn a_page_is_never_longer_than_two_hundred(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut posting = tokio::task::JoinSet::new();
    for number in 0..210 {
        let scene = scene.clone();
        posting.spawn(async move {
            scene
                .post(LOBBY, scene.ada.id, &format!("number {number}"))
                .await;
        });
    }
    while posting.join_next().await.is_some() {}
    for anchor in [PageAnchor::Newest, PageAnchor::Around(Seq(100))] {
        let page = scene
            .store
            .room_page(LOBBY, anchor, 1_000_000)
            .await
            .unwrap();
        assert_eq!(page.messages.len(), 200);
    }
}

pub async fn a_page_knows_only_its_own_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    scene.post(LOBBY, scene.bob.id, "elsewhere").await;
    let page = scene
        .store
        .room_page(LOBBY, PageAnchor::Newest, 100)
        .await
        .unwrap();
    assert_eq!(page.messages.len(), 1);
    assert!(scene.log(room).await.iter().all(|event| event.room == room));
}

pub async fn events_come_after_a_seq_in_order_and_at_most_as_many_as_asked(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = ten(&scene).await;
    let after = |seq, limit| scene.store.events_after(room, Seq(seq), limit);
    let events = after(4, 3).await.unwrap();
    let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, [5, 6, 7]);
    assert!(after(11, 10).await.unwrap().is_empty());
    assert!(after(999, 10).await.unwrap().is_empty());
    assert_eq!(after(0, 1_000).await.unwrap().len(), 11);
    absent(scene.store.events_after(RoomId(99), Seq(0), 10).await);
}

pub async fn every_kind_of_event_reads_as_it_was_published(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    let mut published = Vec::new();
    let new = crate::CreateRoom {
        name: "Garden".into(),
        slug: None,
        kind: RoomKind::Open,
        topic: String::new(),
        creator: ada,
        at: Time(1),
    };
    let (room, created) = store.create_room(&new).await.unwrap();
    published.push(created);
    let joined = store.join_room(room.id, bob, Time(2)).await.unwrap();
    published.extend(joined.event);
    let change = crate::ChangeRoom {
        room: room.id,
        changes: domain::RoomChanges {
            name: Some("Park \"1\"".into()),
            topic: Some("\u{1f333}".into()),
            archived: None,
            by: None,
            role: Some((bob, domain::MemberRole::Moderator)),
        },
        actor: Some(ada),
        at: Time(3),
    };
    published.extend(store.change_room(&change).await.unwrap().1);
    let left = store.leave_room(room.id, bob, Time(4)).await.unwrap();
    published.extend(left.event);
    let operator = crate::ChangeRoom {
        room: room.id,
        changes: domain::RoomChanges {
            archived: Some(true),
            ..domain::RoomChanges::default()
        },
        actor: None,
        at: Time(5),
    };
    published.extend(store.change_room(&operator).await.unwrap().1);
    assert_eq!(published.len(), 5);
    assert_eq!(scene.log(room.id).await, published);
}

pub async fn replayed_events_show_messages_as_they_are_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, ada) = (&scene.store, scene.ada.id);
    let message = scene.post(LOBBY, ada, "first").await;
    let (now, _) = store
        .edit_message(edit_of(message.id, ada, "second"))
        .await
        .unwrap();
    let log = scene.log(LOBBY).await;
    assert_eq!(log[2].kind, EventKind::MessagePosted(now.clone()));
    assert_eq!(log[3].kind, EventKind::MessageEdited(now));
}
