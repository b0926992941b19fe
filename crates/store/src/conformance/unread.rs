//! Unread counts and mentions.

use std::sync::Arc;

use domain::{Role, RoomKind, Seq, Time, UserId};

use super::scene::{LOBBY, Scene, draft, edit_of, new_user};
use crate::{NewMessage, RoomListFilter, Store};

fn mentioning(mut draft: NewMessage, names: &[&str]) -> NewMessage {
    draft.mentions = names.iter().map(|name| (*name).to_owned()).collect();
    draft
}

async fn counts(scene: &Scene, room: domain::RoomId, user: UserId) -> (i64, i64) {
    let counts = scene.store.unread_counts(room, &[user]).await.unwrap();
    (counts[0].unread, counts[0].mentions)
}

pub async fn unread_are_others_undeleted_messages_after_the_receipt(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    let first = scene.post(LOBBY, ada, "one").await;
    scene.post(LOBBY, ada, "two").await;
    let third = scene.post(LOBBY, ada, "three").await;
    scene.post(LOBBY, bob, "mine").await;
    assert_eq!(counts(&scene, LOBBY, bob).await, (3, 0));
    assert_eq!(counts(&scene, LOBBY, ada).await, (1, 0));
    scene
        .store
        .mark_read(LOBBY, bob, first.seq, Time(9))
        .await
        .unwrap();
    assert_eq!(counts(&scene, LOBBY, bob).await, (2, 0));
    scene
        .store
        .delete_message(third.id, ada, Time(9))
        .await
        .unwrap();
    assert_eq!(counts(&scene, LOBBY, bob).await, (1, 0));
}

pub async fn an_edit_makes_nothing_unread_again(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    let message = scene.post(LOBBY, ada, "one").await;
    scene
        .store
        .mark_read(LOBBY, bob, message.seq, Time(9))
        .await
        .unwrap();
    let mut edit = edit_of(message.id, ada, "changed");
    edit.mentions = vec!["bob".into()];
    scene.store.edit_message(edit).await.unwrap();
    assert_eq!(counts(&scene, LOBBY, bob).await, (0, 0));
}

pub async fn mentions_count_for_those_who_may_read_the_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let closed = scene.room("Cellar", RoomKind::Closed).await.id;
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    let names = &["BOB", "nobody", "ada", "bob"];
    scene
        .append(mentioning(draft(LOBBY, ada, "one"), names))
        .await;
    assert_eq!(counts(&scene, LOBBY, bob).await, (1, 1));
    // Oneself is no news.
    assert_eq!(counts(&scene, LOBBY, ada).await, (0, 0));
    scene
        .append(mentioning(draft(closed, ada, "two"), names))
        .await;
    assert!(
        scene
            .store
            .unread_counts(closed, &[bob])
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_mention_in_a_closed_room_reaches_no_stranger_who_joins_another(
    store: Arc<dyn Store>,
) {
    let scene = Scene::new(store).await;
    let garden = scene.room("Garden", RoomKind::Open).await.id;
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    scene
        .append(mentioning(draft(garden, ada, "hey"), &["bob"]))
        .await;
    scene.store.join_room(garden, bob, Time(9)).await.unwrap();
    // What was said before is history to them.
    assert_eq!(counts(&scene, garden, bob).await, (0, 0));
    scene
        .append(mentioning(draft(garden, ada, "hey again"), &["bob"]))
        .await;
    assert_eq!(counts(&scene, garden, bob).await, (1, 1));
}

pub async fn guests_are_mentioned_only_where_they_are_members(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let guest = new_user("gast", Role::Guest);
    let (guest, _) = scene.store.create_user(&guest).await.unwrap();
    scene
        .append(mentioning(draft(LOBBY, scene.ada.id, "one"), &["gast"]))
        .await;
    assert_eq!(counts(&scene, LOBBY, guest.id).await, (1, 1));
}

pub async fn an_edit_replaces_the_mentions_and_a_deletion_erases_them(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let carl = scene.person("Carl").await.id;
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    let first = scene
        .append(mentioning(draft(LOBBY, ada, "one"), &["bob"]))
        .await
        .message;
    let mut edit = edit_of(first.id, ada, "for carl");
    edit.mentions = vec!["carl".into()];
    scene.store.edit_message(edit).await.unwrap();
    assert_eq!(counts(&scene, LOBBY, bob).await, (1, 0));
    assert_eq!(counts(&scene, LOBBY, carl).await, (1, 1));
    scene
        .store
        .delete_message(first.id, ada, Time(9))
        .await
        .unwrap();
    assert_eq!(counts(&scene, LOBBY, carl).await, (0, 0));
}

pub async fn people_who_are_no_members_are_left_out(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let asked = [scene.bob.id, scene.ada.id, UserId(99)];
    let counts = scene.store.unread_counts(room, &asked).await.unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!(counts[0].user, scene.ada.id);
}

pub async fn counting_stops_at_a_thousand(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut posting = tokio::task::JoinSet::new();
    for number in 0..1_050 {
        let scene = scene.clone();
        posting.spawn(async move {
            let post = draft(LOBBY, scene.ada.id, &format!("number {number}"));
            scene.append(mentioning(post, &["bob"])).await;
        });
    }
    while let Some(posted) = posting.join_next().await {
        posted.unwrap();
    }
    assert_eq!(counts(&scene, LOBBY, scene.bob.id).await, (1_000, 1_000));
    let filter = RoomListFilter {
        limit: 10,
        ..RoomListFilter::default()
    };
    let rooms = scene.store.rooms(scene.bob.id, &filter).await.unwrap();
    assert_eq!((rooms[0].unread, rooms[0].mentions), (1_000, 1_000));
}

/// A small generator: the same numbers in every run, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }
}

