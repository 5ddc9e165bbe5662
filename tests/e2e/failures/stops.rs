//! Programs that stop: a worker that is told to, and Postgres for a while.

use std::time::Duration;

use harness::{AppSettings, Mode, eventually};
use serde_json::json;

use crate::support::{SOON, start, start_with};

#[tokio::test]
async fn an_idle_worker_that_is_told_to_stop_ends_at_once_and_leaves_no_row() {
    let mut app = start().await;
    let worker = app.workers.pop().unwrap();

    worker.terminate().unwrap();
    let status = worker.wait(Duration::from_secs(10)).await.unwrap();

    assert!(status.success(), "{status}");
    assert_eq!(app.count("select count(*) from workers").await.unwrap(), 0);
}

#[tokio::test]
async fn postgres_away_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let cluster = harness::Cluster::start(&folder.path().join("postgres"), &[]).unwrap();
    let app = harness::App::start(&cluster, &folder.path().join("app"), AppSettings::default())
        .await
        .unwrap();
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();

    cluster.stop(Mode::Immediate).unwrap();
    let event = json!({ "id": "e1", "type": "document.approved", "firm_id": matter.firm,
        "data": { "matter_id": matter.id, "upload_id": upload.id } });
    let refused = app.post_events(&event).await.unwrap();
    cluster.start_again().unwrap();
    eventually(SOON, || async {
        app.post_events(&event)
            .await
            .ok()
            .filter(|answer| answer.status == 202)
    })
    .await
    .unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(matter.firm).await.unwrap();
    assert_eq!(lines, ["sync_matter success", "sync_document success"]);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.audit().await.unwrap();
}

#[tokio::test]
async fn a_drain_longer_than_the_lease_is_no_takeover() {
    let settings = AppSettings {
        workers: 1,
        lease: Duration::from_secs(1),
        ..AppSettings::default()
    };
    let mut app = start_with(settings).await;
    let matter = app.connected_matter().await.unwrap();
    app.fault(
        "POST",
        "/api/v4/contacts.json",
        1,
        &json!({ "delay_ms": 4000 }),
    )
    .await
    .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.counted("select count(*) from links where state = 'creating'", 1)
        .await;

    app.start_worker().await.unwrap();
    let draining = app.workers.remove(0);
    draining.terminate().unwrap();
    let status = draining.wait(SOON).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert!(status.success(), "{status}");
    assert_eq!(
        app.count("select count(*) from attempts where outcome = 'lost'")
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        app.count("select count(*) from links where doubted_at is not null")
            .await
            .unwrap(),
        0
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}
