//! Reading: history in both directions and around a place, receipts.

use hyper::Method;
use serde_json::json;

use crate::support::{Answer, Server};

/// A room of bob's own and the address of its messages.
async fn room(server: &Server) -> (i64, String) {
    let room = server.bob().make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    (room, format!("/api/v1/rooms/{room}/messages"))
}

#[tokio::test]
async fn history_is_read_both_ways_and_around() {
    let server = Server::start();
    let (room, path) = room(&server).await;
    let bob = server.bob();
    for n in 0..30 {
        bob.say(room, &format!("message {n}")).await;
    }
    let seqs = |answer: &Answer| -> Vec<i64> {
        answer
            .items()
            .iter()
            .map(|message| message["seq"].as_i64().unwrap())
            .collect()
    };
    let range = |from: i64, to: i64| (from..=to).collect::<Vec<_>>();
    let get = |query: &str| bob.ask(Method::GET, &format!("{path}?{query}")).send();
    assert_eq!(seqs(&get("limit=5").await.expect(200)), range(27, 31));
    assert_eq!(
        seqs(&get("limit=5&before=27").await.expect(200)),
        range(22, 26)
    );
    assert_eq!(
        seqs(&get("limit=5&after=5").await.expect(200)),
        range(6, 10)
    );
    assert_eq!(seqs(&get("limit=5&after=0").await.expect(200)), range(2, 6));
    let around = seqs(&get("limit=5&around=15").await.expect(200));
    assert!(
        around.contains(&15) && around.len() == 5 && around[0] >= 12,
        "{around:?}"
    );
    assert!(seqs(&get("limit=5&before=2").await.expect(200)).is_empty());
    assert!(seqs(&get("limit=5&after=31").await.expect(200)).is_empty());
    assert!(seqs(&get("limit=5&after=9999999").await.expect(200)).is_empty());
    // Following `next` reads everything once, in either direction.
    for (start, is_older) in [("limit=7", true), ("limit=7&after=0", false)] {
        let mut all: Vec<Vec<i64>> = Vec::new();
        let mut query = start.to_owned();
        loop {
            let page = bob.get(&format!("{path}?{query}")).await.expect(200);
            all.push(seqs(&page));
            let next = page.json()["next"].as_str().map(str::to_owned);
            let Some(next) = next else { break };
            query = format!("limit=7&cursor={next}");
        }
        if is_older {
            all.reverse();
        }
        assert_eq!(all.concat(), range(2, 31), "{start}");
    }
    let cursor = get("limit=7").await.expect(200).json()["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let lobby = bob.lobby().await;
    bob.get(&format!("/api/v1/rooms/{lobby}/messages?cursor={cursor}"))
        .await
        .refused(400, "invalid");
    bob.get(&format!("/api/v1/rooms/{room}/events?cursor={cursor}"))
        .await
        .refused(400, "invalid");
    for query in [
        "limit=1e9",
        "limit=1000000000",
        "limit=-1",
        "limit=0",
        "limit=",
        "before=NaN",
        "before=-1",
        "after=1.5",
        "after=99999999999999999999",
        "before=5&after=5",
        "around=5&before=1",
        "cursor=AAAA",
        "cursor=",
        "befor=5",
        "limit=5&limit=5",
        "before=%00",
        "before=5%20or%201=1",
    ] {
        let answer = bob.get(&format!("{path}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    for wrong in [
        "0",
        "-1",
        "1.0",
        "lobby",
        "99999999999999999999",
        "1%00",
        "1'--",
    ] {
        let answer = bob.get(&format!("/api/v1/rooms/{wrong}/messages")).await;
        assert!(
            matches!(answer.status, 404 | 400),
            "{wrong}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn receipts_only_go_forward_and_only_for_members() {
    let server = Server::start();
    let (room, _) = room(&server).await;
    let (bob, eve) = (server.bob(), server.eve());
    let read = format!("/api/v1/rooms/{room}/read");
    eve.put(&read, json!({"seq": 2}))
        .await
        .refused(403, "forbidden");
    eve.ask(Method::PUT, &format!("/api/v1/rooms/{room}/members/me"))
        .send()
        .await
        .expect(200);
    let said = bob.say(room, "one").await;
    let second = bob.say(room, "two").await;
    let unread = async || {
        eve.get(&format!("/api/v1/rooms/{room}"))
            .await
            .expect(200)
            .json()["unread"]
            .clone()
    };
    let before = unread().await;
    eve.put(&read, json!({"seq": said["seq"]}))
        .await
        .expect(204);
    let by = bob
        .get(&format!("/api/v1/messages/{}", said["id"]))
        .await
        .expect(200)
        .json()["read_by"]
        .clone();
    assert_eq!(by[0]["username"], "eve", "{before}");
    let none = bob
        .get(&format!("/api/v1/messages/{}", second["id"]))
        .await
        .expect(200)
        .json()["read_by"]
        .clone();
    assert_eq!(none, json!([]));
    eve.put(&read, json!({"seq": second["seq"]}))
        .await
        .expect(204);
    assert_eq!(unread().await, 0);
    eve.put(&read, json!({"seq": 1})).await.expect(204);
    assert_eq!(unread().await, 0, "it never goes back");
    bob.say(room, "three").await;
    assert_eq!(unread().await, 1);
    eve.put(&read, json!({"seq": 1_000_000})).await.expect(204);
    bob.say(room, "four").await;
    assert_eq!(unread().await, 1, "nobody reads ahead");
    for wrong in [
        json!({"seq": -1}),
        json!({"seq": "2"}),
        json!({"seq": 2.5}),
        json!({}),
        json!({"seq": 1, "user": 1}),
    ] {
        let answer = eve.put(&read, wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
