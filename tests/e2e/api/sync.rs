//! `POST …/sync`: a person's wish, waited for or not.

use std::time::Duration;

use harness::app::{Answer, Matter};
use harness::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::asking::{SYNC, assert_refused, members, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start};

const ACCEPTED: [&str; 4] = ["success", "run_id", "log_id", "status_url"];

impl TestApp {
    /// A firm admin's wish for a matter, with headers.
    async fn wish(&self, matter: Matter, headers: &[(&str, &str)]) -> Answer {
        let token = self.tokens.firm_admin(matter.firm).unwrap();
        let body = json!({ "matter_id": matter.id });
        let request = self.ask(Method::POST, SYNC).bearer_auth(token).json(&body);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        self.send(request).await.unwrap()
    }

    /// The log row of an answer.
    async fn log_of(&self, matter: Matter, answer: &Answer) -> Option<Value> {
        let token = self.tokens.firm_admin(matter.firm).unwrap();
        let logs = self.get(SYNC, &token).await.unwrap().body["logs"].take();
        let id = &answer.body["log_id"];
        logs.as_array()
            .unwrap()
            .iter()
            .find(|log| log["id"] == *id)
            .cloned()
    }

    /// Waits until a worker is at a job.
    async fn at_work(&self) {
        let held = "select count(*) from lanes where worker is not null";
        let at_work = || async { (self.count(held).await.ok()? == 1).then_some(()) };
        eventually(SOON, at_work).await.unwrap();
    }
}

#[track_caller]
fn assert_accepted(answer: &Answer) {
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(members(&answer.body), ACCEPTED.into());
    assert_eq!(answer.body["success"], json!(true));
    let run = answer.body["run_id"].as_str().unwrap();
    let url = format!("{SYNC}?run_id={run}");
    assert_eq!(answer.body["status_url"], json!(url));
}

#[tokio::test]
async fn a_wish_that_cannot_be_is_refused_at_once() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let unconnected = app.unconnected_matter().await;
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let stranger = app.tokens.firm_admin(unconnected.firm).unwrap();
    let id = json!(matter.id);
    let cases = [
        (
            &token,
            json!({ "matter_id": nobody(1) }),
            404,
            "not_found",
            vec![],
        ),
        (
            &token,
            json!({ "matter_id": unconnected.id }),
            404,
            "not_found",
            vec![],
        ),
        (
            &stranger,
            json!({ "matter_id": id }),
            404,
            "not_found",
            vec![],
        ),
        (
            &stranger,
            json!({ "matter_id": unconnected.id }),
            409,
            "not_connected",
            vec![],
        ),
        (
            &token,
            json!({ "matter_id": id, "action": "pull_matters" }),
            422,
            "not_available",
            vec![],
        ),
        (&token, json!({}), 422, "invalid_request", vec!["matter_id"]),
        (
            &token,
            json!({ "matter_id": "m" }),
            422,
            "invalid_request",
            vec!["matter_id"],
        ),
        (
            &token,
            json!({ "matter_id": 7 }),
            422,
            "invalid_request",
            vec!["matter_id"],
        ),
        (
            &token,
            json!({ "matter_id": id, "action": "erase" }),
            422,
            "invalid_request",
            vec!["action"],
        ),
    ];

    for (token, body, status, code, paths) in cases {
        let answer = app.post(SYNC, token, &body).await.unwrap();
        assert_eq!(assert_refused(&answer, status, code), paths, "{body}");
    }
    let wish = json!({ "matter_id": id });
    let elsewhere = app
        .post("/api/v1/integrations/hubspot/sync", &token, &wish)
        .await
        .unwrap();
    assert_refused(&elsewhere, 404, "not_found");
    let other = app
        .post("/api/v1/integrations/mycase/sync", &token, &wish)
        .await
        .unwrap();
    assert_refused(&other, 409, "not_connected");

    assert_eq!(app.count("select count(*) from events").await.unwrap(), 0);
}

