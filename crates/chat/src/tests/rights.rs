//! Who reaches what: hidden rooms, limits, order and repetition of posts.

use domain::Seq;
use store::PageAnchor;

use super::*;

#[tokio::test]
async fn a_closed_room_is_as_absent_to_outsiders_as_one_that_does_not_exist() {
    let house = House::open().await;
    let cellar = house.closed_room(&house.bob).await;
    let secret = house
        .say(&house.bob, &cellar, "the spare key is under the pot")
        .await
        .unwrap();
    let absent = RoomRef::Id(domain::RoomId(999_999));
    for room in [&cellar, &absent] {
        let chat = &house.chat;
        let eve = &house.eve;
        let outcomes = [
            chat.room(eve, room).await.map(drop),
            house.say(eve, room, "hello?").await.map(drop),
            chat.join_room(eve, room).await.map(drop),
            chat.leave_room(eve, room).await,
            chat.mark_read(eve, room, Seq(1)).await,
            chat.mark_unread(eve, room, Seq(1)).await,
            chat.change_room(eve, room, Some("Mine"), None, None)
                .await
                .map(drop),
        ];
        for (step, outcome) in outcomes.into_iter().enumerate() {
            assert!(
                matches!(outcome, Err(Error::NotFound)),
                "step {step}: {outcome:?}"
            );
        }
    }
    for message in [secret, MessageId(999_999)] {
        let edited = house
            .chat
            .edit_message(&house.eve, message, "gone", None)
            .await;
        assert!(matches!(edited, Err(Error::NotFound)));
        let deleted = house.chat.delete_message(&house.eve, message).await;
        assert!(matches!(deleted, Err(Error::NotFound)));
    }
    assert!(house.chat.message(&house.bob, secret).await.is_ok());
}

#[tokio::test]
async fn posts_begun_in_a_row_keep_their_order() {
    let house = House::with(Settings {
        rate_limits: false,
        ..Settings::default()
    })
    .await;
    let mut pending = Vec::new();
    for number in 0..200 {
        let draft = house.draft(&lobby(), &format!("number {number}"));
        pending.push(house.chat.begin_post(&house.bob, draft).await.unwrap());
    }
    let mut last = Seq::ZERO;
    for post in pending {
        let posted = post.wait().await.unwrap();
        assert!(
            posted.message.seq > last,
            "{} after {last}",
            posted.message.seq
        );
        last = posted.message.seq;
    }
    let room = house.chat.room(&house.bob, &lobby()).await.unwrap();
    let page = house
        .chat
        .page(&room, PageAnchor::Newest, 200)
        .await
        .unwrap();
    let said: Vec<&str> = page
        .messages
        .iter()
        .filter_map(domain::Message::source)
        .collect();
    let expected: Vec<String> = (0..200).map(|number| format!("number {number}")).collect();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_key_stands_for_one_draft_for_ever() {
    let house = House::open().await;
    let draft = house.draft(&lobby(), "once");
    let first = house
        .chat
        .post_message(&house.bob, draft.clone())
        .await
        .unwrap();
    let again = house
        .chat
        .post_message(&house.bob, draft.clone())
        .await
        .unwrap();
    assert!(!first.repeated && again.repeated);
    assert_eq!(first.message.id, again.message.id);
    let other = Draft {
        source: "twice".into(),
        ..draft.clone()
    };
    let refused = house.chat.post_message(&house.bob, other).await;
    assert!(matches!(
        refused,
        Err(Error::Conflict(store::Conflict::NonceReused))
    ));
    let by_eve = house
        .chat
        .post_message(&house.eve, draft.clone())
        .await
        .unwrap();
    assert_ne!(
        by_eve.message.id, first.message.id,
        "keys are each author's own"
    );
    // The key survives edit and deletion, and shows the message as it is now.
    house
        .chat
        .edit_message(&house.bob, first.message.id, "changed", None)
        .await
        .unwrap();
    let edited = house
        .chat
        .post_message(&house.bob, draft.clone())
        .await
        .unwrap();
    assert_eq!(edited.message.source(), Some("changed"));
    house
        .chat
        .delete_message(&house.bob, first.message.id)
        .await
        .unwrap();
    let deleted = house.chat.post_message(&house.bob, draft).await.unwrap();
    assert!(deleted.repeated && deleted.message.body.is_none());
}

#[tokio::test]
async fn a_flood_is_told_when_to_come_back_and_others_are_not_slowed() {
    let house = House::open().await;
    let mut refused = 0;
    for number in 0..15 {
        match house
            .say(&house.bob, &lobby(), &format!("flood {number}"))
            .await
        {
            Ok(_) => {}
            Err(Error::TooMany { retry_after_s, .. }) => {
                assert!(retry_after_s >= 1);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        refused >= 1,
        "fifteen at once are more than the ten one may"
    );
    assert!(
        house
            .say(&house.eve, &lobby(), "I was not loud")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_undo_its_post() {
    let house = House::open().await;
    let draft = house.draft(&lobby(), "said and gone");
    let nonce = draft.nonce;
    drop(house.chat.begin_post(&house.bob, draft).await.unwrap());
    house.chat.stop().await;
    let found = house
        .chat
        .message_by_nonce(&house.bob, nonce)
        .await
        .unwrap();
    assert_eq!(found.source(), Some("said and gone"));
}

#[tokio::test]
async fn an_edit_names_the_version_it_was_made_from() {
    let house = House::open().await;
    let message = house.say(&house.bob, &lobby(), "draft").await.unwrap();
    let first = house
        .chat
        .edit_message(&house.bob, message, "better", Some(1))
        .await
        .unwrap();
    let stale = house
        .chat
        .edit_message(&house.bob, message, "older thought", Some(1))
        .await;
    assert!(matches!(
        stale,
        Err(Error::Conflict(store::Conflict::Stale))
    ));
    let by_eve = house
        .chat
        .edit_message(&house.eve, message, "hm", Some(first.version))
        .await;
    assert!(matches!(by_eve, Err(Error::Denied(_))));
    let access = house.chat.message(&house.bob, message).await.unwrap();
    let versions = house.chat.edits(&house.bob, &access).await.unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].source, "draft");
}
