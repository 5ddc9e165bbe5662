//! What Clio refuses: what waited for it follows later, and the status tells it.

use std::time::Duration;

use harness::eventually;
use serde_json::json;

use crate::support::{SOON, start};

#[tokio::test]
async fn a_document_whose_matter_failed_follows_when_the_matter_succeeds() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let refusal =
        json!({ "status": 422, "body": { "error": { "type": "ArgumentError", "message": "no" } } });
    app.fault("POST", "/api/v4/matters.json", 1, &refusal)
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    let failed = app.log_lines(matter.firm).await.unwrap();

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(
        failed,
        [
            "sync_matter failed provider_invalid",
            "sync_document failed matter_not_synced"
        ]
    );
    assert_eq!(answer.body["documentsUploaded"], json!(1), "{answer:?}");
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn sync_status_and_last_sync_tell_the_truth() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let status_is = |wanted: &'static str| {
        let (app, token) = (&app, &token);
        eventually(Duration::from_secs(5), move || async move {
            let answer = app
                .get("/api/v1/integrations/clio/status", token)
                .await
                .ok()?;
            (answer.body["sync_status"] == json!(wanted)).then_some(answer.body)
        })
    };

    let idle = status_is("idle").await.unwrap();
    let refusal = json!({ "status": 403, "body": { "error": { "type": "ForbiddenError", "message": "no" } } });
    app.fault("POST", "/api/v4/contacts.json", 1, &refusal)
        .await
        .unwrap();
    let failed = app.sync(matter).await.unwrap();
    let error = status_is("error").await.unwrap();
    app.sync(matter).await.unwrap();
    let good = status_is("idle").await.unwrap();

    assert_eq!(idle["last_sync_at"], json!(null));
    assert_eq!(failed.body["error"]["code"], json!("provider_forbidden"));
    assert_eq!(error["last_sync_at"], json!(null));
    assert_eq!(error["last_sync"]["status"], json!("failed"));
    assert!(good["last_sync_at"].is_string());
    app.finish().await;
}
