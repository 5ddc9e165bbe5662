//! Jobs that workers died with run alone, in a process of their own.

use std::time::Duration;

use harness::app::Person;
use harness::{AppSettings, eventually, kill9_started, runs};
use serde_json::json;

use crate::support::{SOON, TestApp, start_with};

const FIRMS: usize = 5;
/// A worker whose beats come half a lease late takes nothing over: on a busy machine short leases are never taken over.
const LEASE: Duration = Duration::from_secs(6);
const FIRST: &str =
    "select count(*) from lanes l join jobs j on j.id = l.running_job where j.lost_attempts = 0";
const SECOND: &str =
    "select count(*) from lanes l join jobs j on j.id = l.running_job where j.lost_attempts = 1";
const THIRD: &str =
    "select count(*) from lanes l join jobs j on j.id = l.running_job where j.lost_attempts = 2";
const ALONE: &str = "select w.name from lanes l join workers w on w.id = l.worker where w.alone";
const JUDGED: &str = "select count(*) from jobs where state = 'failed' and code = 'worker_lost'";

/// The id of the process that runs a job alone.
async fn alone(app: &TestApp) -> u32 {
    let name = async || {
        let name = sqlx::query_scalar::<_, String>(ALONE).fetch_optional(&app.admin);
        name.await.ok().flatten()
    };
    let name = eventually(SOON, name).await.unwrap();
    let (_, pid) = name.split_once('/').unwrap();
    pid.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_jobs_that_workers_died_with_only_one_that_ran_alone_is_judged() {
    let mut app = start_with(AppSettings {
        lease: LEASE,
        visibility_delay: Duration::from_secs(2),
        more: vec![("SHUTDOWN_GRACE_SECONDS".into(), "1".into())],
        ..AppSettings::default()
    })
    .await;
    let mut uploads = Vec::new();
    for number in 0..FIRMS {
        // The first call searches for the address.
        let person = Person::new("Ann", "Lee", Some(&format!("ann{number}@example.com")));
        let matter = app.firm_with_matter(5000 + number, &person).await;
        uploads.push(app.upload(matter, "a.pdf", None, b"bytes").await.unwrap());
    }
    let hang = json!({ "hang": true });
    app.fault("GET", "/api/v4/", 1_000, &hang).await.unwrap();
    app.approve(&uploads).await.unwrap();

    // Two workers die with all of them.
    for held in [FIRST, SECOND] {
        app.counted(held, i64::try_from(FIRMS).unwrap()).await;
        app.workers.remove(0).kill9().unwrap();
        app.start_worker().await.unwrap();
    }
    // The third one starts a process for one of them, and it dies with it.
    let first = alone(&app).await;
    assert_eq!(app.count(THIRD).await.unwrap(), 1, "two suspects at once");
    kill9_started(first).unwrap();
    app.counted(JUDGED, 1).await;
    // The worker dies that has started the next one: it ends by itself, and its job is not judged.
    let second = alone(&app).await;
    assert_ne!(first, second);
    app.workers.remove(0).kill9().unwrap();
    let ended = eventually(SOON, async || (!runs(second)).then_some(()));
    ended.await.unwrap();
    assert!(app.faults_left().await.unwrap() < 1_000, "no call has hung");
    app.clear_faults().await.unwrap();
    app.start_worker().await.unwrap();
    app.done().await;

    assert_eq!(app.count(JUDGED).await.unwrap(), 1);
    let (_, _, documents) = app.clio_counts().await.unwrap();
    assert_eq!(documents, FIRMS - 1);
    app.finish().await;
}
