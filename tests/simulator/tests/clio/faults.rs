use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::play::{Grant, Play, send};

async fn script(play: &Play, method: &str, path: &str, treatment: Value) {
    let matching = json!({"method": method, "path": path});
    play.control(
        "faults",
        json!({"match": matching, "times": 1, "do": treatment}),
    )
    .await;
}

async fn try_contact(play: &Play, grant: &Grant) -> reqwest::Result<crate::play::Reply> {
    let body = json!({"data": {"type": "Person", "first_name": "Ann"}});
    send(play.call(grant, Method::POST, "contacts.json").json(&body)).await
}

async fn contacts(play: &Play) -> usize {
    play.shown("state").await["contacts"]
        .as_array()
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_scripted_status_is_answered_without_effect_as_often_as_said() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let treatment =
        json!({"status": 503, "headers": {"Retry-After": 7}, "body": "<html>busy</html>"});
    script(&play, "POST", "/api/v4/contacts.json", treatment).await;

    let busy = try_contact(&play, &grant).await.unwrap();
    let after_busy = contacts(&play).await;
    let then = try_contact(&play, &grant).await.unwrap();

    assert_eq!((busy.status, busy.header("retry-after")), (503, "7"));
    assert_eq!((busy.text.as_str(), after_busy), ("<html>busy</html>", 0));
    assert_eq!((then.status, contacts(&play).await), (201, 1));
}

#[tokio::test]
async fn a_lost_answer_has_its_effect() {
    let play = Play::start().await;
    let grant = play.connect().await;
    script(
        &play,
        "POST",
        "/api/v4/contacts",
        json!({"lose_answer": true}),
    )
    .await;

    let lost = try_contact(&play, &grant).await;

    assert!(lost.is_err());
    assert_eq!(contacts(&play).await, 1);
    let line = play
        .shown("requests")
        .await
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&line["status"], &line["fault"]),
        (&Value::Null, &json!("lose_answer"))
    );
}

#[tokio::test]
async fn a_late_effect_comes_though_the_connection_was_cut() {
    let play = Play::start().await;
    let grant = play.connect().await;
    script(
        &play,
        "POST",
        "/api/v4/contacts",
        json!({"apply_after_ms": 0}),
    )
    .await;

    let cut = try_contact(&play, &grant).await;
    while contacts(&play).await == 0 {
        tokio::task::yield_now().await;
    }

    assert!(cut.is_err());
}

#[tokio::test]
async fn a_late_effect_with_a_delay_is_answered_late() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let treatment = json!({"apply_after_ms": 20, "delay_ms": 1});
    script(&play, "*", "/api/*/contacts*", treatment).await;

    let late = try_contact(&play, &grant).await.unwrap();

    assert_eq!((late.status, contacts(&play).await), (201, 1));
}

#[tokio::test]
async fn a_hanging_request_is_never_answered_and_has_no_effect() {
    let play = Play::start().await;
    let grant = play.connect().await;
    script(&play, "POST", "/api/v4/contacts", json!({"hang": true})).await;

    let body = json!({"data": {"type": "Person", "first_name": "Ann"}});
    let request = play.call(&grant, Method::POST, "contacts.json").json(&body);
    let hung = send(request.timeout(Duration::from_millis(50))).await;

    assert!(hung.unwrap_err().is_timeout());
    assert_eq!(contacts(&play).await, 0);
}

#[tokio::test]
async fn a_token_answer_can_be_lost_and_faults_can_be_cleared() {
    let play = Play::start().await;
    let grant = play.connect().await;
    script(&play, "POST", "/oauth/token", json!({"lose_answer": true})).await;
    let url = format!("http://{}/_control/clio/faults", play.simulator.address());

    assert_eq!(play.shown("faults").await.as_array().unwrap().len(), 1);
    send(play.http.delete(&url)).await.unwrap();

    assert_eq!(play.refresh(&grant.refresh).await.status, 200);
}

#[tokio::test]
async fn a_misspelt_rule_is_refused() {
    let play = Play::start().await;
    let url = format!("http://{}/_control/clio/faults", play.simulator.address());

    let reply = send(play.http.post(url).json(&json!({"do": {"stauts": 500}})))
        .await
        .unwrap();

    assert_eq!(reply.error(), (422, "ControlError"));
}
