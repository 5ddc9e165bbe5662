//! `GET …/status`: how a connection stands.

use harness::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asking::{STATUS, assert_refused, members, start_without_workers};
use crate::support::{SOON, TestApp, start};

impl TestApp {
    async fn status(&self, firm: Uuid) -> Value {
        let token = self.tokens.firm_member(firm).unwrap();
        let answer = self.get(STATUS, &token).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

#[tokio::test]
async fn a_known_platform_is_never_not_found() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let token = app.tokens.firm_member(firm).unwrap();

    for platform in ["clio", "lawmatics", "smokeball", "mycase"] {
        let path = format!("/api/v1/integrations/{platform}/status");
        let answer = app.get(&path, &token).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["connected"], json!(false));
    }
    let unknown = app
        .get("/api/v1/integrations/hubspot/status", &token)
        .await
        .unwrap();
    assert_refused(&unknown, 404, "not_found");
}

#[tokio::test]
async fn a_connection_is_shown_with_its_account_user_and_settings() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();

    let status = app.status(firm).await;

    assert_eq!(status["connected"], json!(true));
    assert_eq!(
        members(&status["clio_user"]),
        ["id", "name", "email"].into()
    );
    assert!(
        status["clio_user"]["name"]
            .as_str()
            .is_some_and(|name| !name.is_empty())
    );
    assert!(status["account"].is_object());
    assert_eq!(status["last_sync"], Value::Null);
    assert_eq!(status["settings"]["auto_sync_on_approval"], json!(true));
    assert_eq!(
        status["settings"]["auto_sync_on_matter_created"],
        json!(false)
    );
    let text = status.to_string();
    assert!(!text.contains("token") && !text.contains("v1."), "{text}");
}

#[tokio::test]
async fn the_last_sync_is_the_newest_finished_one_whatever_its_status() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let second = app.matter_of(matter.firm).await;

    let good = app.sync(matter).await.unwrap();
    let after_good = app.status(matter.firm).await;
    app.fault("POST", "/api/v4/matters", 1, &json!({ "status": 422 }))
        .await
        .unwrap();
    let bad = app.sync(second).await.unwrap();
    let after_bad = app.status(matter.firm).await;

    assert_eq!(
        members(&after_good["last_sync"]),
        ["at", "status", "log_id"].into()
    );
    assert_eq!(after_good["last_sync"]["status"], json!("success"));
    assert_eq!(after_good["last_sync"]["log_id"], good.body["log_id"]);
    assert_eq!(after_bad["last_sync"]["status"], json!("failed"), "{bad:?}");
    assert_eq!(after_bad["last_sync"]["log_id"], bad.body["log_id"]);
    assert!(after_bad["last_sync"]["at"].as_str() > after_good["last_sync"]["at"].as_str());
    let lasting = "select count(*) from firm_integrations c join integration_sync_logs g on g.integration_id = c.id
                   where g.status = 'success' and c.last_sync_at >= g.finished_at - interval '1 second'
                     and c.last_sync_at < (select finished_at from integration_sync_logs where status = 'failed')";
    assert_eq!(
        app.count(lasting).await.unwrap(),
        1,
        "last_sync_at is the last successful one"
    );
}

#[tokio::test]
async fn the_sync_status_becomes_true_within_two_seconds() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let shown = async |wanted: &str| {
        let wanted = json!(wanted);
        eventually(std::time::Duration::from_secs(3), || async {
            (app.status(matter.firm).await["sync_status"] == wanted).then_some(())
        })
        .await
        .unwrap();
    };

    assert_eq!(app.status(matter.firm).await["sync_status"], json!("idle"));
    app.fault("GET", "/api/v4/contacts", 1, &json!({ "delay_ms": 5_000 }))
        .await
        .unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    app.post(
        crate::asking::SYNC,
        &token,
        &json!({ "matter_id": matter.id }),
    )
    .await
    .unwrap();
    shown("syncing").await;
    app.settled(SOON).await.unwrap();
    shown("idle").await;
    app.finish().await;
}
