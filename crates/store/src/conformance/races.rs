//! Many at once: what must hold whoever comes first.

use std::sync::Arc;

use domain::{EventKind, MemberRole, Role, RoomChanges, RoomKind, Seq, Time};
use tokio::task::JoinSet;

use super::scene::{LOBBY, Scene, draft, edit_of, new_user};
use crate::{ChangeRoom, Conflict, Store, StoreError, UserUpdate};

async fn all<T: Send + 'static>(mut running: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = running.join_next().await {
        results.push(result.unwrap());
    }
    results
}

pub async fn fifty_writers_and_a_poller_see_no_gap_and_no_surprise(store: Arc<dyn Store>) {
    const WRITERS: usize = 50;
    const EACH: usize = 20;
    let scene = Scene::new(store).await;
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let scene = scene.clone();
        writing.spawn(async move {
            let author = if writer % 2 == 0 {
                scene.ada.id
            } else {
                scene.bob.id
            };
            let mut acknowledged = Vec::new();
            for number in 0..EACH {
                let text = format!("writer {writer} number {number}");
                acknowledged.push(scene.post(LOBBY, author, &text).await);
            }
            acknowledged
        });
    }
    let poller = tokio::spawn({
        let scene = scene.clone();
        async move {
            let mut seen = Vec::new();
            let mut cursor = Seq(2);
            while seen.len() < WRITERS * EACH {
                let head = scene.store.heads(&[LOBBY]).await.unwrap()[0].1;
                let events = scene.store.events_after(LOBBY, cursor, 100).await.unwrap();
                // A head that is told can be read.
                assert!(!events.is_empty() || head <= cursor);
                for event in events {
                    assert_eq!(event.seq, cursor.next());
                    cursor = event.seq;
                    seen.push(event.kind.message().unwrap().clone());
                }
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    let mut acknowledged: Vec<_> = all(writing).await.into_iter().flatten().collect();
    acknowledged.sort_by_key(|message| message.seq);
    let seen = poller.await.unwrap();
    assert_eq!(seen, acknowledged);
    scene.assert_gapless(LOBBY).await;
}

pub async fn one_nonce_posted_fifty_times_is_one_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let new = draft(LOBBY, scene.bob.id, "once");
    let mut posting = JoinSet::new();
    for _ in 0..50 {
        let (store, new) = (Arc::clone(&scene.store), new.clone());
        posting.spawn(async move { store.append_message(new).await.unwrap() });
    }
    let posted = all(posting).await;
    let first = &posted[0].message;
    assert!(posted.iter().all(|posted| posted.message == *first));
    assert_eq!(posted.iter().filter(|posted| !posted.repeated).count(), 1);
    assert_eq!(scene.log(LOBBY).await.len(), 3);
}

pub async fn of_fifty_first_owners_one_is_made(store: Arc<dyn Store>) {
    let mut making = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        making.spawn(async move {
            let new = new_user(&format!("owner{number}"), Role::Owner);
            store.create_user(&new).await
        });
    }
    let made = all(making).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refusal in made.iter().filter_map(|made| made.as_ref().err()) {
        assert!(matches!(
            refusal,
            StoreError::Conflict(Conflict::OwnerExists)
        ));
    }
}

pub async fn of_twenty_with_one_name_one_gets_it(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut making = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&scene.store);
        making.spawn(async move {
            store
                .create_user(&new_user("eve", Role::Member))
                .await
                .is_ok()
        });
    }
    assert_eq!(
        all(making).await.into_iter().filter(|made| *made).count(),
        1
    );
    scene.assert_gapless(LOBBY).await;
}

pub async fn two_owners_demoting_each_other_leave_one(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let role = |role| UserUpdate {
        role: Some(role),
        ..UserUpdate::default()
    };
    let (ada, bob) = (scene.ada.id, scene.bob.id);
    for _ in 0..20 {
        for user in [ada, bob] {
            scene
                .store
                .update_user(user, &role(Role::Owner), Time(9))
                .await
                .unwrap();
        }
        let demote = role(Role::Member);
        let (first, second) = tokio::join!(
            scene.store.update_user(ada, &demote, Time(9)),
            scene.store.update_user(bob, &demote, Time(9)),
        );
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
        assert!(scene.store.has_owner().await.unwrap());
    }
}

