//! Records of which the links no longer tell the truth: forgotten here, or doubled or deleted at Clio.

use std::time::Duration;

use harness::{AppSettings, eventually};
use serde_json::json;

use crate::support::{SOON, start, start_with};

#[tokio::test]
async fn after_a_restore_creations_look_first() {
    let visibility_delay = Duration::from_secs(1);
    let since = (
        "LINKS_DOUBT_SINCE".to_owned(),
        "2026-01-01T00:00:00Z".to_owned(),
    );
    let more = vec![since];
    let app = start_with(AppSettings {
        visibility_delay,
        more,
        ..AppSettings::default()
    })
    .await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    sqlx::query("delete from links")
        .execute(&app.admin)
        .await
        .unwrap();

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_second_record_that_shows_up_after_a_doubt_is_reported_and_left_alone() {
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(1),
        ..AppSettings::default()
    })
    .await;
    let matter = app.connected_matter().await.unwrap();
    let late = json!({ "apply_after_ms": 12_000 });
    app.fault("POST", "/api/v4/contacts.json", 1, &late)
        .await
        .unwrap();
    app.sync(matter).await.unwrap();
    app.settled(SOON).await.unwrap();
    let shown = eventually(SOON, || async {
        let (contacts, _, _) = app.clio_counts().await.ok()?;
        (contacts == 2).then_some(())
    });
    shown.await.unwrap();
    let doubt = "update links set doubted_at = now() - interval '1 hour'";
    sqlx::query(doubt).execute(&app.admin).await.unwrap();
    sqlx::query("delete from schedules where name = 'sweep_links'")
        .execute(&app.admin)
        .await
        .unwrap();

    let reported = "select count(*) from activity where kind = 'sweep_links' and status = 'success'
            and jsonb_array_length(details->'duplicate_suspected') = 1";
    app.counted(reported, 1).await;

    assert_eq!(
        app.count("select count(*) from links where swept = 1")
            .await
            .unwrap(),
        2
    );
    assert_eq!(app.clio_counts().await.unwrap().0, 2);
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_matter_is_replaced_by_a_persons_own_sync_alone() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let first = app.sync(matter).await.unwrap();
    let id = first.body["clioMatterId"].clone();
    app.change(&json!({ "delete": { "kind": "matter", "id": id } }))
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    let failed = app.log_lines(matter.firm).await.unwrap();

    let again = app.sync(matter).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert!(
        failed.contains(&"sync_document failed provider_not_found".to_owned()),
        "{failed:?}"
    );
    assert_eq!(again.body["success"], json!(true), "{again:?}");
    assert_ne!(again.body["clioMatterId"], id);
    assert_eq!(again.body["documentsUploaded"], json!(1));
    app.finish().await;
}