pub async fn counts_and_list_equal_a_recount_after_any_history(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let carl = scene.person("Carl").await.id;
    let people = [scene.ada.id, scene.bob.id, carl];
    let mut dice = Dice(42);
    let mut posted = Vec::new();
    for round in 0..200 {
        let who = people[dice.roll(3)];
        match dice.roll(6) {
            0..3 => {
                let mut post = draft(LOBBY, who, &format!("round {round}"));
                if dice.roll(2) == 0 {
                    post.mentions = vec!["bob".into(), "carl".into()];
                }
                posted.push(scene.append(post).await.message.id);
            }
            3 if !posted.is_empty() => {
                let message = posted[dice.roll(posted.len())];
                let edit = edit_of(message, who, &format!("edit {round}"));
                // Editing a tombstone is refused; that is a round without effect.
                let _ = scene.store.edit_message(edit).await;
            }
            4 if !posted.is_empty() => {
                let message = posted[dice.roll(posted.len())];
                scene
                    .store
                    .delete_message(message, who, Time(9))
                    .await
                    .unwrap();
            }
            _ => {
                let seq = Seq(i64::try_from(dice.roll(300)).unwrap());
                scene
                    .store
                    .mark_read(LOBBY, who, seq, Time(9))
                    .await
                    .unwrap();
            }
        }
        if round % 10 == 9 {
            for person in people {
                assert_recount(&scene, person).await;
            }
        }
    }
}

async fn assert_recount(scene: &Scene, person: UserId) {
    let read = scene.store.memberships(person).await.unwrap()[0].read_seq;
    let page = scene
        .store
        .room_page(LOBBY, crate::PageAnchor::After(read), 200)
        .await
        .unwrap();
    let expected = page
        .messages
        .iter()
        .filter(|message| message.author.id != person && message.deleted_at.is_none())
        .count();
    let (unread, mentions) = counts(scene, LOBBY, person).await;
    assert_eq!(unread, i64::try_from(expected).unwrap());
    let filter = RoomListFilter {
        joined: true,
        limit: 10,
        ..RoomListFilter::default()
    };
    let listed = scene.store.rooms(person, &filter).await.unwrap();
    assert_eq!((listed[0].unread, listed[0].mentions), (unread, mentions));
}
