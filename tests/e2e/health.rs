//! A worker's life as its supervisor and its monitoring see it: alive, ready, measured.

use std::time::Duration;

use harness::{App, AppSettings, Mode, eventually};
use serde_json::json;

use crate::support::{SOON, TestApp, start};

/// Longer than it takes to look for a database that is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shorter, because a frozen process never answers.
const FROZEN: Duration = Duration::from_millis(500);

async fn ops(app: &App, path: &str) -> Option<(u16, String)> {
    ops_within(app, path, PATIENCE).await
}

async fn ops_within(app: &App, path: &str, patience: Duration) -> Option<(u16, String)> {
    let url = format!("{}/{path}", app.worker_ops_urls()[0]);
    let answer = app.http.get(url).timeout(patience).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn answers(app: &App, path: &'static str, status: u16) {
    let asked = eventually(SOON, || async {
        ops(app, path).await.filter(|answer| answer.0 == status)
    });
    asked
        .await
        .unwrap_or_else(|_| panic!("{path} never answered {status}"));
}

/// The value of a metric's first line that begins so.
async fn metric(app: &App, name: &str) -> Option<f64> {
    let (_, text) = ops(app, "metrics").await?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn an_outage_of_the_database_fails_the_readiness_and_not_the_liveness() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let cluster =
        harness::Cluster::start(&folder.path().join("postgres"), harness::cluster::FAST).unwrap();
    let app = App::start(&cluster, &folder.path().join("app"), AppSettings::default())
        .await
        .unwrap();

    cluster.stop(Mode::Immediate).unwrap();
    answers(&app, "readyz", 503).await;
    let alive = ops(&app, "healthz").await;
    cluster.start_again().unwrap();

    assert_eq!(alive, Some((200, "ok".to_owned())));
    answers(&app, "readyz", 200).await;
}

#[tokio::test]
async fn a_finisher_that_waits_for_a_lock_in_postgres_is_alive() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let slow = json!({ "delay_ms": 1000 });
    app.fault("POST", "/api/v4/contacts.json", 1, &slow)
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    becomes(&app, "select count(*) from lanes where worker is not null").await;

    let mut holder = app.admin.begin().await.unwrap();
    sqlx::query("select * from jobs for update")
        .fetch_all(&mut *holder)
        .await
        .unwrap();
    becomes(
        &app,
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%queue_finish%' and datname = current_database()",
    )
    .await;
    let alive = ops(&app, "healthz").await;
    holder.rollback().await.unwrap();

    assert_eq!(alive, Some((200, "ok".to_owned())));
    app.settled(SOON).await.unwrap();
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

async fn becomes(app: &TestApp, count: &'static str) {
    eventually(SOON, || async {
        (app.count(count).await.ok()? > 0).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_frozen_worker_answers_nobody_and_is_alive_again_when_it_goes_on() {
    let app = start().await;
    answers(&app, "healthz", 200).await;

    app.workers[0].stop().unwrap();
    let frozen = ops_within(&app, "healthz", FROZEN).await;
    app.workers[0].resume().unwrap();

    assert_eq!(frozen, None, "a frozen process answered");
    answers(&app, "healthz", 200).await;
    app.finish().await;
}

#[tokio::test]
async fn every_metric_says_what_it_means_and_the_alarms_when_to_ring() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.sync(matter).await.unwrap();
    eventually(SOON, || async {
        metric(&app, "casehug_workers_alive ").await
    })
    .await
    .unwrap();

    let (_, text) = ops(&app, "metrics").await.unwrap();

    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    for name in &named {
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} says nothing of itself"
        );
    }
    for name in [
        "casehug_oldest_ready_lane_seconds",
        "casehug_stuck_lanes",
        "casehug_inbox_lag_seconds",
        "casehug_oldest_xmin_age_seconds",
        "casehug_auditor_breaches_total",
        "casehug_finish_seconds",
        "casehug_lease_seconds",
        "casehug_bucket_use_ratio",
        "casehug_task_stuck",
    ] {
        let help = text
            .lines()
            .find(|line| line.starts_with(&format!("# HELP {name} ")));
        assert!(
            help.is_some_and(|help| help.contains("alert when")),
            "{name}: {help:?}"
        );
    }
    for name in ["process_resident_memory_bytes", "process_open_fds"] {
        assert!(named.contains(&name), "{name}");
    }
    assert!(
        text.contains(
            r#"casehug_jobs_finished_total{kind="sync_matter",outcome="done",platform="clio"} 1"#
        ),
        "{text}"
    );
    assert!(
        text.contains("casehug_lease_seconds_bucket{le="),
        "a histogram"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_transaction_that_keeps_dead_rows_is_dated() {
    let app = start().await;
    app.connected_matter().await.unwrap();
    let mut old = app.admin.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read")
        .execute(&mut *old)
        .await
        .unwrap();
    sqlx::query("select count(*) from lanes")
        .fetch_one(&mut *old)
        .await
        .unwrap();

    let aged = eventually(SOON, || async {
        metric(&app, "casehug_oldest_xmin_age_seconds ")
            .await
            .filter(|age| *age > 0.0)
    });

    aged.await.unwrap();
    old.rollback().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_worker_has_a_thread_for_each_core() {
    let app = start().await;

    let tasks = std::fs::read_dir(format!("/proc/{}/task", app.workers[0].pid())).unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let runtime = names.filter(|name| name.starts_with("tokio-")).count();

    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(runtime >= cores, "{runtime} threads for {cores} cores");
    app.finish().await;
}

/// With another key no contact would be found again: each would be made a second time.
#[tokio::test]
async fn a_worker_with_another_key_of_digests_is_refused() {
    let app = start().await;
    let mut settings = app.settings.clone();
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    settings.more.push(("DIGEST_KEY".into(), other.into()));

    let worker = app.launch_worker("another", &settings).unwrap();
    let status = worker.process().wait(SOON).await.unwrap();

    assert_eq!(status.code(), Some(1));
    let lines = worker.process().lines().join("\n");
    assert!(lines.contains("DIGEST_KEY"), "{lines}");
    assert!(!lines.contains(other), "{lines}");
    app.finish().await;
}
