//! Joining, leaving, lists of members, receipts.

use std::sync::Arc;

use domain::{EventKind, JoinReason, LeaveReason, MemberRole, RoomChanges, RoomId, RoomKind, Seq};
use domain::{Time, UserId, UserState};

use super::scene::{LOBBY, Scene, absent, draft, refused};
use crate::{ChangeRoom, Conflict, Store, UserUpdate};

pub async fn joining_makes_a_member_with_an_event_and_nothing_unread(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    scene.post(room, scene.ada.id, "before").await;
    let joined = scene
        .store
        .join_room(room, scene.bob.id, Time(7))
        .await
        .unwrap();
    let event = joined.event.unwrap();
    assert_eq!((event.seq, event.at), (Seq(3), Time(7)));
    let EventKind::MemberJoined { user, by, reason } = &event.kind else {
        panic!("{event:?}");
    };
    assert_eq!(
        (user.id, by, *reason),
        (scene.bob.id, &None, JoinReason::Joined)
    );
    assert_eq!(joined.membership.role, MemberRole::Member);
    let counts = scene
        .store
        .unread_counts(room, &[scene.bob.id])
        .await
        .unwrap();
    assert_eq!(counts[0].unread, 0);
    assert_eq!(scene.log(room).await[2], event);
    let stored = scene.store.memberships(scene.bob.id).await.unwrap();
    assert!(stored.contains(&joined.membership));
}

pub async fn joining_twice_is_one_membership(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let first = scene
        .store
        .join_room(room, scene.bob.id, Time(7))
        .await
        .unwrap();
    let second = scene
        .store
        .join_room(room, scene.bob.id, Time(8))
        .await
        .unwrap();
    assert_eq!(second.membership, first.membership);
    assert!(second.event.is_none());
    scene.assert_gapless(room).await;
}

pub async fn only_open_rooms_that_are_not_archived_can_be_joined(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let closed = scene.room("Cellar", RoomKind::Closed).await.id;
    let open = scene.room("Garden", RoomKind::Open).await.id;
    let (store, bob) = (&scene.store, scene.bob.id);
    absent(store.join_room(closed, bob, Time(7)).await);
    absent(store.join_room(RoomId(99), bob, Time(7)).await);
    let archive = ChangeRoom {
        room: open,
        changes: RoomChanges {
            archived: Some(true),
            ..RoomChanges::default()
        },
        actor: None,
        at: Time(6),
    };
    store.change_room(&archive).await.unwrap();
    refused(
        store.join_room(open, bob, Time(7)).await,
        Conflict::Archived,
    );
    // A member of a closed or archived room simply is one.
    let owner = store
        .join_room(closed, scene.ada.id, Time(7))
        .await
        .unwrap();
    assert!(owner.event.is_none());
}

pub async fn a_banned_account_cannot_join(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let ban = UserUpdate {
        state: Some(UserState::Banned),
        ..UserUpdate::default()
    };
    let (store, bob) = (&scene.store, scene.bob.id);
    store.update_user(bob, &ban, Time(6)).await.unwrap();
    refused(
        store.join_room(room, bob, Time(7)).await,
        Conflict::NotActive,
    );
}

pub async fn leaving_ends_the_membership_with_an_event(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let left = scene
        .store
        .leave_room(LOBBY, scene.bob.id, Time(7))
        .await
        .unwrap();
    let event = left.event.unwrap();
    assert_eq!(event.seq, Seq(3));
    let EventKind::MemberLeft { user, by, reason } = &event.kind else {
        panic!("{event:?}");
    };
    assert_eq!(
        (user.id, by, *reason),
        (scene.bob.id, &None, LeaveReason::Left)
    );
    assert!(
        scene
            .store
            .memberships(scene.bob.id)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(scene.log(LOBBY).await[2], event);
    let again = scene
        .store
        .leave_room(LOBBY, scene.bob.id, Time(8))
        .await
        .unwrap();
    assert!(again.event.is_none());
    absent(
        scene
            .store
            .leave_room(RoomId(99), scene.bob.id, Time(8))
            .await,
    );
}

pub async fn the_last_owner_leaves_only_an_empty_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    store.join_room(room, bob, Time(7)).await.unwrap();
    refused(
        store.leave_room(room, ada, Time(8)).await,
        Conflict::LastOwner,
    );
    store.leave_room(room, bob, Time(9)).await.unwrap();
    store.leave_room(room, ada, Time(10)).await.unwrap();
    scene.assert_gapless(room).await;
}

