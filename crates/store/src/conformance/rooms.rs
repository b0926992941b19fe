//! Rooms: finding, listing, making, changing.

use std::sync::Arc;

use domain::{
    EventKind, MemberRole, Role, RoomChanges, RoomId, RoomKind, RoomRef, Seq, Time, UserId,
    UserState,
};

use super::scene::{LOBBY, Scene, absent, refused};
use crate::{ChangeRoom, Conflict, CreateRoom, RoomListFilter, RoomListed, Store, UserUpdate};

fn new_room(name: &str, slug: Option<&str>, creator: UserId) -> CreateRoom {
    CreateRoom {
        name: name.into(),
        slug: slug.map(str::to_owned),
        kind: RoomKind::Open,
        topic: "a topic".into(),
        creator,
        at: Time(2_000),
    }
}

fn change(room: RoomId, actor: UserId, changes: RoomChanges) -> ChangeRoom {
    ChangeRoom {
        room,
        changes,
        actor: Some(actor),
        at: Time(3_000),
    }
}

fn all() -> RoomListFilter {
    RoomListFilter {
        limit: 100,
        ..RoomListFilter::default()
    }
}

fn slugs(listed: &[RoomListed]) -> Vec<&str> {
    listed.iter().map(|row| row.room.slug.as_str()).collect()
}

pub async fn the_lobby_is_room_one_and_open(store: Arc<dyn Store>) {
    let facts = store
        .room_facts(&RoomRef::Slug("lobby".into()), None)
        .await
        .unwrap();
    assert_eq!(facts.room.id, LOBBY);
    assert_eq!(facts.room.kind, RoomKind::Open);
    assert_eq!(facts.room.name, "Lobby");
    assert_eq!((facts.room.head, facts.room.member_count), (Seq::ZERO, 0));
    assert!(facts.room.is_lobby() && facts.membership.is_none());
}

pub async fn facts_are_found_by_id_and_slug_with_the_membership(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Closed).await;
    let by_slug = RoomRef::Slug("garden".into());
    for reference in [RoomRef::Id(room.id), by_slug] {
        let facts = |user| scene.store.room_facts(&reference, user);
        let owner = facts(Some(scene.ada.id)).await.unwrap();
        assert_eq!(owner.room, room);
        assert_eq!(owner.membership.unwrap().role, MemberRole::Owner);
        assert!(
            facts(Some(scene.bob.id))
                .await
                .unwrap()
                .membership
                .is_none()
        );
        assert!(facts(None).await.unwrap().membership.is_none());
    }
    absent(scene.store.room_facts(&RoomRef::Id(RoomId(99)), None).await);
    absent(
        scene
            .store
            .room_facts(&RoomRef::Slug("x".into()), None)
            .await,
    );
}

pub async fn a_new_room_begins_with_its_owner_joining(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = new_room("Garden", Some("garden"), scene.bob.id);
    let (room, event) = scene.store.create_room(&new).await.unwrap();
    assert_eq!(
        (room.name.as_str(), room.topic.as_str()),
        ("Garden", "a topic")
    );
    assert_eq!((room.head, room.member_count), (Seq(1), 1));
    assert_eq!((event.room, event.seq), (room.id, Seq(1)));
    assert!(matches!(&event.kind, EventKind::MemberJoined { user, .. } if user.id == scene.bob.id));
    assert_eq!(scene.log(room.id).await, [event]);
}

pub async fn a_taken_slug_gets_the_next_free_number(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut slugs = Vec::new();
    for slug in ["garden", "garden", "garden", "lobby", "garden-2"] {
        let new = new_room("Garden", Some(slug), scene.ada.id);
        slugs.push(scene.store.create_room(&new).await.unwrap().0.slug);
    }
    assert_eq!(
        slugs,
        ["garden", "garden-2", "garden-3", "lobby-2", "garden-2-2"]
    );
}

pub async fn a_room_without_a_slug_is_called_by_its_id(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = new_room("!!!", None, scene.ada.id);
    let (room, _) = scene.store.create_room(&new).await.unwrap();
    assert_eq!(room.slug, format!("room-{}", room.id));
    let next = format!("room-{}", room.id.0 + 2);
    let squatter = new_room("Squatter", Some(&next), scene.ada.id);
    scene.store.create_room(&squatter).await.unwrap();
    let (room, _) = scene.store.create_room(&new).await.unwrap();
    assert_eq!(room.slug, format!("room-{}-2", room.id));
}

