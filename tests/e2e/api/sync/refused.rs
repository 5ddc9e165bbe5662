//! Wishes that are refused at once.

use serde_json::json;

use crate::asking::{SYNC, assert_refused, nobody, start_without_workers};

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_at_once() {
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
    let request = json!({ "matter_id": id });
    let elsewhere = app
        .post("/api/v1/integrations/hubspot/sync", &token, &request)
        .await
        .unwrap();
    assert_refused(&elsewhere, 404, "not_found");
    let other = app
        .post("/api/v1/integrations/mycase/sync", &token, &request)
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
