//! Accounts, passwords, reset links, counted sign-ins.

use std::sync::Arc;

use domain::{EventKind, JoinReason, Role, Seq, Time, UserId, UserState};

use super::scene::{LOBBY, Scene, absent, new_session, new_token, new_user, refused};
use crate::{Conflict, PasswordReset, Store, UserListFilter, UserUpdate};

fn reset(user: UserId, secret: u8) -> PasswordReset {
    PasswordReset {
        user,
        secret_hash: [secret; 32],
        expires_at: Time(100_000),
        made_by: None,
        audit: None,
    }
}

pub async fn an_empty_house_has_no_owner_and_one_is_enough(store: Arc<dyn Store>) {
    assert!(!store.has_owner().await.unwrap());
    store
        .create_user(&new_user("ada", Role::Owner))
        .await
        .unwrap();
    assert!(store.has_owner().await.unwrap());
}

pub async fn nobody_can_be_made_before_the_owner(store: Arc<dyn Store>) {
    for role in [Role::Guest, Role::Member, Role::Administrator] {
        refused(
            store.create_user(&new_user("bob", role)).await,
            Conflict::SetupRequired,
        );
    }
}

pub async fn a_second_owner_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    refused(
        scene.store.create_user(&new_user("eve", Role::Owner)).await,
        Conflict::OwnerExists,
    );
}

pub async fn a_taken_skeleton_is_refused_and_nothing_is_left_behind(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut twin = new_user("B0b", Role::Member);
    twin.skeleton = "bob".into();
    refused(
        scene.store.create_user(&twin).await,
        Conflict::UsernameTaken,
    );
    assert_eq!(scene.log(LOBBY).await.len(), 2);
}

pub async fn a_taken_address_is_refused_whatever_its_case(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut new = new_user("carl", Role::Member);
    new.email = Some("Carl@Example.org".into());
    let (carl, _) = scene.store.create_user(&new).await.unwrap();
    let mut twin = new_user("dora", Role::Member);
    twin.email = Some("carl@example.ORG".into());
    refused(scene.store.create_user(&twin).await, Conflict::EmailTaken);
    let update = UserUpdate {
        email: Some(Some("CARL@example.org".into())),
        ..UserUpdate::default()
    };
    refused(
        scene
            .store
            .update_user(scene.bob.id, &update, Time(9))
            .await,
        Conflict::EmailTaken,
    );
    scene
        .store
        .update_user(carl.id, &update, Time(9))
        .await
        .unwrap();
    let email = scene.store.email(carl.id).await.unwrap();
    assert_eq!(email.as_deref(), Some("CARL@example.org"));
}

pub async fn an_address_can_be_removed_and_taken_by_another(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let with = |email: Option<&str>| UserUpdate {
        email: Some(email.map(str::to_owned)),
        ..UserUpdate::default()
    };
    let set = |user: UserId, email| {
        let store = Arc::clone(&scene.store);
        let update = with(email);
        async move { store.update_user(user, &update, Time(9)).await }
    };
    set(scene.ada.id, Some("a@example.org")).await.unwrap();
    set(scene.ada.id, None).await.unwrap();
    assert_eq!(scene.store.email(scene.ada.id).await.unwrap(), None);
    set(scene.bob.id, Some("a@example.org")).await.unwrap();
}

pub async fn a_new_person_is_in_the_lobby_with_an_event(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (carl, events) = scene
        .store
        .create_user(&new_user("Carl", Role::Member))
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].room, events[0].seq), (LOBBY, Seq(3)));
    let EventKind::MemberJoined { user, by, reason } = &events[0].kind else {
        panic!("{events:?}");
    };
    assert_eq!((user.id, user.username.as_str()), (carl.id, "Carl"));
    assert_eq!((by, *reason), (&None, JoinReason::Joined));
    let memberships = scene.store.memberships(carl.id).await.unwrap();
    assert_eq!(memberships.len(), 1);
    assert_eq!(
        (memberships[0].room, memberships[0].read_seq),
        (LOBBY, Seq(3))
    );
    assert_eq!(scene.log(LOBBY).await[2], events[0]);
}

pub async fn people_are_found_by_id_and_skeleton(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    assert_eq!(scene.store.user(scene.bob.id).await.unwrap(), scene.bob);
    assert_eq!(scene.store.user_by_name("bob").await.unwrap(), scene.bob);
    absent(scene.store.user(UserId(999)).await);
    absent(scene.store.user_by_name("nobody").await);
    absent(scene.store.email(UserId(999)).await);
}

pub async fn credentials_hold_the_hash_and_the_account(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let credentials = scene.store.credentials("bob").await.unwrap();
    assert_eq!(credentials.user, scene.bob);
    assert_eq!(credentials.password_hash.as_deref(), Some("hash of Bob"));
    absent(scene.store.credentials("nobody").await);
}

pub async fn people_are_listed_by_id_in_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for name in ["carl", "dora", "emil"] {
        scene.person(name).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let filter = UserListFilter {
            query: None,
            after,
            limit: 2,
        };
        let page = scene.store.users(&filter).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|user| user.username));
    }
    assert_eq!(seen, ["Ada", "Bob", "carl", "dora", "emil"]);
}

