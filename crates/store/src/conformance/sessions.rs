//! Sessions and tokens.

use std::sync::Arc;

use domain::{Scopes, SessionId, Time, TokenId, UserState};

use super::scene::{Scene, absent, new_session, new_token, refused};
use crate::{Conflict, Store, UserUpdate};

pub async fn a_session_is_found_by_its_hash_alone(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let id = scene
        .store
        .create_session(&new_session(scene.bob.id, 1))
        .await
        .unwrap();
    let standing = scene.store.session(&[1; 32]).await.unwrap();
    assert_eq!((standing.id, standing.user), (id, scene.bob.clone()));
    assert_eq!(
        (standing.created_at, standing.seen_at),
        (Time(5_000), Time(5_000))
    );
    absent(scene.store.session(&[2; 32]).await);
}

pub async fn a_touched_session_is_listed_first_with_its_new_address(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let first = store.create_session(&new_session(bob, 1)).await.unwrap();
    let second = store.create_session(&new_session(bob, 2)).await.unwrap();
    store
        .touch_session(first, "192.0.2.9", Time(9_000))
        .await
        .unwrap();
    store
        .touch_session(first, "192.0.2.9", Time(8_000))
        .await
        .unwrap();
    let sessions = store.sessions(bob).await.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids, [first, second]);
    assert_eq!(sessions[0].seen_at, Time(9_000));
    assert_eq!(sessions[0].address, "192.0.2.9");
    assert_eq!(sessions[1].agent, "Browser");
    assert!(store.sessions(scene.ada.id).await.unwrap().is_empty());
    // One that ended in between is no failure.
    store
        .touch_session(SessionId(999), "x", Time(9_000))
        .await
        .unwrap();
}

pub async fn one_ends_only_ones_own_session(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let session = store.create_session(&new_session(bob, 1)).await.unwrap();
    absent(store.end_session(scene.ada.id, session).await);
    store.session(&[1; 32]).await.unwrap();
    store.end_session(bob, session).await.unwrap();
    absent(store.session(&[1; 32]).await);
    absent(store.end_session(bob, session).await);
}

pub async fn all_sessions_but_one_end_at_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let mut ids = Vec::new();
    for secret in 1..=3 {
        ids.push(
            store
                .create_session(&new_session(bob, secret))
                .await
                .unwrap(),
        );
    }
    store
        .create_session(&new_session(scene.ada.id, 9))
        .await
        .unwrap();
    let mut ended = store.end_sessions(bob, Some(ids[1])).await.unwrap();
    ended.sort();
    assert_eq!(ended, [ids[0], ids[2]]);
    assert_eq!(store.end_sessions(bob, None).await.unwrap(), [ids[1]]);
    assert!(store.sessions(bob).await.unwrap().is_empty());
    store.session(&[9; 32]).await.unwrap();
}

pub async fn the_session_unused_for_longest_makes_room(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    for secret in 0..101 {
        let mut new = new_session(bob, secret);
        new.at = Time(i64::from(secret));
        store.create_session(&new).await.unwrap();
    }
    assert_eq!(store.sessions(bob).await.unwrap().len(), 100);
    absent(store.session(&[0; 32]).await);
    store.session(&[1; 32]).await.unwrap();
    store.session(&[100; 32]).await.unwrap();
}

pub async fn idle_and_old_sessions_expire(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let mut ids = Vec::new();
    for (secret, at) in [(1, 100), (2, 200), (3, 300)] {
        let mut new = new_session(bob, secret);
        new.at = Time(at);
        ids.push(store.create_session(&new).await.unwrap());
    }
    store.touch_session(ids[0], "x", Time(900)).await.unwrap();
    let idle = store.expire_sessions(Time(250), Time(0)).await.unwrap();
    assert_eq!(idle, [(bob, ids[1])]);
    let old = store.expire_sessions(Time(0), Time(150)).await.unwrap();
    assert_eq!(old, [(bob, ids[0])]);
    assert!(
        store
            .expire_sessions(Time(250), Time(150))
            .await
            .unwrap()
            .is_empty()
    );
    store.session(&[3; 32]).await.unwrap();
}

