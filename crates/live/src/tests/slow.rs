//! Readers who do not keep up: nobody waits for them, they lose nothing silently.

use domain::RoomId;

use super::support::{House, LOBBY};
#[tokio::test]
async fn a_reader_that_stops_gets_resync_and_stays_and_the_others_do_not_wait() {
    let house = House::new().await;
    let mut lazy = house.connect_narrow(house.bob).await;
    let mut brisk = house.connect(house.ada).await;
    lazy.subscribe(&house, LOBBY).await;
    brisk.subscribe(&house, LOBBY).await;
    let long = "x".repeat(30_000);
    for number in 3..=400 {
        house.post(LOBBY, house.ada, &long).await;
        let line = brisk.next().await;
        assert!(line.starts_with(&format!("1:{number} ")), "{number}");
    }
    // It wakes up: first what was under way, in order, then the gap is told.
    let mut seq = 2;
    let resynced = loop {
        let line = lazy.next().await;
        if let Some(head) = line.strip_prefix("resync 1 ") {
            break head.parse::<i64>().unwrap();
        }
        seq += 1;
        assert!(line.starts_with(&format!("1:{seq} ")), "at {seq}");
    };
    assert!(seq < 400 && resynced == 400, "{seq} {resynced}");
    house.post(LOBBY, house.ada, "after").await;
    assert_eq!(lazy.next().await, "1:401 message.posted after");
    assert_eq!(brisk.next().await, "1:401 message.posted after");
}

#[tokio::test]
async fn a_reader_a_little_behind_catches_up_without_resync() {
    let house = House::new().await;
    let mut lazy = house.connect_narrow(house.bob).await;
    lazy.subscribe(&house, LOBBY).await;
    for number in 3..=40 {
        let text = format!("{number} {}", "x".repeat(20_000));
        house.post(LOBBY, house.ada, &text).await;
    }
    for number in 3..=40 {
        let line = lazy.next().await;
        let expected = format!("1:{number} message.posted {number} ");
        assert!(line.starts_with(&expected), "{number}");
    }
    lazy.expect_only(&house, &[]).await;
}

#[tokio::test]
async fn a_slow_readers_several_rooms_all_catch_up() {
    let house = House::new().await;
    let mut lazy = house.connect_narrow(house.bob).await;
    let mut rooms = vec![LOBBY];
    for _ in 0..3 {
        rooms.push(house.room(domain::RoomKind::Open).await);
    }
    for room in &rooms {
        house.live.subscribe(lazy.id, *room, None).await.unwrap();
        assert!(lazy.next().await.starts_with("subscribed "));
    }
    let long = "x".repeat(10_000);
    for _ in 0..50 {
        for room in &rooms {
            house.post(*room, house.ada, &long).await;
        }
    }
    let mut counts = std::collections::HashMap::new();
    for _ in 0..200 {
        let line = lazy.next().await;
        let room = line.split(':').next().unwrap().parse().unwrap();
        let count = counts.entry(RoomId(room)).or_insert(0);
        *count += 1;
        let before = if room == LOBBY.0 { 2 } else { 1 };
        assert!(line.starts_with(&format!("{room}:{} ", *count + before)));
    }
    assert!(counts.values().all(|count| *count == 50));
    lazy.expect_only(&house, &[]).await;
}