pub async fn people_are_found_without_regard_to_case_in_any_script(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut new = new_user("zoe", Role::Member);
    new.display_name = "ÉMILIE Žižková".into();
    scene.store.create_user(&new).await.unwrap();
    for (query, expected) in [
        ("émilie", vec!["zoe"]),
        ("ŽIŽ", vec!["zoe"]),
        ("BO", vec!["Bob"]),
        ("example", vec!["Ada", "Bob"]),
        ("%", vec![]),
        ("_", vec![]),
        ("'", vec![]),
    ] {
        let filter = UserListFilter {
            query: Some(query.into()),
            after: None,
            limit: 10,
        };
        let found = scene.store.users(&filter).await.unwrap();
        let names: Vec<_> = found.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, expected, "{query}");
    }
}

pub async fn a_new_display_name_shows_beside_old_messages(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let message = scene.post(LOBBY, scene.bob.id, "hello").await;
    let update = UserUpdate {
        display_name: Some("Robert".into()),
        ..UserUpdate::default()
    };
    let (bob, sessions, tokens) = scene
        .store
        .update_user(scene.bob.id, &update, Time(9))
        .await
        .unwrap();
    assert_eq!(bob.display_name, "Robert");
    assert!(sessions.is_empty() && tokens.is_empty());
    let facts = scene.store.message_facts(message.id, None).await.unwrap();
    assert_eq!(facts.message.author.display_name, "Robert");
}

pub async fn a_change_of_nobody_is_not_found(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let update = UserUpdate::default();
    absent(scene.store.update_user(UserId(999), &update, Time(9)).await);
    absent(
        scene
            .store
            .create_password_reset(&reset(UserId(999), 1))
            .await,
    );
}

pub async fn the_last_owner_stays_owner_and_active(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let demote = UserUpdate {
        role: Some(Role::Member),
        ..UserUpdate::default()
    };
    let close = UserUpdate {
        state: Some(UserState::Deactivated),
        ..UserUpdate::default()
    };
    for update in [&demote, &close] {
        refused(
            scene.store.update_user(scene.ada.id, update, Time(9)).await,
            Conflict::LastOwner,
        );
    }
    let promote = UserUpdate {
        role: Some(Role::Owner),
        ..UserUpdate::default()
    };
    let store = &scene.store;
    store
        .update_user(scene.bob.id, &promote, Time(9))
        .await
        .unwrap();
    store
        .update_user(scene.ada.id, &demote, Time(9))
        .await
        .unwrap();
    refused(
        store.update_user(scene.bob.id, &close, Time(9)).await,
        Conflict::LastOwner,
    );
}

pub async fn a_closed_owner_does_not_count_as_another_owner(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let closed_owner = UserUpdate {
        role: Some(Role::Owner),
        state: Some(UserState::Deactivated),
        ..UserUpdate::default()
    };
    let store = &scene.store;
    store
        .update_user(scene.bob.id, &closed_owner, Time(9))
        .await
        .unwrap();
    let demote = UserUpdate {
        role: Some(Role::Member),
        ..UserUpdate::default()
    };
    refused(
        store.update_user(scene.ada.id, &demote, Time(9)).await,
        Conflict::LastOwner,
    );
}

pub async fn a_new_password_ends_all_but_the_session_kept(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let kept = store.create_session(&new_session(bob, 1)).await.unwrap();
    let ended = store.create_session(&new_session(bob, 2)).await.unwrap();
    let token = store.create_token(&new_token(bob, 3)).await.unwrap();
    let other = store
        .create_session(&new_session(scene.ada.id, 4))
        .await
        .unwrap();
    store.create_password_reset(&reset(bob, 5)).await.unwrap();
    let update = UserUpdate {
        password_hash: Some("new".into()),
        keep_session: Some(kept),
        ..UserUpdate::default()
    };
    let (_, sessions, tokens) = store.update_user(bob, &update, Time(9)).await.unwrap();
    assert_eq!((sessions, tokens), (vec![ended], vec![token.id]));
    assert_eq!(store.session(&[1; 32]).await.unwrap().id, kept);
    absent(store.session(&[2; 32]).await);
    absent(store.token(&[3; 32]).await);
    assert_eq!(store.session(&[4; 32]).await.unwrap().id, other);
    refused(
        store.password_reset_user(&[5; 32], Time(9)).await,
        Conflict::ResetInvalid,
    );
    let credentials = store.credentials("bob").await.unwrap();
    assert_eq!(credentials.password_hash.as_deref(), Some("new"));
}

pub async fn a_ban_ends_every_session_and_token_also_the_one_to_keep(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let session = store.create_session(&new_session(bob, 1)).await.unwrap();
    let token = store.create_token(&new_token(bob, 2)).await.unwrap();
    let update = UserUpdate {
        state: Some(UserState::Banned),
        keep_session: Some(session),
        ..UserUpdate::default()
    };
    let (user, sessions, tokens) = store.update_user(bob, &update, Time(9)).await.unwrap();
    assert_eq!(user.state, UserState::Banned);
    assert_eq!((sessions, tokens), (vec![session], vec![token.id]));
    absent(store.session(&[1; 32]).await);
    absent(store.token(&[2; 32]).await);
}