pub async fn the_member_count_follows_joining_and_leaving(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let count = || async {
        let reference = domain::RoomRef::Id(room.id);
        store
            .room_facts(&reference, None)
            .await
            .unwrap()
            .room
            .member_count
    };
    store.join_room(room.id, bob, Time(7)).await.unwrap();
    store.join_room(room.id, bob, Time(7)).await.unwrap();
    assert_eq!(count().await, 2);
    store.leave_room(room.id, bob, Time(7)).await.unwrap();
    store.leave_room(room.id, bob, Time(7)).await.unwrap();
    assert_eq!(count().await, 1);
    let mut post = draft(room.id, bob, "back");
    post.join_if_open = true;
    scene.append(post).await;
    assert_eq!(count().await, 2);
}

pub async fn members_are_listed_by_folded_display_name_in_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for name in ["émil", "Carl", "dora"] {
        scene.person(name).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store.members(LOBBY, after.take(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.user.display_name.to_lowercase(), last.user.id.0));
        seen.extend(page.into_iter().map(|member| {
            assert_eq!(member.membership.user, member.user.id);
            member.user.username
        }));
    }
    assert_eq!(seen, ["Ada", "Bob", "Carl", "dora", "émil"]);
    absent(scene.store.members(RoomId(99), None, 2).await);
}

