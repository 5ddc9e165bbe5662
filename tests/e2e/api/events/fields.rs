//! An event's fields: what is wrong is refused and named by its path.

use serde_json::{Value, json};

use super::{event, event_of};
use crate::asking::{assert_refused, nobody, start_without_workers};

/// The same with one member changed; null takes it away.
fn event_with(name: &str, value: Value) -> Value {
    let mut event = event(nobody(1), "changed");
    match value {
        Value::Null => event.as_object_mut().unwrap().remove(name),
        value => event
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value),
    };
    event
}

#[tokio::test]
async fn every_wrong_field_of_an_event_is_named_by_its_path() {
    let app = start_without_workers().await;
    let document = |data: Value| event_of(nobody(1), "a", "document.approved", data);
    let matter = json!(nobody(2));
    let cases = [
        (json!(7), vec![""]),
        (json!("event"), vec![""]),
        (json!([7]), vec!["[0]"]),
        (json!({}), vec!["id", "type", "firm_id"]),
        (event_with("id", Value::Null), vec!["id"]),
        (event_with("id", json!("")), vec!["id"]),
        (event_with("id", json!("i".repeat(129))), vec!["id"]),
        (event_with("id", json!(7)), vec!["id"]),
        (event_with("type", Value::Null), vec!["type"]),
        (event_with("type", json!(7)), vec!["type"]),
        (event_with("firm_id", Value::Null), vec!["firm_id"]),
        (event_with("firm_id", json!("lee")), vec!["firm_id"]),
        (
            event_with("created_at", json!("yesterday")),
            vec!["created_at"],
        ),
        (event_with("data", json!([])), vec!["data"]),
        (
            document(json!({})),
            vec!["data.matter_id", "data.upload_id"],
        ),
        (
            document(json!({ "matter_id": matter })),
            vec!["data.upload_id"],
        ),
        (
            document(json!({ "matter_id": "m", "upload_id": matter })),
            vec!["data.matter_id"],
        ),
        (
            event_of(nobody(1), "a", "matter.created", json!({})),
            vec!["data.matter_id"],
        ),
        (
            event_of(nobody(1), "a", "intake.completed", json!({})),
            vec!["data.matter_id"],
        ),
    ];

    for (body, expected) in cases {
        let answer = app.post_events(&body).await.unwrap();
        assert_eq!(
            assert_refused(&answer, 422, "invalid_request"),
            expected,
            "{body}"
        );
    }

    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn a_nul_character_is_refused_in_what_is_kept() {
    let app = start_without_workers().await;
    let cases = [
        (event_with("id", json!("a\0b")), "id"),
        (event_with("type", json!("a\0b")), "type"),
    ];

    for (body, expected) in cases {
        let answer = app.post_events(&json!([body])).await.unwrap();
        let paths = assert_refused(&answer, 422, "invalid_request");
        assert!(
            paths[0].starts_with(&format!("[0].{expected}")),
            "{paths:?}"
        );
    }

    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn of_an_events_data_the_ids_of_records_are_kept_and_a_long_one_is_refused() {
    let app = start_without_workers().await;
    let id = "01a22b2e-4bfc-77e2-b179-e62d9a03aed0";
    let data = json!({ "ssn": "078-05-1120", "words": ["a", { "b": "c\0" }], "na\0me": 1, "client_id": id, "matter_id": 7 });
    let kept = event_with("data", data);
    let longest = event_with("data", json!({ "x": "x".repeat(4096 - 8) }));
    let too_long = event_with("data", json!({ "x": "x".repeat(4096 - 7) }));
    let list = event_with("data", json!([id]));

    let answer = app.post_events(&kept).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let stored = "select count(*) from events where data = '{\"client_id\": \"01a22b2e-4bfc-77e2-b179-e62d9a03aed0\"}'";
    assert_eq!(app.count(stored).await.unwrap(), 1);
    let answer = app.post_events(&longest).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    for refused in [too_long, list] {
        let answer = app.post_events(&refused).await.unwrap();
        assert_eq!(assert_refused(&answer, 422, "invalid_request"), ["data"]);
    }
}