pub async fn a_reset_link_works_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    let session = store.create_session(&new_session(bob, 1)).await.unwrap();
    store.create_password_reset(&reset(bob, 7)).await.unwrap();
    let user = store.password_reset_user(&[7; 32], Time(9)).await.unwrap();
    assert_eq!(user.id, bob);
    let (_, sessions, _) = store
        .use_password_reset(&[7; 32], "fresh", Time(9))
        .await
        .unwrap();
    assert_eq!(sessions, [session]);
    let credentials = store.credentials("bob").await.unwrap();
    assert_eq!(credentials.password_hash.as_deref(), Some("fresh"));
    refused(
        store.use_password_reset(&[7; 32], "again", Time(9)).await,
        Conflict::ResetInvalid,
    );
}

pub async fn a_reset_link_expires_and_is_replaced_by_a_newer_one(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, bob) = (&scene.store, scene.bob.id);
    store.create_password_reset(&reset(bob, 7)).await.unwrap();
    store.create_password_reset(&reset(bob, 8)).await.unwrap();
    refused(
        store.password_reset_user(&[7; 32], Time(9)).await,
        Conflict::ResetInvalid,
    );
    store
        .password_reset_user(&[8; 32], Time(99_999))
        .await
        .unwrap();
    refused(
        store.password_reset_user(&[8; 32], Time(100_000)).await,
        Conflict::ResetInvalid,
    );
}

pub async fn failed_sign_ins_are_counted_by_account_and_address(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let store = &scene.store;
    for (name, address, at) in [
        ("bob", "192.0.2.1", 1_000),
        ("bob", "192.0.2.2", 2_000),
        ("ada", "192.0.2.1", 3_000),
    ] {
        store
            .record_sign_in(name, address, true, Time(at))
            .await
            .unwrap();
    }
    let attempts = store
        .sign_in_attempts("bob", "192.0.2.1", Time(0))
        .await
        .unwrap();
    assert_eq!((attempts.account, attempts.address), (2, 2));
    assert_eq!(attempts.account_in_a_row, 2);
    assert_eq!(attempts.oldest_at, Some(Time(1_000)));
    let later = store
        .sign_in_attempts("bob", "192.0.2.1", Time(2_500))
        .await
        .unwrap();
    assert_eq!((later.account, later.address), (0, 1));
    assert_eq!(later.account_in_a_row, 2);
    let other = store
        .sign_in_attempts("carl", "192.0.2.9", Time(0))
        .await
        .unwrap();
    assert_eq!(other, crate::Attempts::default());
}

pub async fn a_successful_sign_in_ends_the_run_in_a_row(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let store = &scene.store;
    let record = |failed, at| store.record_sign_in("bob", "192.0.2.1", failed, Time(at));
    record(true, 1).await.unwrap();
    record(true, 2).await.unwrap();
    record(false, 3).await.unwrap();
    record(true, 4).await.unwrap();
    let attempts = store.sign_in_attempts("bob", "x", Time(0)).await.unwrap();
    assert_eq!(attempts.account_in_a_row, 1);
}

pub async fn old_failed_sign_ins_are_forgotten_but_not_the_run(store: Arc<dyn Store>) {
    const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1000;
    let scene = Scene::new(store).await;
    let store = &scene.store;
    store
        .record_sign_in("bob", "a", true, Time(0))
        .await
        .unwrap();
    store
        .record_sign_in("bob", "a", true, Time(MONTH_MS))
        .await
        .unwrap();
    let attempts = store.sign_in_attempts("bob", "a", Time(0)).await.unwrap();
    assert_eq!((attempts.account, attempts.account_in_a_row), (1, 2));
}

pub async fn what_is_done_to_a_person_is_written_down_with_it_or_not_at_all(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let (store, ada, bob) = (&scene.store, scene.ada.id, scene.bob.id);
    let (_, before) = store.notices_after(i64::MAX).await.unwrap();
    let audited = |state| UserUpdate {
        state: Some(state),
        audit: Some(crate::Audit {
            actor: Some(ada),
            action: "user.deactivated",
            subject: "somebody".into(),
            details: "{}".into(),
            address: "192.0.2.1".into(),
            at: Time(9),
        }),
        ..UserUpdate::default()
    };
    let only_owner = store
        .update_user(ada, &audited(UserState::Deactivated), Time(9))
        .await;
    refused(only_owner, Conflict::LastOwner);
    assert!(store.audit_entries(None, 10).await.unwrap().is_empty());
    assert!(store.notices_after(before).await.unwrap().0.is_empty());

    store
        .update_user(bob, &audited(UserState::Deactivated), Time(9))
        .await
        .unwrap();
    let trail = store.audit_entries(None, 10).await.unwrap();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].actor.as_deref(), Some(scene.ada.username.as_str()));
    let (notices, _) = store.notices_after(before).await.unwrap();
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [crate::NoticeKind::UserChanged(bob)]);
}
