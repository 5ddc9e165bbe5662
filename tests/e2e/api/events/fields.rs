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
async fn a_nul_character_is_refused_wherever_it_stands() {
    let app = start_without_workers().await;
    let cases = [
        (event_with("id", json!("a\0b")), "id"),
        (event_with("type", json!("a\0b")), "type"),
        (
            event_with("data", json!({ "words": ["a", { "b": "c\0" }] })),
            "data",
        ),
        (event_with("data", json!({ "na\0me": 1 })), "data"),
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
