//! A right that ended: nothing leaves afterwards.

use std::sync::Arc;
use std::time::Duration;

use domain::actor::Credential;
use domain::{Event, RoomKind, SessionId, Time, TokenId};
use store::StoreError;

use super::support::{House, until};
use crate::{Refused, Revocation};

#[tokio::test]
async fn the_end_of_a_session_token_or_account_closes_just_its_connections() {
    let house = House::new().await;
    let mut session = house.connect(house.ada).await;
    let mut other = house.connect(house.bob).await;
    let mut token = house.connect_token(house.ada, 7).await.unwrap();
    let ready = format!("ready {}", house.ada);
    assert_eq!(token.next().await, ready);

    house
        .live
        .revoke(Revocation::Session(SessionId(house.ada.0)))
        .await;
    assert_eq!(session.close_code().await, 4401);
    token.expect_only(&house, &[]).await;

    house.live.revoke(Revocation::Token(TokenId(7))).await;
    assert_eq!(token.close_code().await, 4401);
    other.expect_only(&house, &[]).await;

    house.live.revoke(Revocation::User(house.bob, 4403)).await;
    assert_eq!(other.close_code().await, 4403);
}

#[tokio::test]
async fn a_socket_that_comes_just_after_its_credential_ended_is_refused() {
    let house = House::new().await;
    let session = SessionId(house.ada.0);
    house.live.revoke(Revocation::Session(session)).await;
    let refused = house.try_connect(house.ada, Vec::new()).await;
    assert_eq!(refused.err(), Some(Refused::SignedOut));
    house.live.revoke(Revocation::Token(TokenId(7))).await;
    let refused = house.connect_token(house.ada, 7).await;
    assert_eq!(refused.err(), Some(Refused::SignedOut));
    assert_eq!(house.live.connections(), 0);
}

#[tokio::test]
async fn after_everything_of_a_user_ended_only_a_new_sign_in_connects() {
    let house = House::new().await;
    house.live.revoke(Revocation::User(house.bob, 4401)).await;
    // A session that is in no table: it ended with the rest.
    let mut stale = house.try_connect(house.bob, Vec::new()).await.unwrap();
    assert_eq!(stale.close_code().await, 4401);
    let new = store::NewSession {
        user: house.bob,
        secret_hash: [1; 32],
        agent: String::new(),
        address: String::new(),
        proof: None,
        at: Time(5),
    };
    let session = house.store.create_session(&new).await.unwrap();
    let mut purpose = house.chat(house.bob);
    if let crate::Purpose::Chat { credential, .. } = &mut purpose {
        *credential = Credential::Session(session);
    }
    let mut fresh = house.adopt(purpose).await.unwrap();
    assert_eq!(fresh.next().await, format!("ready {}", house.bob));
    tokio::time::sleep(Duration::from_millis(30)).await;
    fresh.expect_only(&house, &[]).await;
}

#[tokio::test]
async fn who_leaves_an_open_room_reads_on_and_who_is_revoked_does_not() {
    let house = House::new().await;
    let room = house.room(RoomKind::Open).await;
    let joined = house.store.join_room(room, house.bob, Time(2)).await;
    house.live.publish(joined.unwrap().event.unwrap());
    let mut bob = house.connect(house.bob).await;
    bob.subscribe(&house, room).await;
    let left = house.store.leave_room(room, house.bob, Time(3)).await;
    house.live.publish(left.unwrap().event.unwrap());
    assert_eq!(bob.next().await, format!("{room}:3 member.left"));
    house.post(room, house.ada, "still open").await;
    assert_eq!(
        bob.next().await,
        format!("{room}:4 message.posted still open")
    );
    let membership = Revocation::Membership(room, house.bob);
    house.live.revoke(membership).await;
    house.post(room, house.ada, "unheard").await;
    bob.expect_only(&house, &[]).await;
    // The room is open, so a new subscription is fine.
    bob.subscribe(&house, room).await;
}