pub async fn only_active_people_make_rooms(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let ban = UserUpdate {
        state: Some(UserState::Banned),
        ..UserUpdate::default()
    };
    scene
        .store
        .update_user(scene.bob.id, &ban, Time(9))
        .await
        .unwrap();
    let new = new_room("Garden", Some("garden"), scene.bob.id);
    refused(scene.store.create_room(&new).await, Conflict::NotActive);
    let new = new_room("Garden", Some("garden"), UserId(999));
    absent(scene.store.create_room(&new).await);
}

pub async fn one_person_makes_at_most_a_thousand_rooms(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let make = |number: usize, creator| {
        let store = Arc::clone(&scene.store);
        let new = new_room("Room", Some(&format!("room-no-{number}")), creator);
        async move { store.create_room(&new).await }
    };
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        waiting.spawn(make(number, scene.bob.id));
    }
    while let Some(made) = waiting.join_next().await {
        made.unwrap().unwrap();
    }
    refused(make(1_000, scene.bob.id).await, Conflict::TooMany);
    make(1_000, scene.ada.id).await.unwrap();
    let administrator = UserUpdate {
        role: Some(Role::Administrator),
        ..UserUpdate::default()
    };
    scene
        .store
        .update_user(scene.bob.id, &administrator, Time(9))
        .await
        .unwrap();
    make(1_001, scene.bob.id).await.unwrap();
}

pub async fn a_change_says_what_really_changed_and_keeps_the_slug(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await;
    let wished = RoomChanges {
        name: Some("Park".into()),
        topic: Some(String::new()),
        ..RoomChanges::default()
    };
    let (now, event) = scene
        .store
        .change_room(&change(room.id, scene.ada.id, wished))
        .await
        .unwrap();
    assert_eq!((now.name.as_str(), now.slug.as_str()), ("Park", "garden"));
    assert_eq!(now.head, Seq(2));
    let event = event.unwrap();
    let EventKind::RoomChanged(changes) = &event.kind else {
        panic!("{event:?}");
    };
    assert_eq!(changes.name.as_deref(), Some("Park"));
    assert_eq!((&changes.topic, changes.archived), (&None, None));
    assert_eq!(changes.by.as_ref().unwrap().id, scene.ada.id);
    assert_eq!(scene.log(room.id).await[1], event);
}

pub async fn a_change_to_what_is_already_so_is_no_event(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await;
    let wished = RoomChanges {
        name: Some("Garden".into()),
        archived: Some(false),
        role: Some((scene.ada.id, MemberRole::Owner)),
        ..RoomChanges::default()
    };
    let (now, event) = scene
        .store
        .change_room(&change(room.id, scene.ada.id, wished))
        .await
        .unwrap();
    assert_eq!((now, event), (room, None));
}

pub async fn a_room_is_archived_and_brought_back(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await;
    for (archived, expected) in [(true, Some(Time(3_000))), (false, None)] {
        let wished = RoomChanges {
            archived: Some(archived),
            ..RoomChanges::default()
        };
        let (now, event) = scene
            .store
            .change_room(&change(room.id, scene.ada.id, wished))
            .await
            .unwrap();
        assert_eq!(now.archived_at, expected);
        let kind = event.unwrap().kind;
        assert!(
            matches!(&kind, EventKind::RoomChanged(changes) if changes.archived == Some(archived))
        );
    }
}

pub async fn a_member_gets_a_role_but_the_last_owner_keeps_theirs(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    let give = |user, role| {
        let changes = RoomChanges {
            role: Some((user, role)),
            ..RoomChanges::default()
        };
        let wished = change(room, ada, changes);
        async move { store.change_room(&wished).await }
    };
    absent(give(bob, MemberRole::Owner).await);
    store.join_room(room, bob, Time(3)).await.unwrap();
    refused(give(ada, MemberRole::Member).await, Conflict::LastOwner);
    let (_, event) = give(bob, MemberRole::Owner).await.unwrap();
    let kind = event.unwrap().kind;
    assert!(matches!(&kind, EventKind::RoomChanged(c) if c.role == Some((bob, MemberRole::Owner))));
    give(ada, MemberRole::Member).await.unwrap();
    let log = scene.log(room).await;
    assert!(
        matches!(&log[2].kind, EventKind::RoomChanged(c) if c.role == Some((bob, MemberRole::Owner)))
    );
}

