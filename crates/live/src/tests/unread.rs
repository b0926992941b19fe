//! Watchers are told that something is new, once.

use domain::{Author, RoomId, RoomKind, Seq, Signal, Time, UserId, UserKind};

use super::support::{Client, House, until};

async fn told(client: &mut Client, line: &str) {
    assert_eq!(client.next().await, line);
}

async fn read_up_to(house: &House, room: RoomId, user: UserId, seq: Seq) {
    house
        .store
        .mark_read(room, user, seq, Time(9))
        .await
        .unwrap();
    house.live.receipt(Signal::Receipt {
        room,
        user: Author {
            id: user,
            username: "x".to_owned(),
            display_name: "x".to_owned(),
            kind: UserKind::Person,
        },
        seq,
        at: Time(9),
    });
}

/// Waits until the shards have done what was asked before, unread questions included.
async fn settle(house: &House, probe: &mut Client) {
    for _ in 0..3 {
        probe.expect_only(house, &[]).await;
    }
}

#[tokio::test]
async fn a_watcher_is_told_once_until_its_receipt_moves() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    house
        .store
        .join_room(room, house.bob, Time(2))
        .await
        .unwrap();
    let mut bob = house.connect_watching(house.bob, &[room]).await;
    let mut ada = house.connect_watching(house.ada, &[room]).await;
    house.post(room, house.ada, "one").await;
    told(&mut bob, &format!("unread {room} Some(1) 0 3")).await;
    house.post(room, house.ada, "two").await;
    house.post(room, house.ada, "three").await;
    settle(&house, &mut bob).await;
    read_up_to(&house, room, house.bob, Seq(4)).await;
    told(&mut bob, &format!("receipt {room} x 4")).await;
    house.post(room, house.ada, "four").await;
    told(&mut bob, &format!("unread {room} Some(2) 0 6")).await;
    // The author hears nothing of her own words.
    ada.expect_only(&house, &[]).await;
}

#[tokio::test]
async fn every_mention_is_told_once_more() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    house
        .store
        .join_room(room, house.bob, Time(2))
        .await
        .unwrap();
    let mut bob = house.connect_watching(house.bob, &[room]).await;
    house.post(room, house.ada, "one").await;
    told(&mut bob, &format!("unread {room} Some(1) 0 3")).await;
    house.post(room, house.ada, "you @bob").await;
    told(&mut bob, &format!("unread {room} Some(2) 1 4")).await;
    house.post(room, house.ada, "not you @nobody").await;
    house.post(room, house.ada, "again @bob").await;
    // The store may be asked for the one before when this one is in it already.
    let line = bob.next().await;
    assert!(
        line.starts_with(&format!("unread {room} Some(4) 2 ")),
        "{line}"
    );
}

#[tokio::test]
async fn who_reads_the_room_is_not_told_and_their_other_device_is() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    house
        .store
        .join_room(room, house.bob, Time(2))
        .await
        .unwrap();
    let mut reads = house.connect_watching(house.bob, &[room]).await;
    let mut watches = house.connect_watching(house.bob, &[room]).await;
    reads.subscribe(&house, room).await;
    house.post(room, house.ada, "one").await;
    told(&mut watches, &format!("unread {room} Some(1) 0 3")).await;
    let line = format!("{room}:3 message.posted one");
    reads.expect_only(&house, &[&line]).await;
    // It stops looking: from here on it is told.
    house.live.unsubscribe(reads.id, room);
    house.post(room, house.ada, "two").await;
    told(&mut reads, &format!("unread {room} Some(2) 0 4")).await;
}

#[tokio::test]
async fn joining_begins_watching_and_leaving_ends_it() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    let mut bob = house.connect(house.bob).await;
    house.post(room, house.ada, "unheard").await;
    let joined = house.store.join_room(room, house.bob, Time(2)).await;
    house.live.publish(joined.unwrap().event.unwrap());
    house.post(room, house.ada, "heard").await;
    told(&mut bob, &format!("unread {room} Some(1) 0 4")).await;
    let left = house.store.leave_room(room, house.bob, Time(3)).await;
    house.live.publish(left.unwrap().event.unwrap());
    house.post(room, house.ada, "unheard again").await;
    settle(&house, &mut bob).await;
}

#[tokio::test]
async fn in_a_large_room_nobody_is_counted() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    house
        .store
        .join_room(room, house.bob, Time(2))
        .await
        .unwrap();
    for number in 0..100 {
        let user = house.person(&format!("p{number}")).await;
        house.store.join_room(room, user, Time(2)).await.unwrap();
    }
    let head = house.head(room).await.0;
    let mut bob = house.connect_watching(house.bob, &[room]).await;
    house.post(room, house.ada, "one").await;
    told(&mut bob, &format!("unread {room} None 0 {}", head + 1)).await;
    house.post(room, house.ada, "hey @bob").await;
    told(&mut bob, &format!("unread {room} None 1 {}", head + 2)).await;
}

#[tokio::test]
async fn a_connection_that_goes_leaves_no_trace_in_the_lists() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    house
        .store
        .join_room(room, house.bob, Time(2))
        .await
        .unwrap();
    let mut stays = house.connect_watching(house.bob, &[room]).await;
    for _ in 0..5 {
        let mut goes = house.connect_watching(house.bob, &[room]).await;
        goes.subscribe(&house, room).await;
    }
    until("they are gone", || house.live.connections() == 1).await;
    stays.subscribe(&house, room).await;
    house.post(room, house.ada, "hello").await;
    told(&mut stays, &format!("{room}:3 message.posted hello")).await;
}
