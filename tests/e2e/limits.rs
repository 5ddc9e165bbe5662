//! The provider's limit: all of it is used, and it is not broken.

use std::time::Duration;

use harness::AppSettings;
use harness::app::{Person, Upload};
use serde_json::json;
use uuid::Uuid;

use crate::support::{SOON, TestApp, start, start_with};

const MATTERS: usize = 12;
/// Per matter: contact, areas and matter, then two for each document. One client, so one search and one create.
const FEWEST: usize = 3 + MATTERS * (1 + 2 * 2);

async fn matters(app: &TestApp) -> (Uuid, Vec<Upload>) {
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let client = app
        .client(firm, &Person::new("Ann", "Lee", Some("ann@example.com")))
        .await
        .unwrap();
    let mut uploads = Vec::new();
    for number in 0..MATTERS {
        let matter = app
            .matter(
                firm,
                client,
                &format!("Matter {number}"),
                Some("custody_only"),
            )
            .await
            .unwrap();
        for name in ["a", "b"] {
            let bytes = format!("{name} of {number}");
            uploads.push(
                app.upload(matter, name, None, bytes.as_bytes())
                    .await
                    .unwrap(),
            );
        }
    }
    (firm, uploads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_costs_at_most_five_percent_more_calls_and_is_never_broken() {
    // Clio's 50 a minute, its minute made shorter.
    let budget = "10/2s".to_owned();
    let app = start_with(AppSettings {
        workers: 4,
        budget,
        ..AppSettings::default()
    })
    .await;
    app.limits(&json!({ "limit": 10, "window_ms": 2000, "mode": "sliding" }))
        .await
        .unwrap();
    let (firm, uploads) = matters(&app).await;
    app.clear_clio_calls().await.unwrap();

    app.approve(&uploads).await.unwrap();
    app.settled(SOON * 2).await.unwrap();

    let calls = app.clio_calls().await.unwrap().len();
    assert!(
        calls <= FEWEST + FEWEST / 20,
        "{calls} calls, {FEWEST} are the fewest"
    );
    let clio = app.clio().await.unwrap();
    assert_eq!(clio["stats"]["answered_429"], json!(0));
    let lines = app.log_lines(firm).await.unwrap();
    assert_eq!(
        app.clio_counts().await.unwrap(),
        (1, MATTERS, MATTERS * 2),
        "{lines:?}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_429_pauses_everybody_until_its_retry_after_and_is_no_attempt() {
    let app = start_with(AppSettings {
        workers: 2,
        ..AppSettings::default()
    })
    .await;
    let (_, uploads) = matters(&app).await;
    let limited = json!({ "status": 429, "headers": { "Retry-After": "2" }, "body": { "error": { "type": "RateLimited", "message": "slow down" } } });
    app.fault("*", "/api/v4/*", 1, &limited).await.unwrap();
    app.clear_clio_calls().await.unwrap();

    app.approve(&uploads[..2]).await.unwrap();
    app.settled(Duration::from_secs(30)).await.unwrap();

    let counted = app
        .count("select coalesce(sum(attempts), 0)::bigint from integration_sync_logs")
        .await
        .unwrap();
    assert_eq!(counted, 0);
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 2));
    app.finish().await;
}

/// Bucket and job wait alike: a minute for the job, after a second for the bucket, is a minute for nothing.
#[tokio::test]
async fn a_429_that_names_no_time_waits_for_the_buckets_own_window() {
    let app = start().await;
    let (_, uploads) = matters(&app).await;
    let limited = json!({ "status": 429, "body": { "error": { "type": "RateLimited", "message": "slow down" } } });
    app.fault("*", "/api/v4/*", 1, &limited).await.unwrap();

    app.approve(&uploads[..1]).await.unwrap();
    app.settled(Duration::from_secs(30)).await.unwrap();

    let first_attempts: Vec<String> =
        sqlx::query_scalar("select outcome from attempts where number = 1 order by job_id")
            .fetch_all(&app.admin)
            .await
            .unwrap();
    assert!(
        first_attempts.contains(&"snooze".to_owned()),
        "{first_attempts:?}"
    );
    app.finish().await;
}