#[tokio::test]
async fn pulling_matters_names_no_matter_and_is_not_available_yet() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();

    let answer = app
        .post(SYNC, &token, &json!({ "action": "pull_matters" }))
        .await
        .unwrap();

    assert_refused(&answer, 422, "not_available");
}

#[tokio::test]
async fn a_wish_is_answered_with_where_its_log_will_be() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();

    let answer = app.wish(matter, &[]).await;
    app.settled(SOON).await.unwrap();
    let page = app
        .get(answer.body["status_url"].as_str().unwrap(), &token)
        .await
        .unwrap();

    assert_accepted(&answer);
    assert!(!answer.headers.contains_key("preference-applied"));
    let logs = page.body["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 1, "{page:?}");
    assert_eq!(logs[0]["id"], answer.body["log_id"]);
    assert_eq!(logs[0]["run_id"], answer.body["run_id"]);
    assert_eq!(
        (&logs[0]["action"], &logs[0]["status"]),
        (&json!("sync_matter"), &json!("success"))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_caller_who_waits_is_answered_as_published() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for name in ["a.pdf", "b.pdf"] {
        app.upload(matter, name, None, name.as_bytes())
            .await
            .unwrap();
    }

    let answer = app.wish(matter, &[("prefer", "wait=30")]).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["preference-applied"], "wait=30");
    let own = app.clio().await.unwrap()["matters"][0]["id"]
        .as_u64()
        .unwrap();
    let log = app.log_of(matter, &answer).await.unwrap();
    let expected = json!({
        "success": true, "clioMatterId": own, "externalMatterId": own.to_string(),
        "documentsUploaded": 2, "log_id": log["id"],
    });
    assert_eq!(answer.body, expected);
    assert_eq!(log["external_id"], json!(own.to_string()));
    app.finish().await;
}

#[tokio::test]
async fn nobody_waits_longer_than_half_a_minute() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();

    let answer = app
        .wish(matter, &[("prefer", "respond-async, wait=3600")])
        .await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["preference-applied"], "wait=30");
    app.finish().await;
}

#[tokio::test]
async fn a_wait_that_is_over_is_answered_as_if_nobody_had_waited() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let began = Instant::now();

    let answer = app.wish(matter, &[("prefer", "wait=1")]).await;

    assert_accepted(&answer);
    assert!(
        (1..10).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_preference_that_cannot_be_read_is_no_preference() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();

    for prefer in [
        "wait",
        "wait=soon",
        "wait=-1",
        "respond-async",
        "return=minimal",
    ] {
        let began = Instant::now();
        assert_accepted(&app.wish(matter, &[("prefer", prefer)]).await);
        assert!(began.elapsed() < Duration::from_secs(5), "{prefer}");
    }
}

#[tokio::test]
async fn a_sync_that_fails_is_told_with_its_reason_and_its_log() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let words = json!({ "error": { "type": "InvalidParameter", "message": "no" } });
    app.fault(
        "POST",
        "/api/v4/matters",
        1,
        &json!({ "status": 422, "body": words }),
    )
    .await
    .unwrap();

    let answer = app.wish(matter, &[("prefer", "wait=30")]).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["preference-applied"], "wait=30");
    assert_eq!(members(&answer.body), ["success", "error", "log_id"].into());
    assert_eq!(answer.body["success"], json!(false));
    for member in ["code", "message", "resolution"] {
        let text = answer.body["error"][member].as_str();
        assert!(
            text.is_some_and(|text| !text.is_empty()),
            "{member} in {answer:?}"
        );
    }
    let log = app.log_of(matter, &answer).await.unwrap();
    assert_eq!(log["status"], json!("failed"));
    assert_eq!(log["code"], answer.body["error"]["code"]);
    assert_eq!(log["error_message"], answer.body["error"]["message"]);
}

