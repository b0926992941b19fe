//! Becoming and being a reader: no hole, nothing double, whatever gets lost on the way.

use std::sync::Arc;
use std::time::Duration;

use domain::{Epoch, Event, RoomId, Seq};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::StoreError;

use super::support::{Client, House, LOBBY, quiet, store_message};
use crate::{Config, ConnectionId};

fn posted(seq: i64, text: &str) -> String {
    format!("{LOBBY}:{seq} message.posted {text}")
}

#[tokio::test]
async fn a_reader_gets_what_is_posted_and_a_watcher_of_nothing_does_not() {
    let house = House::new().await;
    let (mut ada, mut bob) = (
        house.connect(house.ada).await,
        house.connect(house.bob).await,
    );
    ada.subscribe(&house, LOBBY).await;
    house.post(LOBBY, house.bob, "hello").await;
    assert_eq!(ada.next().await, posted(3, "hello"));
    bob.expect_only(&house, &[]).await;
    house.live.unsubscribe(ada.id, LOBBY);
    house.post(LOBBY, house.bob, "unheard").await;
    ada.expect_only(&house, &[]).await;
}

#[tokio::test]
async fn a_cursor_brings_what_was_missed_in_order_then_live() {
    let house = House::new().await;
    for number in 3..=12 {
        house.post(LOBBY, house.ada, &format!("m{number}")).await;
    }
    let mut ada = house.connect(house.ada).await;
    let cursor = house.cursor(LOBBY, 5);
    house.live.subscribe(ada.id, LOBBY, cursor).await.unwrap();
    assert_eq!(ada.next().await, "subscribed 1 12");
    for number in 6..=12 {
        assert_eq!(ada.next().await, posted(number, &format!("m{number}")));
    }
    house.post(LOBBY, house.bob, "live").await;
    assert_eq!(ada.next().await, posted(13, "live"));
}

#[tokio::test]
async fn a_reader_beyond_the_ring_is_filled_from_the_store() {
    let house = House::with(Config {
        ring_frames: 16,
        ..quiet()
    })
    .await;
    for number in 3..=300 {
        house
            .store_only(LOBBY, house.ada, &format!("m{number}"))
            .await;
    }
    let mut ada = house.connect(house.ada).await;
    // Someone reads already, so the log exists and its ring is short.
    let mut bob = house.connect(house.bob).await;
    bob.subscribe(&house, LOBBY).await;
    let cursor = house.cursor(LOBBY, 7);
    house.live.subscribe(ada.id, LOBBY, cursor).await.unwrap();
    assert_eq!(ada.next().await, "subscribed 1 300");
    for number in 8..=300 {
        assert_eq!(ada.next().await, posted(number, &format!("m{number}")));
    }
    house.post(LOBBY, house.bob, "live").await;
    assert_eq!(ada.next().await, posted(301, "live"));
    assert_eq!(bob.next().await, posted(301, "live"));
}

#[tokio::test]
async fn a_cursor_that_means_nothing_here_gets_resync_then_live() {
    let house = House::new().await;
    for number in 3..=1_010 {
        store_message(&*house.store, LOBBY, house.ada, &format!("m{number}"), None).await;
    }
    let mut foreign = house.cursor(LOBBY, 1_005).unwrap();
    foreign.epoch = Epoch(foreign.epoch.0 ^ 1);
    let mut elsewhere = house.cursor(LOBBY, 1_005).unwrap();
    elsewhere.room = RoomId(77);
    let cases = [
        ("of another history", foreign),
        ("of another room", elsewhere),
        ("beyond the head", house.cursor(LOBBY, 2_000).unwrap()),
        ("too far back", house.cursor(LOBBY, 9).unwrap()),
        (
            "before the beginning",
            house.cursor(LOBBY, i64::MIN).unwrap(),
        ),
    ];
    let mut ada = house.connect(house.ada).await;
    let mut head = 1_010;
    for (what, cursor) in cases {
        let subscribed = house.live.subscribe(ada.id, LOBBY, Some(cursor)).await;
        subscribed.unwrap();
        assert_eq!(ada.next().await, format!("resync 1 {head}"), "{what}");
        head += 1;
        house.post(LOBBY, house.bob, what).await;
        assert_eq!(ada.next().await, posted(head, what));
    }
    let exact = house.cursor(LOBBY, head - 1_000);
    house.live.subscribe(ada.id, LOBBY, exact).await.unwrap();
    assert_eq!(ada.next().await, format!("subscribed 1 {head}"));
    for seq in head - 999..=head {
        assert!(ada.next().await.starts_with(&format!("1:{seq} ")));
    }
}

#[tokio::test]
async fn a_room_that_does_not_exist_is_not_found() {
    let house = House::new().await;
    let ada = house.connect(house.ada).await;
    let answer = house.live.subscribe(ada.id, RoomId(99), None).await;
    assert!(matches!(answer, Err(StoreError::NotFound)));
    assert!(house.live.hub.context.rooms.all().is_empty());
    let gone = ConnectionId(ada.id.0 + 64);
    house.live.subscribe(gone, LOBBY, None).await.unwrap();
}

#[tokio::test]
async fn a_rooms_log_lives_as_long_as_someone_reads() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    let mut bob = house.connect(house.bob).await;
    ada.subscribe(&house, LOBBY).await;
    bob.subscribe(&house, LOBBY).await;
    house.live.unsubscribe(ada.id, LOBBY);
    ada.expect_only(&house, &[]).await;
    assert_eq!(house.live.hub.context.rooms.all().len(), 1);
    drop(bob);
    super::support::until("the log goes", || {
        house.live.hub.context.rooms.all().is_empty()
    })
    .await;
    // And again from the beginning.
    ada.subscribe(&house, LOBBY).await;
    house.post(LOBBY, house.bob, "again").await;
    assert_eq!(ada.next().await, posted(3, "again"));
}

