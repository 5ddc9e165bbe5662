//! What a caller is answered who waits for the end of a request, and one who does not.

use std::time::Duration;

use harness::app::{Answer, Matter};
use harness::eventually;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::assert_accepted;
use crate::asking::{SYNC, members, start_without_workers};
use crate::support::{SOON, TestApp, start};

impl TestApp {
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

#[tokio::test]
async fn a_request_is_answered_with_where_its_log_will_be() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();

    let answer = app.request_sync(matter, &[]).await;
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

    let answer = app.request_sync(matter, &[("prefer", "wait=30")]).await;

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
async fn a_run_whose_documents_failed_in_part_is_no_success() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for (name, is_there) in [("a.pdf", true), ("b.pdf", false), ("c.pdf", false)] {
        let upload = app
            .upload(matter, name, None, name.as_bytes())
            .await
            .unwrap();
        if !is_there {
            std::fs::remove_file(app.file_of(&upload).unwrap()).unwrap();
        }
    }

    let answer = app.request_sync(matter, &[("prefer", "wait=30")]).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    let own = app.clio().await.unwrap()["matters"][0]["id"].clone();
    let body = &answer.body;
    assert_eq!(body["success"], json!(false), "{body}");
    assert_eq!(body["clioMatterId"], own);
    assert_eq!(
        (&body["documentsUploaded"], &body["documentsFailed"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(body["error"]["code"], json!("file_missing"));
    assert!(body["error"]["resolution"].is_string(), "{body}");
    app.finish().await;
}

#[tokio::test]
async fn a_preference_is_read_however_it_is_written() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for prefer in [
        "WAIT=20",
        "wait=\"20\"",
        "wait = 20",
        "Wait=\" 20 \"",
        "respond-async; x=1, wait=20",
        "wait=20; foo=\"a b\"",
    ] {
        let answer = app.request_sync(matter, &[("prefer", prefer)]).await;
        assert_eq!(answer.status, 200, "{prefer}: {answer:?}");
        assert_eq!(answer.headers["preference-applied"], "wait=20", "{prefer}");
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_waits_longer_than_half_a_minute() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();

    let answer = app
        .request_sync(matter, &[("prefer", "respond-async, wait=3600")])
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

    let answer = app.request_sync(matter, &[("prefer", "wait=1")]).await;

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
        assert_accepted(&app.request_sync(matter, &[("prefer", prefer)]).await);
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

    let answer = app.request_sync(matter, &[("prefer", "wait=30")]).await;

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
async fn a_request_that_joins_a_waiting_duplicate_waits_for_it() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("GET", "/api/v4/contacts", 1, &json!({ "delay_ms": 1_500 }))
        .await
        .unwrap();

    app.request_sync(matter, &[]).await;
    app.at_work().await;
    let duplicate = app.request_sync(matter, &[]).await;
    eventually(SOON, || async { app.log_of(matter, &duplicate).await })
        .await
        .unwrap();
    let joined = app.request_sync(matter, &[("prefer", "wait=30")]).await;

    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(joined.body["success"], json!(true));
    assert!(joined.body["clioMatterId"].is_u64(), "{joined:?}");
    let row = app.log_of(matter, &joined).await.unwrap();
    assert_eq!(row["status"], json!("skipped"));
    assert_eq!(row["details"]["joined"], duplicate.body["log_id"]);
    assert_eq!(
        app.log_of(matter, &duplicate).await.unwrap()["status"],
        json!("success")
    );
    app.finish().await;
}
