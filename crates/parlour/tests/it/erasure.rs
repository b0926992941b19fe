//! Deleted words are gone: from history, replays, quotes, and the disk.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Server, Socket};

/// A word that appears nowhere else, in the casing it is written and folded.
const WORD: &str = "xyzzyplughquux";

#[tokio::test]
async fn deleted_and_edited_words_are_gone_from_every_answer() {
    let server = Server::start();
    let (bob, eve) = (server.bob(), server.eve());
    let room = bob.make_room("Garden", "open").await["id"]
        .as_i64()
        .unwrap();
    let before = bob.say(room, "before").await;
    let said = bob.say(room, &format!("the word is {WORD}")).await;
    let path = format!("/api/v1/rooms/{room}/messages");
    eve.post(&path, json!({"body": "aha", "reply_to": said["id"]}))
        .await
        .expect(201);
    let edited = bob.say(room, &format!("{WORD} too")).await;
    bob.delete(&format!("/api/v1/messages/{}", said["id"]))
        .await
        .expect(204);
    bob.patch(
        &format!("/api/v1/messages/{}", edited["id"]),
        json!({"body": "nothing"}),
    )
    .await
    .expect(200);

    for path in [
        path.clone(),
        format!("{path}?around={}", said["seq"]),
        format!("/api/v1/rooms/{room}/events?limit=100"),
        format!("/api/v1/messages/{}", said["id"]),
        format!("/api/v1/messages/{}", edited["id"]),
    ] {
        assert!(
            !eve.get(&path).await.expect(200).text().contains(WORD),
            "{path}"
        );
    }
    let page = server.browser_of("eve");
    for path in [
        "/rooms/garden/".to_owned(),
        "/rooms/garden/timeline".to_owned(),
        "/sidebar".to_owned(),
    ] {
        assert!(
            !page.get(&path).await.expect(200).text().contains(WORD),
            "{path}"
        );
    }
    // A socket that was away gets the events, and tombstones in them.
    let mut socket = Socket::of(&eve).await;
    let epoch = socket.ready["epoch"].clone();
    socket
        .resume(room, before["seq"].as_i64().unwrap(), &epoch)
        .await;
    let deleted = socket.event("message.deleted").await;
    assert!(deleted["message"]["body"].is_null());
    let all = socket.fence().await;
    assert!(!json!(all).to_string().contains(WORD), "{all:?}");
    let posted = all
        .iter()
        .find(|event| event["seq"] == said["seq"])
        .unwrap();
    assert_eq!(posted["event"], "message.posted");
    assert!(
        posted["message"]["body"].is_null(),
        "an old posting is replayed as it is now"
    );
    // And so does the page's.
    let mut socket = Socket::of_page(&page).await;
    let epoch = socket.ready["epoch"].clone();
    socket
        .resume(room, before["seq"].as_i64().unwrap(), &epoch)
        .await;
    socket.event("subscribed").await;
    let mut text = String::new();
    while !text.contains(&format!(
        "<!--{room}:{}-->",
        before["seq"].as_i64().unwrap() + 6
    )) {
        text.push_str(&socket.fragment().await);
    }
    assert!(!text.contains(WORD), "{text}");
}

/// Whether the bytes of the database, its log included, have these words.
fn is_on_disk(server: &Server, words: &str) -> bool {
    let files = fs::read_dir(server.data())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("parlour.sqlite3")
    };
    files.filter(is_database).any(|path| {
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(words.len())
            .any(|window| window == words.as_bytes())
    })
}

#[tokio::test]
async fn deleted_words_are_gone_from_the_disk() {
    let mut server = Server::start();
    let bob = server.bob();
    let room = bob.lobby().await;
    // A phrase, because the search index holds single words in small letters.
    let phrase = format!("The Word Is {}", WORD.to_uppercase());
    let mut ids = Vec::new();
    for n in 0..20 {
        let said = bob
            .say(room, &format!("{phrase} {n} {}", "filler ".repeat(n * 5)))
            .await;
        ids.push(said["id"].clone());
    }
    let edited = bob.say(room, &format!("{phrase} edited away")).await;
    for id in &ids {
        bob.delete(&format!("/api/v1/messages/{id}"))
            .await
            .expect(204);
    }
    let one = format!("/api/v1/messages/{}", edited["id"]);
    bob.patch(&one, json!({"body": "harmless"}))
        .await
        .expect(200);
    bob.delete(&one).await.expect(204);
    bob.say(room, "Kept Words").await;
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(is_on_disk(&server, "Kept Words"), "the file was read");
    assert!(!is_on_disk(&server, &phrase));

    // Nor in the search index, which holds single words in small letters.
    assert!(!is_on_disk(&server, WORD));
}
