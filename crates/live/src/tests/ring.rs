//! What the ring holds is always what there is to read now; and signals.

use domain::{Author, Seq, Signal, Time, UserId, UserKind};

use super::support::{House, LOBBY, id_of};

fn author(id: UserId, name: &str) -> Author {
    Author {
        id,
        username: name.to_owned(),
        display_name: name.to_owned(),
        kind: UserKind::Person,
    }
}

#[tokio::test]
async fn a_late_resume_cannot_fetch_edited_or_deleted_words() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    // Each is read before the next one: behind that, it would show what is so by then.
    let kept = house.post(LOBBY, house.ada, "draft").await;
    assert_eq!(ada.next().await, "1:3 message.posted draft");
    let secret = house.post(LOBBY, house.ada, "secret").await;
    assert_eq!(ada.next().await, "1:4 message.posted secret");
    house.reply(LOBBY, id_of(&secret), "what?").await;
    assert_eq!(ada.next().await, "1:5 message.posted what? > secret");
    house.edit(id_of(&kept), "final").await;
    assert_eq!(ada.next().await, "1:6 message.edited final");
    house.delete(id_of(&secret)).await;
    assert_eq!(ada.next().await, "1:7 message.deleted gone");
    let mut late = house.connect(house.bob).await;
    let cursor = house.cursor(LOBBY, 2);
    house.live.subscribe(late.id, LOBBY, cursor).await.unwrap();
    for line in [
        "subscribed 1 7",
        "1:3 message.posted final",
        "1:4 message.posted gone",
        "1:5 message.posted what? > gone",
        "1:6 message.edited final",
        "1:7 message.deleted gone",
    ] {
        assert_eq!(late.next().await, line);
    }
}

#[tokio::test]
async fn both_formats_get_the_same_events_in_their_shape() {
    let house = House::new().await;
    let mut json = house.connect(house.ada).await;
    let mut html = house.connect_token(house.bob, 1).await.unwrap();
    assert!(html.next().await.starts_with("ready "));
    json.subscribe(&house, LOBBY).await;
    html.subscribe(&house, LOBBY).await;
    house.post(LOBBY, house.ada, "hello").await;
    assert_eq!(json.next().await, "1:3 message.posted hello");
    assert_eq!(html.next().await, "html 1:3 message.posted hello");
}

#[tokio::test]
async fn an_event_that_cannot_be_rendered_is_left_out_and_harms_nobody() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    house.post(LOBBY, house.bob, "poison").await;
    house.post(LOBBY, house.bob, "fine").await;
    assert_eq!(ada.next().await, "1:4 message.posted fine");
}

#[tokio::test]
async fn signals_reach_readers_and_users_and_spare_the_excepted() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    let mut bob = house.connect(house.bob).await;
    ada.subscribe(&house, LOBBY).await;
    bob.subscribe(&house, LOBBY).await;
    let typing = Signal::Typing {
        room: LOBBY,
        user: author(house.bob, "bob"),
    };
    let signal = typing.clone();
    house.live.signal_readers(LOBBY, signal, Some(house.bob));
    house.live.signal_user(house.bob, typing);
    ada.expect_only(&house, &["typing 1 bob"]).await;
    bob.expect_only(&house, &["typing 1 bob"]).await;
    let mut second = house.connect(house.bob).await;
    house.live.receipt(Signal::Receipt {
        room: LOBBY,
        user: author(house.bob, "bob"),
        seq: Seq(2),
        at: Time(9),
    });
    // Once each, though one of them reads the room too.
    for client in [&mut ada, &mut bob, &mut second] {
        client.expect_only(&house, &["receipt 1 bob 2"]).await;
    }
}

#[tokio::test]
async fn rings_share_a_bound_and_give_back_what_they_held() {
    let house = House::with(crate::Config {
        ring_total_bytes: 40_000,
        ..super::support::quiet()
    })
    .await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    let long = "x".repeat(1_000);
    for number in 3..=60 {
        house.post(LOBBY, house.ada, &long).await;
        assert!(ada.next().await.starts_with(&format!("1:{number} ")));
    }
    let log = house.live.hub.context.rooms.find(LOBBY).unwrap();
    assert_eq!(log.first(), Seq(45), "sixteen are kept");
    // Whoever is further back is filled from the store.
    let cursor = house.cursor(LOBBY, 2);
    house.live.subscribe(ada.id, LOBBY, cursor).await.unwrap();
    assert_eq!(ada.next().await, "subscribed 1 60");
    for number in 3..=60 {
        assert!(ada.next().await.starts_with(&format!("1:{number} ")));
    }
    drop((log, ada));
    let rooms = &house.live.hub.context.rooms;
    super::support::until("all is given back", || {
        rooms.all();
        rooms.held_bytes() == 0
    })
    .await;
}