pub async fn two_owners_of_a_room_leaving_at_once_leave_one(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let carl = scene.person("Carl").await.id;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    let room = scene.room("Garden", RoomKind::Open).await.id;
    for user in [bob, carl] {
        store.join_room(room, user, Time(3)).await.unwrap();
    }
    let promote = ChangeRoom {
        room,
        changes: RoomChanges {
            role: Some((bob, MemberRole::Owner)),
            ..RoomChanges::default()
        },
        actor: Some(ada),
        at: Time(4),
    };
    store.change_room(&promote).await.unwrap();
    let (first, second) = tokio::join!(
        store.leave_room(room, ada, Time(5)),
        store.leave_room(room, bob, Time(5)),
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    scene.assert_gapless(room).await;
}

pub async fn of_two_edits_of_one_version_one_is_stale(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let message = scene.post(LOBBY, bob, "first").await;
    let mut version = 1;
    for round in 0..20 {
        let edit = |text: &str| {
            let mut edit = edit_of(message.id, bob, &format!("{text} {round}"));
            edit.if_version = Some(version);
            scene.store.edit_message(edit)
        };
        let (one, other) = tokio::join!(edit("one"), edit("other"));
        let (winner, loser) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        super::scene::refused(loser, Conflict::Stale);
        version = winner.unwrap().0.version;
    }
    scene.assert_gapless(LOBBY).await;
}

pub async fn a_deletion_wins_against_edits(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    for round in 0..10 {
        let message = scene.post(LOBBY, bob, &format!("message {round}")).await;
        let mut running = JoinSet::new();
        for number in 0..10 {
            let store = Arc::clone(&scene.store);
            running.spawn(async move {
                if number == 5 {
                    store
                        .delete_message(message.id, bob, Time(9))
                        .await
                        .unwrap();
                } else {
                    // Refused or in time, as it happens.
                    let edit = edit_of(message.id, bob, &format!("edit {number}"));
                    let _ = store.edit_message(edit).await;
                }
            });
        }
        all(running).await;
        let facts = scene.store.message_facts(message.id, None).await.unwrap();
        assert_eq!(facts.message.body, None);
        assert!(scene.store.edits(message.id).await.unwrap().is_empty());
    }
    scene.assert_gapless(LOBBY).await;
}

pub async fn nobody_posts_after_having_left(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let bob = scene.bob.id;
    let mut posting = JoinSet::new();
    for number in 0..60 {
        let store = Arc::clone(&scene.store);
        posting.spawn(async move {
            if number == 30 {
                store.leave_room(LOBBY, bob, Time(9)).await.unwrap();
                return;
            }
            let new = draft(LOBBY, bob, &format!("number {number}"));
            match store.append_message(new).await {
                Ok(_) | Err(StoreError::Conflict(Conflict::NotMember)) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }
    all(posting).await;
    let log = scene.log(LOBBY).await;
    let left = log
        .iter()
        .position(|event| matches!(event.kind, EventKind::MemberLeft { .. }))
        .unwrap();
    assert_eq!(left + 1, log.len(), "an event of someone who had left");
    scene.assert_gapless(LOBBY).await;
}

pub async fn nobody_posts_after_the_room_was_archived(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut posting = JoinSet::new();
    for number in 0..60 {
        let scene = scene.clone();
        posting.spawn(async move {
            if number == 30 {
                let archive = ChangeRoom {
                    room: LOBBY,
                    changes: RoomChanges {
                        archived: Some(true),
                        ..RoomChanges::default()
                    },
                    actor: None,
                    at: Time(9),
                };
                scene.store.change_room(&archive).await.unwrap();
                return;
            }
            let new = draft(LOBBY, scene.bob.id, &format!("number {number}"));
            match scene.store.append_message(new).await {
                Ok(_) | Err(StoreError::Conflict(Conflict::Archived)) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }
    all(posting).await;
    let log = scene.log(LOBBY).await;
    assert!(matches!(
        log.last().unwrap().kind,
        EventKind::RoomChanged(_)
    ));
    scene.assert_gapless(LOBBY).await;
}

pub async fn receipts_marked_at_once_end_at_the_furthest(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for number in 0..50 {
        scene
            .post(LOBBY, scene.ada.id, &format!("number {number}"))
            .await;
    }
    let bob = scene.bob.id;
    let mut marking = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&scene.store);
        // Neither rising nor falling.
        let seq = Seq(3 + (number * 37) % 50);
        marking.spawn(async move { store.mark_read(LOBBY, bob, seq, Time(9)).await.unwrap() });
    }
    let mut moved: Vec<_> = all(marking).await.into_iter().flatten().collect();
    moved.sort();
    assert_eq!(moved.last(), Some(&Seq(52)));
    let distinct = moved.len();
    moved.dedup();
    assert_eq!(moved.len(), distinct, "one advance was told twice");
    let memberships = scene.store.memberships(bob).await.unwrap();
    assert_eq!(memberships[0].read_seq, Seq(52));
}

pub async fn fifty_joining_at_once_are_fifty_members(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let room = scene.room("Garden", RoomKind::Open).await.id;
    let mut joining = JoinSet::new();
    for number in 0..50 {
        let scene = scene.clone();
        joining.spawn(async move {
            let user = scene.person(&format!("p{number}")).await.id;
            let (one, other) = tokio::join!(
                scene.store.join_room(room, user, Time(9)),
                scene.store.join_room(room, user, Time(9)),
            );
            let events = [one.unwrap().event, other.unwrap().event];
            assert_eq!(events.iter().flatten().count(), 1);
        });
    }
    all(joining).await;
    let reference = domain::RoomRef::Id(room);
    let facts = scene.store.room_facts(&reference, None).await.unwrap();
    assert_eq!(facts.room.member_count, 51);
    scene.assert_gapless(room).await;
}

pub async fn one_job_goes_to_one_of_many_workers(store: Arc<dyn Store>) {
    for number in 0..20 {
        let payload = number.to_string();
        store
            .add_job(crate::JobKind::Recompile, &payload, Time(0))
            .await
            .unwrap();
    }
    let mut working = JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        working.spawn(async move { store.take_job(Time(1), 1_000).await.unwrap() });
    }
    let mut taken: Vec<_> = all(working)
        .await
        .into_iter()
        .flatten()
        .map(|job| job.id)
        .collect();
    taken.sort_unstable();
    let count = taken.len();
    taken.dedup();
    assert_eq!((taken.len(), count), (20, 20));
}

pub async fn a_caller_that_goes_away_does_not_undo_its_message(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut kept = 0;
    for number in 0..50 {
        let new = draft(LOBBY, scene.bob.id, &format!("number {number}"));
        let mut posting = Box::pin(scene.store.append_message(new.clone()));
        // Polled once: queued, not answered.
        let _ = futures_poll_once(posting.as_mut()).await;
        drop(posting);
        // A retry tells what became of it.
        kept += usize::from(scene.append(new).await.repeated);
    }
    assert_eq!(kept, 50);
    assert_eq!(scene.log(LOBBY).await.len(), 52);
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
