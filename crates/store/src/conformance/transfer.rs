//! History from elsewhere.

use std::sync::Arc;

use domain::{EventKind, MessageId, Role, RoomId, Seq, Time, UserId, UserKind};

use super::scene::{LOBBY, markdown, new_user, nonce, source};
use crate::{
    Answered, Conflict, EditVersion, ImportedMessage, NewUser, PageAnchor, RoomListFilter, Store,
    StoreError,
};

fn imported(author: UserId, text: &str, at: i64) -> ImportedMessage {
    ImportedMessage {
        room: LOBBY,
        author,
        nonce: nonce(),
        body: markdown(text),
        mentions: Vec::new(),
        answers: None,
        at: Time(at),
        earlier: None,
    }
}

fn people() -> Vec<NewUser> {
    vec![new_user("ada", Role::Member), new_user("bob", Role::Member)]
}

pub async fn people_can_be_imported_before_there_is_an_owner(store: Arc<dyn Store>) {
    let made = store.import_users(people()).await.unwrap();
    assert_eq!(made.len(), 2);
    assert!(!store.has_owner().await.unwrap());
    let members = store.members(LOBBY, None, 10).await.unwrap();
    assert_eq!(members.len(), 2);
    // The set-up still makes the owner.
    store
        .create_user(&new_user("eve", Role::Owner))
        .await
        .unwrap();
    let second = store
        .import_users(vec![new_user("mallory", Role::Owner)])
        .await;
    assert!(
        matches!(second, Err(StoreError::Conflict(Conflict::OwnerExists))),
        "{second:?}"
    );
}

pub async fn importing_people_again_changes_nothing(store: Arc<dyn Store>) {
    let first = store.import_users(people()).await.unwrap();
    let mut again = people();
    again[0].display_name = "Somebody else".into();
    again[0].kind = UserKind::Bot;
    assert_eq!(store.import_users(again).await.unwrap(), first);
    let head = store.heads(&[LOBBY]).await.unwrap()[0].1;
    assert_eq!(head, Seq(2), "each joined the lobby once");
}

pub async fn imported_messages_keep_their_times_and_get_gapless_numbers(store: Arc<dyn Store>) {
    let people = store.import_users(people()).await.unwrap();
    let (ada, bob) = (people[0].id, people[1].id);
    let mut answer = imported(bob, "not here", 200);
    answer.answers = Some(Answered::InBatch(0));
    answer.mentions = vec![ada, bob];
    answer.earlier = Some(EditVersion {
        source: "nto here".into(),
        replaced_at: Time(250),
    });
    let batch = vec![imported(ada, "where is it", 100), answer];
    let done = store.import_batch(batch).await.unwrap();
    assert_eq!((done.messages.len(), done.stored), (2, 2));

    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 10)
        .await
        .unwrap();
    let [first, second] = page.messages.as_slice() else {
        panic!("{:?}", page.messages)
    };
    assert_eq!((first.id, first.created_at), (done.messages[0], Time(100)));
    assert_eq!(
        (second.created_at, second.edited_at),
        (Time(200), Some(Time(250)))
    );
    assert_eq!(second.reply_to.as_ref().unwrap().id, first.id);
    assert_eq!(source(second), "not here");
    assert_eq!(second.version, 2);
    let edits = store.edits(second.id).await.unwrap();
    assert_eq!(
        edits,
        [EditVersion {
            source: "nto here".into(),
            replaced_at: Time(250)
        }]
    );

    let events = store.events_after(LOBBY, Seq::ZERO, 100).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(page.head, Seq(5));
    assert!(matches!(events[4].kind, EventKind::MessageEdited(_)));
    // Mentioning oneself is news to nobody.
    let counts = store.unread_counts(LOBBY, &[ada, bob]).await.unwrap();
    let mentions = |user| {
        counts
            .iter()
            .find(|count| count.user == user)
            .unwrap()
            .mentions
    };
    assert_eq!((mentions(ada), mentions(bob)), (1, 0));
}

pub async fn importing_messages_again_stores_nothing(store: Arc<dyn Store>) {
    let people = store.import_users(people()).await.unwrap();
    let batch = vec![
        imported(people[0].id, "one", 100),
        imported(people[1].id, "two", 200),
    ];
    let first = store.import_batch(batch.clone()).await.unwrap();
    let mut more = batch;
    let mut answer = imported(people[0].id, "three", 300);
    answer.answers = Some(Answered::InBatch(1));
    more.push(answer);
    let again = store.import_batch(more).await.unwrap();
    assert_eq!(again.stored, 1);
    assert_eq!(again.messages[..2], first.messages[..]);
    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 10)
        .await
        .unwrap();
    assert_eq!(page.messages.len(), 3);
    assert_eq!(
        page.messages[2].reply_to.as_ref().unwrap().id,
        first.messages[1]
    );
}

pub async fn an_imported_author_becomes_a_member_first(store: Arc<dyn Store>) {
    let owner = store
        .create_user(&new_user("eve", Role::Owner))
        .await
        .unwrap()
        .0;
    let ada = store.import_users(people()).await.unwrap()[0].id;
    let (room, _) = store
        .create_room(&crate::CreateRoom {
            name: "Attic".into(),
            slug: Some("attic".into()),
            kind: domain::RoomKind::Closed,
            topic: String::new(),
            creator: owner.id,
            at: Time(50),
        })
        .await
        .unwrap();
    let message = ImportedMessage {
        room: room.id,
        ..imported(ada, "hello", 100)
    };
    store.import_batch(vec![message]).await.unwrap();
    let events = store.events_after(room.id, Seq(1), 10).await.unwrap();
    assert!(matches!(&events[0].kind, EventKind::MemberJoined { user, .. } if user.id == ada));
    assert!(matches!(&events[1].kind, EventKind::MessagePosted(_)));
    let filter = RoomListFilter {
        joined: true,
        limit: 10,
        ..RoomListFilter::default()
    };
    let rooms = store.rooms(ada, &filter).await.unwrap();
    assert!(rooms.iter().any(|listed| listed.room.id == room.id));
}

pub async fn a_batch_with_one_bad_message_stores_none(store: Arc<dyn Store>) {
    let ada = store.import_users(people()).await.unwrap()[0].id;
    let good = imported(ada, "good", 100);
    let bad = [
        ImportedMessage {
            room: RoomId(999),
            ..imported(ada, "no room", 100)
        },
        ImportedMessage {
            author: UserId(999),
            ..imported(ada, "no author", 100)
        },
        ImportedMessage {
            answers: Some(Answered::InBatch(1)),
            ..imported(ada, "itself", 100)
        },
        ImportedMessage {
            answers: Some(Answered::Stored(MessageId(999))),
            ..imported(ada, "nothing", 100)
        },
    ];
    for bad in bad {
        let outcome = store.import_batch(vec![good.clone(), bad]).await;
        assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
    }
    let page = store
        .room_page(LOBBY, PageAnchor::Newest, 10)
        .await
        .unwrap();
    assert!(page.messages.is_empty());
}