pub async fn large_rooms_list_the_same_members_in_the_same_order(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut making = tokio::task::JoinSet::new();
    for number in 0..600 {
        let scene = scene.clone();
        making.spawn(async move { scene.person(&format!("p{number:03}")).await });
    }
    while making.join_next().await.is_some() {}
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store.members(LOBBY, after.take(), 250).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.user.display_name.to_lowercase(), last.user.id.0));
        names.extend(page.into_iter().map(|m| m.user.display_name.to_lowercase()));
    }
    assert_eq!(names.len(), 602);
    assert!(names.is_sorted());
    let strangers = scene.room("Garden", RoomKind::Open).await.id;
    assert_eq!(
        scene
            .store
            .members(strangers, None, 250)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub async fn a_receipt_moves_forward_and_never_back(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for text in ["one", "two", "three"] {
        scene.post(LOBBY, scene.ada.id, text).await;
    }
    let mark = |seq| {
        scene
            .store
            .mark_read(LOBBY, scene.bob.id, Seq(seq), Time(30))
    };
    assert_eq!(mark(4).await.unwrap(), Some(Seq(4)));
    assert_eq!(mark(3).await.unwrap(), None);
    assert_eq!(mark(4).await.unwrap(), None);
    assert_eq!(mark(-5).await.unwrap(), None);
    let memberships = scene.store.memberships(scene.bob.id).await.unwrap();
    assert_eq!(memberships[0].read_seq, Seq(4));
}

pub async fn a_receipt_never_passes_the_head(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.post(LOBBY, scene.ada.id, "one").await;
    let moved = scene
        .store
        .mark_read(LOBBY, scene.bob.id, Seq(i64::MAX), Time(30))
        .await;
    assert_eq!(moved.unwrap(), Some(Seq(3)));
    scene.post(LOBBY, scene.ada.id, "two").await;
    let counts = scene
        .store
        .unread_counts(LOBBY, &[scene.bob.id])
        .await
        .unwrap();
    assert_eq!(counts[0].unread, 1);
}

pub async fn strangers_have_no_receipt(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let bob = scene.bob.id;
    absent(scene.store.mark_read(room, bob, Seq(1), Time(3)).await);
    absent(scene.store.mark_unread(room, bob, Seq(1)).await);
    absent(
        scene
            .store
            .mark_read(RoomId(99), bob, Seq(1), Time(3))
            .await,
    );
    absent(
        scene
            .store
            .mark_read(room, UserId(99), Seq(1), Time(3))
            .await,
    );
}

pub async fn the_unread_marker_is_separate_and_cleared_by_reading(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.post(LOBBY, scene.ada.id, "one").await;
    let (store, bob) = (&scene.store, scene.bob.id);
    store.mark_read(LOBBY, bob, Seq(3), Time(3)).await.unwrap();
    store.mark_unread(LOBBY, bob, Seq(2)).await.unwrap();
    let marked = store.memberships(bob).await.unwrap();
    assert_eq!(marked[0].unread_from, Some(Seq(2)));
    assert_eq!(marked[0].read_seq, Seq(3));
    // Reading what is read already still clears the marker.
    assert_eq!(
        store.mark_read(LOBBY, bob, Seq(3), Time(4)).await.unwrap(),
        None
    );
    assert_eq!(store.memberships(bob).await.unwrap()[0].unread_from, None);
}

pub async fn receipts_say_who_read_a_message_and_when_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let carl = scene.person("Carl").await.id;
    let (store, bob) = (&scene.store, scene.bob.id);
    let first = scene.post(LOBBY, scene.ada.id, "one").await.seq;
    let second = scene.post(LOBBY, scene.ada.id, "two").await.seq;
    store.mark_read(LOBBY, bob, first, Time(100)).await.unwrap();
    store
        .mark_read(LOBBY, bob, second, Time(200))
        .await
        .unwrap();
    store
        .mark_read(LOBBY, carl, second, Time(150))
        .await
        .unwrap();
    store
        .mark_read(LOBBY, scene.ada.id, second, Time(120))
        .await
        .unwrap();
    let read = |seq| scene.receipts(seq);
    let of_first: Vec<_> = read(first)
        .await
        .into_iter()
        .map(|r| (r.user, r.read_at))
        .collect();
    assert_eq!(of_first, [(bob, Time(100)), (carl, Time(150))]);
    let of_second = read(second).await;
    let whens: Vec<_> = of_second
        .iter()
        .map(|r| (r.username.as_str(), r.read_at))
        .collect();
    assert_eq!(whens, [("Carl", Time(150)), ("Bob", Time(200))]);
    // A page at once says the same, each without its own author.
    let asked = [(first, scene.ada.id), (second, bob), (Seq(99), bob)];
    let page = store.receipts(LOBBY, &asked).await.unwrap();
    let users = |place: usize| page[place].iter().map(|r| r.user).collect::<Vec<_>>();
    assert_eq!(users(0), [bob, carl]);
    assert_eq!(users(1), [scene.ada.id, carl]);
    assert_eq!(users(2), []);
}

pub async fn those_who_joined_later_or_left_have_read_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let message = scene.post(LOBBY, scene.ada.id, "one").await;
    scene.person("Carl").await;
    let store = &scene.store;
    store
        .mark_read(LOBBY, scene.bob.id, message.seq, Time(5))
        .await
        .unwrap();
    assert_eq!(scene.receipts(message.seq).await.len(), 1);
    store
        .leave_room(LOBBY, scene.bob.id, Time(6))
        .await
        .unwrap();
    assert!(scene.receipts(message.seq).await.is_empty());
    store.join_room(LOBBY, scene.bob.id, Time(7)).await.unwrap();
    assert!(scene.receipts(message.seq).await.is_empty());
}

pub async fn rooms_of_over_a_hundred_keep_no_receipts_by_name(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for number in 0..99 {
        scene.person(&format!("p{number}")).await;
    }
    let message = scene.post(LOBBY, scene.ada.id, "one").await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let moved = store
        .mark_read(LOBBY, bob, message.seq, Time(5))
        .await
        .unwrap();
    assert_eq!(moved, Some(message.seq));
    assert!(scene.receipts(message.seq).await.is_empty());
}
