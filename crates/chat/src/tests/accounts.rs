//! Sign-in limits, sessions and reset links over time.

use super::*;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

#[tokio::test]
async fn a_guessed_at_account_is_slowed_but_its_own_browser_is_not() {
    let house = House::open().await;
    let own = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    for _ in 0..5 {
        let guess = house
            .chat
            .log_in("bob", "wrong guess here".into(), &device())
            .await;
        assert!(matches!(guess, Err(Error::WrongCredentials)));
    }
    let stranger = house.chat.log_in("bob", PASSWORD.into(), &device()).await;
    let Err(Error::TooMany { retry_after_s, .. }) = stranger else {
        panic!("a sixth try must wait")
    };
    assert!((1..=900).contains(&retry_after_s), "{retry_after_s}");
    let known = Device {
        known_mark: Some(own.known_mark.clone()),
        ..device()
    };
    assert!(
        house
            .chat
            .log_in("bob", PASSWORD.into(), &known)
            .await
            .is_ok()
    );
    // The mark is bob's, not a pass for other accounts.
    for _ in 0..5 {
        let _ = house
            .chat
            .log_in("eve", "wrong guess here".into(), &known)
            .await;
    }
    let other = house.chat.log_in("eve", PASSWORD.into(), &known).await;
    assert!(matches!(other, Err(Error::TooMany { .. })));
    house.wait_ms(15 * MINUTE_MS + 1);
    assert!(
        house
            .chat
            .log_in("eve", PASSWORD.into(), &device())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_unknown_name_is_refused_like_a_wrong_password() {
    let house = House::open().await;
    let wrong = house
        .chat
        .log_in("bob", "wrong guess here".into(), &device())
        .await;
    let unknown = house
        .chat
        .log_in("nobody", "wrong guess here".into(), &device())
        .await;
    let words = |outcome: crate::Result<crate::accounts::SignedIn>| match outcome {
        Err(error) => error.to_string(),
        Ok(_) => panic!("signed in"),
    };
    assert_eq!(words(wrong), words(unknown));
}

#[tokio::test]
async fn sessions_end_when_idle_and_survive_a_jump_of_the_clock() {
    let house = House::open().await;
    let signed_in = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    let whose = |secret: String| {
        let chat = Arc::clone(&house.chat);
        async move {
            chat.actor_of_session(&secret, "::1")
                .await
                .map(|actor| actor.user())
        }
    };
    for jump in [DAY_MS, -DAY_MS, -DAY_MS, DAY_MS] {
        house.wait_ms(jump);
        assert!(
            whose(signed_in.secret.clone()).await.is_ok(),
            "after a jump of {jump} ms"
        );
    }
    house.wait_ms(32 * DAY_MS);
    let idle = whose(signed_in.secret.clone()).await;
    assert!(matches!(idle, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn a_used_session_still_ends_after_ninety_days() {
    let house = House::open().await;
    let signed_in = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    for _ in 0..9 {
        house.wait_ms(10 * DAY_MS - 1000);
        let bob = house.chat.actor_of_session(&signed_in.secret, "::1").await;
        let bob = bob.unwrap();
        // The use is noted behind the request's back.
        let now = Time(house.clock.load(Ordering::SeqCst));
        let is_noted = async || {
            let sessions = house.chat.sessions(&bob).await.unwrap();
            sessions.iter().any(|session| session.seen_at == now)
        };
        for n in 0.. {
            if is_noted().await {
                break;
            }
            assert!(n < 500, "the use of a session is noted");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    house.wait_ms(DAY_MS);
    let old = house.chat.actor_of_session(&signed_in.secret, "::1").await;
    assert!(matches!(old, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn a_reset_link_works_once_and_for_a_quarter_of_an_hour() {
    let house = House::open().await;
    assert!(matches!(
        house.chat.make_reset_link(&house.eve, "bob", "::1").await,
        Err(Error::Denied(_) | Error::NotFound)
    ));
    let first = house
        .chat
        .make_reset_link(&house.ada, "bob", "::1")
        .await
        .unwrap();
    let link = house
        .chat
        .make_reset_link(&house.ada, "bob", "::1")
        .await
        .unwrap();
    assert!(
        house.chat.reset_subject(&first.secret).await.is_err(),
        "the first is replaced"
    );
    let signed_in = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    let new = "another lamp, brighter";
    house
        .chat
        .reset_password(&link.secret, new.into(), new)
        .await
        .unwrap();
    let again = house
        .chat
        .reset_password(&link.secret, new.into(), new)
        .await;
    assert!(matches!(again, Err(Error::Conflict(_))), "the link is used");
    let old = house.chat.actor_of_session(&signed_in.secret, "::1").await;
    assert!(
        matches!(old, Err(Error::Unauthorized)),
        "every session ended"
    );
    assert!(
        house
            .chat
            .log_in("bob", new.into(), &device())
            .await
            .is_ok()
    );

    let late = house
        .chat
        .make_reset_link(&house.ada, "bob", "::1")
        .await
        .unwrap();
    house.wait_ms(15 * MINUTE_MS);
    assert!(
        house.chat.reset_subject(&late.secret).await.is_err(),
        "too late"
    );
}

#[tokio::test]
async fn ending_a_credential_is_felt_by_the_next_request() {
    let house = House::open().await;
    let made = house
        .chat
        .create_token(&house.bob, "script", Scopes::ALL)
        .await
        .unwrap();
    // Remembered by now; the memory must not outlive the token.
    assert!(house.chat.actor_of_token(&made.secret).await.is_ok());
    assert!(
        house
            .chat
            .delete_token(&house.eve, made.info.id)
            .await
            .is_err()
    );
    assert!(house.chat.actor_of_token(&made.secret).await.is_ok());
    house
        .chat
        .delete_token(&house.bob, made.info.id)
        .await
        .unwrap();
    let ended = house.chat.actor_of_token(&made.secret).await;
    assert!(matches!(ended, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn a_closed_account_is_out_at_once_and_learns_why_only_with_its_password() {
    let house = House::open().await;
    let signed_in = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    assert!(
        house
            .chat
            .actor_of_session(&signed_in.secret, "::1")
            .await
            .is_ok()
    );
    let by_eve = house
        .chat
        .set_user_state(&house.eve, "bob", UserState::Deactivated, "::1")
        .await;
    assert!(by_eve.is_err());
    house
        .chat
        .set_user_state(&house.ada, "bob", UserState::Deactivated, "::1")
        .await
        .unwrap();
    let after = house.chat.actor_of_session(&signed_in.secret, "::1").await;
    assert!(matches!(after, Err(Error::Unauthorized)));
    let right = house.chat.log_in("bob", PASSWORD.into(), &device()).await;
    assert!(matches!(right, Err(Error::Denied(_))));
    let wrong = house
        .chat
        .log_in("bob", "wrong guess here".into(), &device())
        .await;
    assert!(matches!(wrong, Err(Error::WrongCredentials)));
    let audit = house
        .chat
        .audit_entries(&house.ada, None, 10)
        .await
        .unwrap();
    assert_eq!(audit[0].action, "user.deactivated");
    assert_eq!(audit[0].actor.as_deref(), Some("ada"));
    assert!(
        house
            .chat
            .audit_entries(&house.eve, None, 10)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session_and_every_token() {
    let house = House::open().await;
    let other = house
        .chat
        .log_in("bob", PASSWORD.into(), &device())
        .await
        .unwrap();
    let token = house
        .chat
        .create_token(&house.bob, "script", Scopes::ALL)
        .await
        .unwrap();
    let new = "another lamp, brighter";
    let change = |present: &str| {
        let (chat, bob, present) = (house.chat.clone(), house.bob.clone(), present.to_owned());
        async move {
            chat.change_password(&bob, present, new.into(), new, &device())
                .await
        }
    };
    assert!(matches!(
        change("wrong guess here").await,
        Err(Error::Invalid(_))
    ));
    change(PASSWORD).await.unwrap();
    assert!(
        house
            .chat
            .actor_of_session(&other.secret, "::1")
            .await
            .is_err()
    );
    assert!(house.chat.actor_of_token(&token.secret).await.is_err());
    assert!(
        house
            .chat
            .sessions(&house.bob)
            .await
            .is_ok_and(|list| list.len() == 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guessing_all_at_once_gives_no_more_guesses() {
    let house = House::open().await;
    let guesses: Vec<_> = (0..40)
        .map(|n| {
            let chat = Arc::clone(&house.chat);
            let guess = format!("wrong guess number {n}");
            tokio::spawn(async move { chat.log_in("bob", guess, &device()).await.err() })
        })
        .collect();
    let mut checked = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Some(Error::WrongCredentials) => checked += 1,
            Some(Error::TooMany { retry_after_s, .. }) => assert!(retry_after_s >= 1),
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=5).contains(&checked), "{checked} guesses were checked");
}

/// Polls an act once, as far as its first wait, and drops it: a client that hangs up.
async fn hang_up<T>(act: impl Future<Output = T>) {
    let mut act = Box::pin(act);
    let once = std::future::poll_fn(|context| {
        std::task::Poll::Ready(act.as_mut().poll(context).is_pending())
    });
    assert!(once.await, "the act waits for the disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hangs_up_while_ending_a_right_has_ended_it() {
    let house = House::open().await;
    let chat = &house.chat;
    let until_out = |secret: String| async move {
        for _ in 0..500 {
            // Remembered for as long as this clock stands still, unless forgotten.
            if chat.actor_of_session(&secret, "::1").await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the session is still good");
    };
    let sign_in = async || {
        let signed_in = chat.log_in("bob", PASSWORD.into(), &device()).await;
        let secret = signed_in.unwrap().secret;
        let actor = chat.actor_of_session(&secret, "::1").await.unwrap();
        (secret, actor)
    };

    let (secret, bob) = sign_in().await;
    hang_up(chat.log_out(&bob)).await;
    until_out(secret).await;

    let (secret, _) = sign_in().await;
    hang_up(chat.end_other_sessions(&house.bob)).await;
    until_out(secret).await;

    let made = chat
        .create_token(&house.bob, "script", Scopes::ALL)
        .await
        .unwrap();
    chat.actor_of_token(&made.secret).await.unwrap();
    hang_up(chat.delete_token(&house.bob, made.info.id)).await;
    for n in 0.. {
        if chat.actor_of_token(&made.secret).await.is_err() {
            break;
        }
        assert!(n < 500, "the token is still good");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