#[tokio::test]
async fn the_same_idempotency_key_answers_with_the_same_run() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let second = app.matter_of(matter.firm).await;
    let key = ("idempotency-key", "my key");

    let first = app.wish(matter, &[key]).await;
    let again = app.wish(matter, &[key]).await;
    app.settled(SOON).await.unwrap();
    let waited = app.wish(matter, &[key, ("prefer", "wait=30")]).await;
    let another_key = app.wish(matter, &[("idempotency-key", "other")]).await;
    let another_matter = app.wish(second, &[key]).await;
    app.settled(SOON).await.unwrap();

    assert_accepted(&first);
    assert_eq!((again.status, &again.body), (202, &first.body));
    assert_eq!(
        (waited.status, &waited.body["log_id"]),
        (200, &first.body["log_id"])
    );
    assert_eq!(waited.body["success"], json!(true));
    assert_ne!(another_key.body["run_id"], first.body["run_id"]);
    assert_eq!(
        another_matter.status, 422,
        "a key stands for one request: {another_matter:?}"
    );
    assert_eq!(
        app.log_lines(matter.firm).await.unwrap(),
        ["sync_matter success"; 2]
    );
    app.finish().await;
}

#[tokio::test]
async fn of_many_wishes_with_one_key_at_once_there_is_one_run() {
    let app = std::sync::Arc::new(start_without_workers().await);
    let matter = app.connected_matter().await.unwrap();
    let mut wishes = tokio::task::JoinSet::new();

    for _ in 0..20 {
        let app = app.clone();
        wishes.spawn(async move { app.wish(matter, &[("idempotency-key", "one")]).await });
    }
    let answers = wishes.join_all().await;

    answers.iter().for_each(assert_accepted);
    assert!(
        answers.iter().all(|answer| answer.body == answers[0].body),
        "{answers:#?}"
    );
    assert_eq!(app.count("select count(*) from events").await.unwrap(), 1);
}

#[tokio::test]
async fn the_same_key_of_another_firm_is_another_key() {
    let app = start_without_workers().await;
    let first = app.connected_matter().await.unwrap();
    app.change(&json!({ "login": {
        "account_id": 99_001, "account_name": "Other Account", "user_id": 99_002,
        "first_name": "Olga", "last_name": "Other", "email": "olga@example.com",
    } }))
    .await
    .unwrap();
    let second = app.connected_matter().await.unwrap();
    let key = ("idempotency-key", "same");

    let one = app.wish(first, &[key]).await;
    let other = app.wish(second, &[key]).await;

    assert_accepted(&one);
    assert_accepted(&other);
    assert_ne!(one.body["run_id"], other.body["run_id"]);
}

#[tokio::test]
async fn an_idempotency_key_that_is_none_is_refused() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();

    for key in ["", &"k".repeat(129)] {
        let answer = app.wish(matter, &[("idempotency-key", key)]).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_refused(&answer, 422, "invalid_request");
    }
}

#[tokio::test]
async fn a_wish_that_joins_a_waiting_twin_waits_for_it() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("GET", "/api/v4/contacts", 1, &json!({ "delay_ms": 1_500 }))
        .await
        .unwrap();

    app.wish(matter, &[]).await;
    app.at_work().await;
    let twin = app.wish(matter, &[]).await;
    eventually(SOON, || async { app.log_of(matter, &twin).await })
        .await
        .unwrap();
    let joined = app.wish(matter, &[("prefer", "wait=30")]).await;

    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(joined.body["success"], json!(true));
    assert!(joined.body["clioMatterId"].is_u64(), "{joined:?}");
    let row = app.log_of(matter, &joined).await.unwrap();
    assert_eq!(row["status"], json!("skipped"));
    assert_eq!(row["details"]["joined"], twin.body["log_id"]);
    assert_eq!(
        app.log_of(matter, &twin).await.unwrap()["status"],
        json!("success")
    );
    app.finish().await;
}
