//! The description of the API: the same everywhere, complete, and true.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Server, command};

fn described() -> Value {
    let text = web::openapi_json();
    serde_json::from_str(&text).expect("the description is JSON")
}

#[tokio::test]
async fn the_description_is_the_same_wherever_it_is_read() {
    let server = Server::start();
    let served = server.stranger().get("/api/openapi.json").await.expect(200);
    assert!(served.header("content-type").contains("json"));
    let (status, printed) = command(server.data(), &["openapi"], "");
    assert!(status.success());
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let checked_in = std::fs::read_to_string(&place).unwrap();
    assert_eq!(printed.trim(), served.text().trim());
    assert!(
        printed.trim() == checked_in.trim(),
        "run: parlour openapi > docs/openapi.json"
    );
    assert_eq!(
        served.json()["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
    let page = server.stranger().get("/api/docs").await.expect(200).text();
    assert!(
        page.contains("/api/v1/rooms/{id}/messages"),
        "readable without the network"
    );
    assert!(
        !page.contains("https://cdn") && !page.contains("unpkg"),
        "works offline"
    );
}

#[test]
fn every_operation_of_the_router_is_described_and_no_other() {
    let description = described();
    let mut listed = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            listed.insert((method.to_uppercase(), path.clone()));
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(
                operation["responses"]
                    .as_object()
                    .is_some_and(|answers| !answers.is_empty()),
                "{method} {path}"
            );
        }
    }
    let registered: BTreeSet<(String, String)> = web::routes()
        .iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(listed, registered);
}

#[tokio::test]
async fn every_code_that_is_answered_is_in_the_description() {
    let server = Server::start();
    let text = described().to_string();
    let bob = server.bob();
    let room = bob.lobby().await;
    let messages = format!("/api/v1/rooms/{room}/messages");
    let mut codes = BTreeSet::new();
    let mut note = |answer: crate::support::Answer| {
        assert_eq!(answer.header("content-type"), "application/problem+json");
        codes.insert(answer.json()["code"].as_str().unwrap().to_owned());
    };
    note(bob.get("/api/v1/nothing").await);
    note(bob.get(&format!("{messages}?limit=0")).await);
    note(bob.post(&messages, json!({"body": ""})).await);
    note(bob.post(&messages, json!({"body": "x".repeat(2000)})).await);
    note(server.stranger().get("/api/v1/me").await);
    note(
        bob.post("/api/v1/users/eve/password-reset", json!({}))
            .await,
    );
    note(bob.ask(Method::PUT, "/api/v1/rooms").send().await);
    note(
        bob.ask(Method::POST, &messages)
            .body("text/plain", "x")
            .send()
            .await,
    );
    note(
        bob.ask(Method::POST, &messages)
            .body("application/json", vec![b' '; 2 << 20])
            .send()
            .await,
    );
    note(
        bob.ask(Method::GET, "/api/v1/me")
            .header("host", "evil.example")
            .send()
            .await,
    );
    note(
        server
            .browser_of("bob")
            .ask(Method::POST, &messages)
            .header("sec-fetch-site", "cross-site")
            .send()
            .await,
    );
    note(bob.get("/api/v1/socket").await);
    let key = crate::support::uuid();
    for body in ["one", "two"] {
        let ask = bob
            .ask(Method::POST, &messages)
            .json(&json!({"body": body}))
            .header("idempotency-key", &key);
        let answer = ask.send().await;
        if answer.status != 201 {
            note(answer);
        }
    }
    let said = bob.say(room, "x").await;
    let one = format!("/api/v1/messages/{}", said["id"]);
    note(
        bob.ask(Method::PATCH, &one)
            .json(&json!({"body": "y"}))
            .header("if-match", "\"0-9\"")
            .send()
            .await,
    );
    bob.delete(&one).await.expect(204);
    note(bob.patch(&one, json!({"body": "z"})).await);
    let expected = [
        "conflict",
        "cross_site",
        "empty",
        "forbidden",
        "idempotency_mismatch",
        "invalid",
        "method_not_allowed",
        "misdirected",
        "not_found",
        "payload_too_large",
        "stale",
        "too_long",
        "unauthorized",
        "unsupported_media_type",
        "upgrade_required",
    ];
    let seen: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert_eq!(seen, expected);
    for code in seen.into_iter().chain([
        "rate_limited",
        "setup_required",
        "unavailable",
        "storage_full",
        "unknown_op",
        "internal",
    ]) {
        assert!(
            text.contains(&format!("\"{code}\"")) || text.contains(&format!("`{code}`")),
            "{code} is described"
        );
    }
}

#[tokio::test]
async fn answers_have_the_fields_that_are_described() {
    let server = Server::start();
    let bob = server.bob();
    let room = bob.make_room("Garden", "open").await;
    let said = bob.say(room["id"].as_i64().unwrap(), "x").await;
    let schemas = described()["components"]["schemas"].clone();
    for (schema, value) in [
        ("Room", room),
        ("Message", said),
        ("User", bob.get("/api/v1/me").await.expect(200).json()),
        ("Problem", bob.get("/api/v1/nothing").await.json()),
    ] {
        let described = &schemas[schema];
        let properties = described["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{schema} is described"));
        for field in value.as_object().unwrap().keys() {
            assert!(
                properties.contains_key(field),
                "{schema}.{field} is not described"
            );
        }
        for field in described["required"].as_array().unwrap() {
            assert!(
                value.get(field.as_str().unwrap()).is_some(),
                "{schema}.{field} is missing: {value}"
            );
        }
    }
}