pub async fn only_active_people_get_sessions_and_tokens(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let close = UserUpdate {
        state: Some(UserState::Deactivated),
        ..UserUpdate::default()
    };
    store.update_user(bob, &close, Time(9)).await.unwrap();
    refused(
        store.create_session(&new_session(bob, 1)).await,
        Conflict::NotActive,
    );
    refused(
        store.create_token(&new_token(bob, 1)).await,
        Conflict::NotActive,
    );
}

pub async fn session_ids_are_never_used_again(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let first = store.create_session(&new_session(bob, 1)).await.unwrap();
    store.end_session(bob, first).await.unwrap();
    let second = store.create_session(&new_session(bob, 2)).await.unwrap();
    assert!(second > first);
}

pub async fn a_token_keeps_its_name_and_scopes(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let mut new = new_token(bob, 1);
    new.scopes = Scopes {
        read: true,
        write: false,
        admin: false,
    };
    let made = store.create_token(&new).await.unwrap();
    let standing = store.token(&[1; 32]).await.unwrap();
    assert_eq!((standing.id, standing.user.id), (made.id, bob));
    assert_eq!((standing.scopes, standing.used_at), (new.scopes, None));
    let listed = store.tokens(bob).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].scopes),
        ("token 1", new.scopes)
    );
    absent(store.token(&[2; 32]).await);
    // A session's hash is no token and the other way round.
    absent(store.session(&[1; 32]).await);
}

pub async fn tokens_are_listed_newest_first_and_say_when_used(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let first = store.create_token(&new_token(bob, 1)).await.unwrap().id;
    let second = store.create_token(&new_token(bob, 2)).await.unwrap().id;
    store.touch_token(first, Time(9_000)).await.unwrap();
    store.touch_token(TokenId(999), Time(9_000)).await.unwrap();
    let tokens = store.tokens(bob).await.unwrap();
    let used: Vec<_> = tokens
        .iter()
        .map(|token| (token.id, token.used_at))
        .collect();
    assert_eq!(used, [(second, None), (first, Some(Time(9_000)))]);
    assert_eq!(
        store.token(&[1; 32]).await.unwrap().used_at,
        Some(Time(9_000))
    );
}

pub async fn one_deletes_only_ones_own_token(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let token = store.create_token(&new_token(bob, 1)).await.unwrap().id;
    absent(store.delete_token(scene.ada.id, token).await);
    store.delete_token(bob, token).await.unwrap();
    absent(store.token(&[1; 32]).await);
    absent(store.delete_token(bob, token).await);
}

pub async fn one_person_has_at_most_a_hundred_tokens(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    for secret in 0..100 {
        store.create_token(&new_token(bob, secret)).await.unwrap();
    }
    refused(
        store.create_token(&new_token(bob, 100)).await,
        Conflict::TooMany,
    );
    store
        .create_token(&new_token(scene.ada.id, 101))
        .await
        .unwrap();
}

pub async fn an_old_password_opens_nothing_behind_its_change(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let set = |hash: &str| crate::UserUpdate {
        password_hash: Some(hash.to_owned()),
        ..crate::UserUpdate::default()
    };
    store
        .update_user(bob, &set("first"), Time(1))
        .await
        .unwrap();
    let session = |secret, hash: &str| crate::NewSession {
        proof: Some(hash.to_owned()),
        ..new_session(bob, secret)
    };
    let token = |secret, hash: &str| crate::NewToken {
        proof: Some(hash.to_owned()),
        ..new_token(bob, secret)
    };
    store.create_session(&session(1, "first")).await.unwrap();
    store.create_token(&token(2, "first")).await.unwrap();
    store
        .update_user(bob, &set("second"), Time(2))
        .await
        .unwrap();
    refused(
        store.create_session(&session(3, "first")).await,
        Conflict::NotActive,
    );
    refused(
        store.create_token(&token(4, "first")).await,
        Conflict::NotActive,
    );
    assert!(store.sessions(bob).await.unwrap().is_empty());
    assert!(store.tokens(bob).await.unwrap().is_empty());
    store.create_session(&session(5, "second")).await.unwrap();
}