#[tokio::test]
async fn lost_repeated_and_disordered_publications_are_sorted_out_by_number() {
    let house = House::new().await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    let mut events = Vec::new();
    for number in 3..=9 {
        events.push(
            house
                .store_only(LOBBY, house.bob, &format!("m{number}"))
                .await,
        );
    }
    // 3 and 6 are lost, the others come backwards and twice.
    for event in events.iter().rev() {
        if ![3, 6].contains(&event.seq.0) {
            house.live.publish(event.clone());
            house.live.publish(event.clone());
        }
    }
    for number in 3..=9 {
        assert_eq!(ada.next().await, posted(number, &format!("m{number}")));
    }
    house.live.publish(events[0].clone());
    ada.expect_only(&house, &[]).await;
}

#[tokio::test]
async fn a_lost_last_event_comes_with_the_head_check() {
    let house = House::with(Config {
        head_check: Duration::from_millis(20),
        ..quiet()
    })
    .await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    house.store_only(LOBBY, house.bob, "lost").await;
    assert_eq!(ada.next().await, posted(3, "lost"));
}

#[tokio::test]
async fn another_epoch_in_the_store_makes_everyone_reload() {
    let house = House::with(Config {
        head_check: Duration::from_millis(20),
        ..quiet()
    })
    .await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    let epoch = Epoch(house.live.epoch().0 ^ 7);
    house.store.renew_epoch(epoch).await.unwrap();
    assert_eq!(ada.next().await, "resync 1 2");
    assert_eq!(house.live.epoch(), epoch);
    house.post(LOBBY, house.bob, "after").await;
    assert_eq!(ada.next().await, posted(3, "after"));
}

#[tokio::test]
async fn a_store_that_went_back_gets_a_new_epoch() {
    let house = House::with(Config {
        head_check: Duration::from_millis(20),
        ..quiet()
    })
    .await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, LOBBY).await;
    let before = house.live.epoch();
    // An event that the store has lost: published, and not in it any more.
    let mut event = house.store_only(LOBBY, house.bob, "kept").await;
    event.seq = Seq(4);
    let mut kept = event.clone();
    kept.seq = Seq(3);
    house.live.publish(kept);
    house.live.publish(event);
    assert_eq!(ada.next().await, posted(3, "kept"));
    assert_eq!(ada.next().await, posted(4, "kept"));
    assert_eq!(ada.next().await, "resync 1 3");
    assert_ne!(house.live.epoch(), before);
    assert_eq!(house.store.epoch().await.unwrap(), house.live.epoch());
}

/// Reads to the end of the table, checking each event for holes and repetitions. Who is
/// told to reload does what a page does: reads the room, goes on at the head it was told.
async fn read_all(house: &House, client: &mut Client, mut position: i64, last: i64) {
    while position < last {
        let line = client.next().await;
        if let Some(head) = line.strip_prefix("resync 1 ") {
            let head: i64 = head.parse().unwrap();
            assert!(head > position, "a reload without a reason");
            position = head;
            assert!(house.head(LOBBY).await.0 >= head);
            continue;
        }
        let (seq, rest) = line
            .strip_prefix("1:")
            .and_then(|rest| rest.split_once(' '))
            .unwrap_or_else(|| panic!("an event was expected: {line}"));
        let seq: i64 = seq.parse().unwrap();
        assert_eq!(seq, position + 1, "a hole or a repetition");
        assert_eq!(rest, format!("message.posted m{seq}"));
        position = seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_come_at_any_moment_end_with_exactly_the_table() {
    const EVENTS: i64 = 600;
    const READERS: usize = 24;
    let house = Arc::new(
        House::with(Config {
            head_check: Duration::from_millis(50),
            ring_frames: 64,
            max_per_user: None,
            ..quiet()
        })
        .await,
    );
    let writer = {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let mut late: Vec<Event> = Vec::new();
            for number in 3..=EVENTS {
                let event = house
                    .store_only(LOBBY, house.ada, &format!("m{number}"))
                    .await;
                match rng.next_u32() % 10 {
                    0 => {}
                    1..=3 => late.push(event),
                    _ => house.live.publish(event),
                }
                if rng.next_u32().is_multiple_of(8) {
                    // Out of order, and some of them twice.
                    while let Some(event) = late.pop() {
                        if rng.next_u32().is_multiple_of(3) {
                            house.live.publish(event.clone());
                        }
                        house.live.publish(event);
                    }
                }
            }
        })
    };
    let mut readers = Vec::new();
    for number in 0..READERS {
        let house = Arc::clone(&house);
        readers.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(number as u64 * 7)).await;
            let mut client = house.connect(house.bob).await;
            // The page was read at some moment before: its seq is the cursor.
            let page = house.head(LOBBY).await;
            tokio::time::sleep(Duration::from_millis(number as u64 % 5)).await;
            let cursor = house.cursor(LOBBY, page.0);
            house
                .live
                .subscribe(client.id, LOBBY, cursor)
                .await
                .unwrap();
            assert!(client.next().await.starts_with("subscribed 1 "));
            read_all(&house, &mut client, page.0, EVENTS).await;
            client.expect_only(&house, &[]).await;
        }));
    }
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}
