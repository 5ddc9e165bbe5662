//! Idempotency keys: one key of a firm stands for one run.

use serde_json::json;

use super::assert_accepted;
use crate::asking::{assert_refused, start_without_workers};
use crate::support::{SOON, start};

#[tokio::test]
async fn the_same_idempotency_key_answers_with_the_same_run() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let second = app.matter_of(matter.firm).await;
    let key = ("idempotency-key", "my key");

    let first = app.request_sync(matter, &[key]).await;
    let again = app.request_sync(matter, &[key]).await;
    app.settled(SOON).await.unwrap();
    let waited = app
        .request_sync(matter, &[key, ("prefer", "wait=30")])
        .await;
    let another_key = app
        .request_sync(matter, &[("idempotency-key", "other")])
        .await;
    let another_matter = app.request_sync(second, &[key]).await;
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
async fn of_many_requests_with_one_key_at_once_there_is_one_run() {
    let app = std::sync::Arc::new(start_without_workers().await);
    let matter = app.connected_matter().await.unwrap();
    let mut requests = tokio::task::JoinSet::new();

    for _ in 0..20 {
        let app = app.clone();
        requests.spawn(async move {
            app.request_sync(matter, &[("idempotency-key", "one")])
                .await
        });
    }
    let answers = requests.join_all().await;

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

    let one = app.request_sync(first, &[key]).await;
    let other = app.request_sync(second, &[key]).await;

    assert_accepted(&one);
    assert_accepted(&other);
    assert_ne!(one.body["run_id"], other.body["run_id"]);
}

#[tokio::test]
async fn an_idempotency_key_that_is_none_is_refused() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();

    for key in ["", &"k".repeat(129)] {
        let answer = app.request_sync(matter, &[("idempotency-key", key)]).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_refused(&answer, 422, "invalid_request");
    }
}
