//! Many events in one request: how many, and all or none.

use serde_json::{Value, json};
use uuid::Uuid;

use super::event;
use crate::asking::{assert_refused, nobody, start_without_workers};

fn batch(firm: Uuid, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| event(firm, &format!("event-{number}")))
        .collect()
}

#[tokio::test]
async fn a_batch_with_one_wrong_event_is_refused_whole() {
    let app = start_without_workers().await;
    let mut events = batch(nobody(1), 40);
    events[17].as_object_mut().unwrap().remove("firm_id");

    let answer = app.post_events(&json!(events)).await.unwrap();

    assert_eq!(
        assert_refused(&answer, 422, "invalid_request"),
        ["[17].firm_id"]
    );
    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn one_to_a_thousand_events_are_taken_at_once() {
    let app = start_without_workers().await;

    let none = app.post_events(&json!([])).await.unwrap();
    let too_many = app
        .post_events(&json!(batch(nobody(1), 1_001)))
        .await
        .unwrap();
    let most = app
        .post_events(&json!(batch(nobody(1), 1_000)))
        .await
        .unwrap();
    let one = app.post_events(&event(nobody(1), "one")).await.unwrap();

    assert_refused(&none, 422, "invalid_request");
    assert_refused(&too_many, 422, "invalid_request");
    assert_eq!(
        (most.status, most.body),
        (202, json!({ "accepted": 1_000, "duplicates": 0 }))
    );
    assert_eq!(
        (one.status, one.body),
        (202, json!({ "accepted": 1, "duplicates": 0 }))
    );
    assert_eq!(app.stored_events().await, 1_001);
}
