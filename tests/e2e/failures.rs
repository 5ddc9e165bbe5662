//! Bad days: refusals, outages, deleted records, lost tokens; each ends as the product's words say.

use std::time::Duration;

use harness::app::Person;
use harness::{AppSettings, Mode, eventually};
use serde_json::json;

use crate::support::{SOON, start, start_with};

#[tokio::test]
async fn an_expired_token_is_refreshed_and_the_sync_goes_on() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.change(&json!({ "expire_tokens": true })).await.unwrap();

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    assert_eq!(
        app.count("select max(token_version) from firm_integrations")
            .await
            .unwrap(),
        2
    );
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_ends_within_five_minutes_is_refreshed_first_and_once_for_all_workers() {
    let app = start_with(AppSettings {
        workers: 4,
        ..AppSettings::default()
    })
    .await;
    app.change(&json!({ "token_ttl_secs": 240 })).await.unwrap();
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    app.change(&json!({ "token_ttl_secs": 7200 }))
        .await
        .unwrap();
    let mut uploads = Vec::new();
    for number in 0..20 {
        let person = Person::new("Ann", "Lee", Some(&format!("ann{number}@example.com")));
        let client = app.client(firm, &person).await.unwrap();
        let matter = app.matter(firm, client, "Lee v. Lee", None).await.unwrap();
        let bytes = format!("bytes {number}");
        uploads.push(
            app.upload(matter, "a.pdf", None, bytes.as_bytes())
                .await
                .unwrap(),
        );
    }

    app.approve(&uploads).await.unwrap();
    app.settled(SOON).await.unwrap();

    let clio = app.clio().await.unwrap();
    assert_eq!(
        clio["stats"]["oauth_requests"],
        json!(3),
        "authorize, exchange, one refresh"
    );
    assert_eq!(
        app.count("select max(token_version) from firm_integrations")
            .await
            .unwrap(),
        2
    );
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_ends_soon_is_refreshed_though_nothing_is_to_be_done() {
    let app = start().await;
    app.change(&json!({ "token_ttl_secs": 240 })).await.unwrap();
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    app.change(&json!({ "token_ttl_secs": 7200 }))
        .await
        .unwrap();
    sqlx::query("delete from schedules where name = 'refresh_tokens'")
        .execute(&app.admin)
        .await
        .unwrap();

    eventually(SOON, || async {
        let refreshed =
            "select count(*) from activity where kind = 'refresh_token' and status = 'success'";
        (app.count(refreshed).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();

    let renewed = "select count(*) from firm_integrations where token_version = 2 and token_expires_at > now() + interval '1 hour'";
    assert_eq!(app.count(renewed).await.unwrap(), 1);
    app.finish().await;
}

#[tokio::test]
async fn after_a_restore_creations_look_first() {
    let settle = Duration::from_secs(1);
    let since = (
        "LINKS_DOUBT_SINCE".to_owned(),
        "2026-01-01T00:00:00Z".to_owned(),
    );
    let more = vec![since];
    let app = start_with(AppSettings {
        settle,
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
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.sync(matter).await.unwrap();
    let late = json!({ "create_contact": { "type": "Person", "first_name": "Ann", "last_name": "Lee",
        "email_addresses": [{ "name": "Work", "address": "ann.lee@example.com" }] } });
    app.change(&late).await.unwrap();
    let doubt = "update links set doubted_at = now() - interval '1 hour'";
    sqlx::query(doubt).execute(&app.admin).await.unwrap();
    sqlx::query("delete from schedules where name = 'sweep_links'")
        .execute(&app.admin)
        .await
        .unwrap();

    eventually(SOON, || async {
        let reported =
            "select count(*) from activity where kind = 'sweep_links' and status = 'success'
            and jsonb_array_length(details->'duplicate_suspected') = 1";
        (app.count(reported).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();

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
async fn an_idle_worker_that_is_told_to_stop_ends_at_once_and_leaves_no_row() {
    let mut app = start().await;
    let worker = app.workers.pop().unwrap();

    worker.terminate().unwrap();
    let status = worker.wait(Duration::from_secs(10)).await.unwrap();

    assert!(status.success(), "{status}");
    assert_eq!(app.count("select count(*) from workers").await.unwrap(), 0);
}

#[tokio::test]
async fn a_revoked_connection_is_parked_and_its_jobs_go_on_in_order_after_a_reconnect() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.change(&json!({ "revoke": true })).await.unwrap();
    let first = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    let second = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    app.approve(&[first, second]).await.unwrap();
    eventually(SOON, || async {
        (app.count("select count(*) from pauses where reason = 'needs_reconnect'")
            .await
            .ok()?
            == 1)
            .then_some(())
    })
    .await
    .unwrap();
    let token = app.tokens.firm_member(matter.firm).unwrap();
    let status = app
        .get("/api/v1/integrations/clio/status", &token)
        .await
        .unwrap();

    app.connect(matter.firm).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(status.body["connected"], json!(false), "{status:?}");
    assert!(status.body["needs_reconnect"].is_string());
    let lines = app.log_lines(matter.firm).await.unwrap();
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 2), "{lines:?}");
    assert!(
        lines.iter().all(|line| !line.contains("failed")),
        "{lines:?}"
    );
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
async fn only_approved_documents_leave_and_the_same_bytes_leave_once() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let original = app.upload(matter, "a.pdf", None, b"same").await.unwrap();
    let copy = app
        .upload(matter, "copy of a.pdf", None, b"same")
        .await
        .unwrap();
    let rejected = app.upload(matter, "b.pdf", None, b"other").await.unwrap();
    sqlx::query("update uploads set status = 'rejected' where id = $1")
        .bind(rejected.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.approve(&[original, copy, rejected]).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    let same: i64 = app
        .count("select count(*) from integration_sync_logs where details->>'same_as' is not null")
        .await
        .unwrap();
    let skipped: i64 = app
        .count("select count(*) from integration_sync_logs where code = 'not_approved'")
        .await
        .unwrap();
    assert_eq!((same, skipped), (1, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_file_that_is_missing_or_changed_fails_with_what_to_do() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let missing = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    std::fs::remove_file(app.folder.join("files").join(missing.id.to_string())).unwrap();
    let changed = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    sqlx::query("update uploads set sha256 = repeat('0', 64) where id = $1")
        .bind(changed.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.approve(&[missing, changed]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.contains(&"sync_document failed file_missing".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"sync_document failed file_changed".to_owned()),
        "{lines:?}"
    );
    app.finish().await;
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
    eventually(SOON, || async {
        (app.count("select count(*) from links where state = 'creating'")
            .await
            .ok()?
            == 1)
            .then_some(())
    })
    .await
    .unwrap();

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
