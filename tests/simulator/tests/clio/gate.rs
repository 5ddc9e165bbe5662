use reqwest::{Client, Method};
use serde_json::json;

use crate::play::{Play, send};

#[tokio::test]
async fn the_two_shapes_of_401_differ() {
    let play = Play::start().await;

    let url = play.url("/api/v4/users/who_am_i.json");
    let none = send(play.http.get(&url)).await.unwrap();
    let bad = send(play.http.get(&url).bearer_auth("nonsense"))
        .await
        .unwrap();

    assert_eq!(none.error(), (401, "UnauthorizedError"));
    assert_eq!(
        (bad.status, &bad.body["error"]),
        (401, &json!("invalid_token"))
    );
    assert_eq!(bad.header("x-ratelimit-limit"), "");
}

#[tokio::test]
async fn anonymous_agents_and_agents_with_an_address_are_turned_away_in_html() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let url = play.url("/api/v4/users/who_am_i.json");

    let anonymous = Client::new().get(&url).bearer_auth(&grant.access);
    let anonymous = send(anonymous).await.unwrap();
    let request = play.call(&grant, Method::GET, "users/who_am_i.json");
    let with_url = send(request.header("User-Agent", "X/1 (+https://x.test)"))
        .await
        .unwrap();

    assert_eq!(anonymous.status, 403);
    assert!(anonymous.text.starts_with("<html>"));
    assert_eq!(with_url.status, 403);
}

#[tokio::test]
async fn a_retired_version_is_gone() {
    let play = Play::start().await;
    let grant = play.connect().await;

    let request = |version: &str| {
        play.call(&grant, Method::GET, "users/who_am_i")
            .header("X-API-VERSION", version.to_owned())
    };
    let retired = send(request("4.0.1")).await.unwrap();
    let pinned = send(request("4.0.13")).await.unwrap();

    assert_eq!(retired.status, 410);
    assert_eq!(
        (pinned.status, pinned.header("x-api-version")),
        (200, "4.0.13")
    );
}

#[tokio::test]
async fn each_token_has_its_own_bucket_and_a_full_one_answers_429() {
    let play = Play::start().await;
    let (one, other) = (play.connect().await, play.connect().await);
    play.control(
        "limits",
        json!({"limit": 2, "window_ms": 60_000, "mode": "sliding"}),
    )
    .await;

    let first = play.get(&one, "users/who_am_i").await;
    play.get(&one, "users/who_am_i").await;
    let refused = play.get(&one, "users/who_am_i").await;
    let others = play.get(&other, "users/who_am_i").await;

    assert_eq!(
        (
            first.header("x-ratelimit-limit"),
            first.header("x-ratelimit-remaining")
        ),
        ("2", "1")
    );
    assert_eq!(refused.error(), (429, "RateLimited"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    assert_eq!(others.status, 200);
    assert_eq!(play.shown("state").await["stats"]["answered_429"], 1);
}

#[tokio::test]
async fn what_clio_has_and_the_simulator_does_not_is_said_aloud() {
    let play = Play::start().await;
    let grant = play.connect().await;

    let notes = play.get(&grant, "notes.json").await;
    let field = play
        .get(&grant, "contacts?fields=custom_field_values{value}")
        .await;
    let parameter = play.get(&grant, "contacts?custom_field_values[1]=x").await;

    for reply in [notes, field, parameter] {
        assert_eq!(reply.error(), (501, "SimulatorError"));
    }
}