/// An event of a closed room that its last member has left: only the live path knows it.
fn whisper(after: &Event, template: &Event) -> Event {
    let mut event = template.clone();
    event.seq = after.seq.next();
    event
}

#[tokio::test]
async fn who_leaves_a_closed_room_sees_that_and_nothing_after() {
    let house = House::new().await;
    let room = house.room(RoomKind::Closed).await;
    let mut ada = house.connect(house.ada).await;
    ada.subscribe(&house, room).await;
    let posted = house.post(room, house.ada, "before").await;
    let left = house.store.leave_room(room, house.ada, Time(3)).await;
    let left = left.unwrap().event.unwrap();
    house.live.publish(left.clone());
    house.live.publish(whisper(&left, &posted));
    let before = format!("{room}:2 message.posted before");
    let gone = format!("{room}:3 member.left");
    ada.expect_only(&house, &[&before, &gone]).await;
    let again = house
        .live
        .subscribe(ada.id, room, house.cursor(room, 1))
        .await;
    assert!(matches!(again, Err(StoreError::NotFound)));
    ada.expect_only(&house, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_races_with_a_subscription_always_wins() {
    const TRIALS: u64 = 300;
    let house = Arc::new(House::new().await);
    let mut ada = house.connect(house.ada).await;
    for trial in 0..TRIALS {
        let room = house.room(RoomKind::Closed).await;
        let posted = house.post(room, house.ada, "before").await;
        let subscriber = {
            let (house, id) = (Arc::clone(&house), ada.id);
            tokio::spawn(async move {
                for _ in 0..trial % 7 {
                    tokio::task::yield_now().await;
                }
                // What a caller does: check, subscribe, check again.
                let by = domain::RoomRef::Id(room);
                let is_member = async || {
                    let facts = house.store.room_facts(&by, Some(house.ada)).await;
                    facts.unwrap().membership.is_some()
                };
                if is_member().await {
                    let after = house.cursor(room, trial as i64 % 3);
                    let _ = house.live.subscribe(id, room, after).await;
                    if !is_member().await {
                        house.live.unsubscribe(id, room);
                    }
                }
            })
        };
        if trial % 2 == 0 {
            tokio::time::sleep(Duration::from_micros(trial * 5)).await;
        }
        let left = house.store.leave_room(room, house.ada, Time(3)).await;
        let left = left.unwrap().event.unwrap();
        house.live.publish(left.clone());
        let membership = Revocation::Membership(room, house.ada);
        house.live.revoke(membership).await;
        // Acknowledged: from here on nothing of the room may reach her.
        house.live.send(ada.id, "-- removed --");
        house.live.publish(whisper(&left, &posted));
        subscriber.await.unwrap();
        house
            .live
            .publish(whisper(&whisper(&left, &posted), &posted));
        house.live.send(ada.id, "-- end --");
        while ada.next().await != "-- removed --" {}
        assert_eq!(ada.next().await, "-- end --", "trial {trial}");
    }
}

#[tokio::test]
async fn a_backlog_under_way_stops_with_the_membership() {
    let house = House::new().await;
    let room = house.room(RoomKind::Closed).await;
    let long = "x".repeat(30_000);
    for _ in 0..400 {
        house.store_only(room, house.ada, &long).await;
    }
    let (id, raw) = house.adopt_raw(house.chat(house.ada), false).await;
    let live = house.live.clone();
    let cursor = house.cursor(room, 1);
    let subscribing = tokio::spawn(async move { live.subscribe(id, room, cursor).await });
    // The peer does not read, so the backlog stands in the middle.
    until("it is under way", || {
        house.live.hub.context.rooms.find(room).is_some()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    house
        .live
        .revoke(Revocation::Membership(room, house.ada))
        .await;
    subscribing.await.unwrap().unwrap();
    assert!(house.live.hub.context.rooms.find(room).is_none());
    drop(raw);
}