pub async fn an_absent_room_cannot_be_changed(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let wished = RoomChanges {
        name: Some("x".into()),
        ..RoomChanges::default()
    };
    absent(
        scene
            .store
            .change_room(&change(RoomId(99), scene.ada.id, wished))
            .await,
    );
}

pub async fn closed_rooms_are_listed_for_their_members_alone(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.room("Cellar", RoomKind::Closed).await;
    scene.room("Garden", RoomKind::Open).await;
    let ada = scene.store.rooms(scene.ada.id, &all()).await.unwrap();
    assert_eq!(slugs(&ada), ["cellar", "garden", "lobby"]);
    let bob = scene.store.rooms(scene.bob.id, &all()).await.unwrap();
    assert_eq!(slugs(&bob), ["garden", "lobby"]);
    assert!(bob[0].membership.is_none() && bob[1].membership.is_some());
}

pub async fn joined_rooms_are_those_one_is_in(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.room("Garden", RoomKind::Open).await;
    let joined = RoomListFilter {
        joined: true,
        ..all()
    };
    let bob = scene.store.rooms(scene.bob.id, &joined).await.unwrap();
    assert_eq!(slugs(&bob), ["lobby"]);
    let ada = scene.store.rooms(scene.ada.id, &joined).await.unwrap();
    assert_eq!(slugs(&ada), ["garden", "lobby"]);
}

pub async fn rooms_are_listed_by_folded_name_in_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for (name, slug) in [
        ("zebra", "z"),
        ("Äpfel", "a"),
        ("Birnen", "b"),
        ("birnen", "c"),
    ] {
        let new = new_room(name, Some(slug), scene.ada.id);
        scene.store.create_room(&new).await.unwrap();
    }
    for joined in [false, true] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let filter = RoomListFilter {
                joined,
                after: after.take(),
                limit: 2,
                ..RoomListFilter::default()
            };
            let page = scene.store.rooms(scene.ada.id, &filter).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.room.name.to_lowercase(), last.room.id.0));
            seen.extend(page.into_iter().map(|row| row.room.slug));
        }
        assert_eq!(seen, ["b", "c", "lobby", "z", "a"]);
    }
}

pub async fn rooms_are_found_by_name_and_topic_without_regard_to_case(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut new = new_room("Ärger", Some("anger"), scene.ada.id);
    new.topic = "Über 100% ÖL".into();
    scene.store.create_room(&new).await.unwrap();
    scene.room("Garden", RoomKind::Open).await;
    for (query, expected) in [
        ("äRG", vec!["anger"]),
        ("öl", vec!["anger"]),
        ("0%", vec!["anger"]),
        ("GARD", vec!["garden"]),
        ("_", vec![]),
        ("nothing", vec![]),
    ] {
        let filter = RoomListFilter {
            query: Some(query.into()),
            ..all()
        };
        let found = scene.store.rooms(scene.bob.id, &filter).await.unwrap();
        assert_eq!(slugs(&found), expected, "{query}");
    }
}

pub async fn the_list_says_when_the_last_message_came(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let before = scene.store.rooms(scene.bob.id, &all()).await.unwrap();
    assert_eq!(before[0].last_message_at, None);
    scene.post(LOBBY, scene.ada.id, "hello").await;
    let after = scene.store.rooms(scene.bob.id, &all()).await.unwrap();
    assert_eq!(after[0].last_message_at, Some(Time(10_000)));
    assert_eq!(after[0].room.head, Seq(3));
}

pub async fn heads_leave_out_absent_rooms(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let garden = scene.room("Garden", RoomKind::Open).await.id;
    let asked = [LOBBY, RoomId(77), garden];
    let mut heads = scene.store.heads(&asked).await.unwrap();
    heads.sort();
    assert_eq!(heads, [(LOBBY, Seq(2)), (garden, Seq(1))]);
    assert!(scene.store.heads(&[]).await.unwrap().is_empty());
}
