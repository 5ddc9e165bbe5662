//! Tokens that end, early or late, and an authorisation that is revoked.

use harness::AppSettings;
use harness::app::Person;
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

    let refreshed =
        "select count(*) from activity where kind = 'refresh_token' and status = 'success'";
    app.counted(refreshed, 1).await;

    let renewed = "select count(*) from firm_integrations where token_version = 2 and token_expires_at > now() + interval '1 hour'";
    assert_eq!(app.count(renewed).await.unwrap(), 1);
    // Nothing was synced.
    let synced = "select count(*) from firm_integrations where last_sync_at is not null or last_outcome is not null";
    assert_eq!(app.count(synced).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_revoked_connection_is_parked_and_its_jobs_go_on_in_order_after_a_reconnect() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.change(&json!({ "revoke": true })).await.unwrap();
    let first = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    let second = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    app.approve(&[first, second]).await.unwrap();
    app.counted(
        "select count(*) from pauses where reason = 'needs_reconnect'",
        1,
    )
    .await;
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
