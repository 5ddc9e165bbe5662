//! The auditor: each invariant is broken by hand, and must be seen, and mended where that can be proved.

use harness::app::audit;
use harness::eventually;
use serde_json::Value;
use sqlx::{AssertSqlSafe, raw_sql};
use uuid::Uuid;

use crate::queue_stage::QueueStage;
use crate::support::{SOON, start};

/// The worker that holds what is held, and two waiting jobs of one lane.
const ME: Uuid = Uuid::from_u128(10);
const FIRST: Uuid = Uuid::from_u128(11);
const SECOND: Uuid = Uuid::from_u128(12);

async fn waiting() -> QueueStage {
    let stage = QueueStage::start(2, 4).await;
    stage.register(ME).await;
    let jobs = [stage.job("lane", FIRST), stage.job("lane", SECOND)];
    stage.enqueue(&jobs).await;
    stage
}

async fn held() -> QueueStage {
    let stage = waiting().await;
    assert_eq!(stage.lease(ME, 10).await.len(), 1);
    stage
}

async fn break_by(stage: &QueueStage, statement: &str) {
    raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&stage.admin)
        .await
        .unwrap();
}

fn rules(report: &Value, kind: &str) -> Vec<String> {
    let breaches = report[kind].as_array().unwrap().iter();
    breaches
        .map(|breach| breach["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// Seen, mended, and then clean; the mended lane gives its first job.
async fn is_mended(stage: &QueueStage, rule: &str) {
    let url = stage.database.url();
    let seen = audit(url, &[]).await.unwrap();
    let mended = audit(url, &["--repair"]).await.unwrap();
    let after = audit(url, &[]).await.unwrap();

    assert!(
        rules(&seen, "breaches").contains(&rule.to_owned()),
        "{seen}"
    );
    assert_eq!(
        rules(&seen, "recorded"),
        Vec::<String>::new(),
        "nothing was asked to be written"
    );
    for breach in mended["breaches"].as_array().unwrap() {
        assert_eq!(breach["repaired"], true, "{mended}");
    }
    assert_eq!(after["ok"], true, "{after}");
    assert_eq!(
        rules(&after, "recorded").len(),
        rules(&seen, "breaches").len()
    );
}

/// Seen, and left alone.
async fn is_only_seen(stage: &QueueStage, rule: &str) {
    let url = stage.database.url();
    let mended = audit(url, &["--repair"]).await.unwrap();
    let after = audit(url, &[]).await.unwrap();

    for report in [&mended, &after] {
        let found = report["breaches"].as_array().unwrap();
        let breach = found.iter().find(|breach| breach["rule"] == rule);
        assert_eq!(
            breach.unwrap_or_else(|| panic!("{report}"))["repaired"],
            false
        );
    }
}

#[tokio::test]
async fn a_lane_that_is_idle_with_a_job_is_made_ready() {
    let stage = waiting().await;
    break_by(&stage, "update lanes set ready_at = null").await;

    is_mended(&stage, "idle_with_job").await;

    assert_eq!(stage.lease(ME, 10).await[0].id, FIRST);
}

#[tokio::test]
async fn a_lane_that_is_ready_without_a_job_is_made_idle() {
    let stage = waiting().await;
    break_by(&stage, "delete from jobs").await;

    is_mended(&stage, "ready_without_job").await;

    assert_eq!(
        stage
            .count("select count(*) from lanes where ready_at is null")
            .await,
        1
    );
}

#[tokio::test]
async fn a_lane_that_sleeps_past_its_head_or_wakes_before_it_is_set_right() {
    for broken in [
        "update lanes set ready_at = now() + interval '1 hour'",
        "update jobs set run_at = now() + interval '1 hour'",
    ] {
        let stage = waiting().await;
        break_by(&stage, broken).await;

        is_mended(&stage, "ready_out_of_step").await;

        let in_step = "select count(*) from lanes l join jobs j on j.lane = l.key
            where j.seq = 1 and (l.ready_at <= now()) = (j.run_at <= now())";
        assert_eq!(stage.count(in_step).await, 1, "{broken}");
    }
}

#[tokio::test]
async fn a_job_that_its_lane_has_gone_past_is_found_again() {
    let stage = waiting().await;
    break_by(&stage, "update lanes set gone_through = 1").await;

    is_mended(&stage, "left_behind").await;

    assert_eq!(stage.lease(ME, 10).await[0].id, FIRST);
}

#[tokio::test]
async fn a_job_whose_lane_is_gone_gets_it_back() {
    let stage = waiting().await;
    break_by(&stage, "delete from lanes").await;

    is_mended(&stage, "job_without_lane").await;
    stage
        .enqueue(&[stage.job("lane", Uuid::from_u128(13))])
        .await;

    assert_eq!(stage.lease(ME, 10).await[0].id, FIRST);
    assert_eq!(stage.count("select max(seq) from jobs").await, 3);
}

#[tokio::test]
async fn a_lane_held_by_a_worker_without_a_row_is_freed_and_its_execution_counts_as_lost() {
    let stage = held().await;
    break_by(&stage, "delete from workers").await;

    is_mended(&stage, "held_by_nobody").await;
    stage.register(ME).await;

    assert_eq!(stage.lease(ME, 10).await[0].id, FIRST);
    let lost = "select count(*) from attempts where outcome = 'lost'";
    assert_eq!(stage.count(lost).await, 1);
}

#[tokio::test]
async fn a_lane_that_stays_with_a_dead_worker_is_seen_at_the_second_look() {
    let stage = held().await;
    break_by(
        &stage,
        "update workers set alive_until = now() - interval '1 hour';
         insert into workers (id, name, started_at, alive_until, lease_ms)
         values (gen_random_uuid(), 'idle', now() - interval '1 hour', now() + interval '1 hour', 50)",
    )
    .await;

    is_only_seen(&stage, "held_by_the_dead").await;
}

#[tokio::test]
async fn a_dead_workers_lane_is_no_breach_while_nobody_is_there_to_take_it() {
    let stage = held().await;
    break_by(
        &stage,
        "update workers set alive_until = now() - interval '1 hour'",
    )
    .await;

    let report = audit(stage.database.url(), &[]).await.unwrap();

    assert_eq!(report["ok"], true, "{report}");
}

#[tokio::test]
async fn two_lanes_that_hold_one_job_are_seen() {
    let stage = held().await;
    stage
        .enqueue(&[stage.job("other", Uuid::from_u128(13))])
        .await;
    assert_eq!(stage.lease(ME, 10).await.len(), 1);
    break_by(
        &stage,
        "update lanes set running_job = (select id from jobs where lane = 'lane' and seq = 1)",
    )
    .await;

    is_only_seen(&stage, "held_twice").await;
}

#[tokio::test]
async fn a_held_lane_whose_job_has_vanished_is_seen_and_left_to_its_holder() {
    let stage = held().await;
    break_by(&stage, "delete from jobs where seq = 1").await;

    is_only_seen(&stage, "holds_no_job").await;
}

#[tokio::test]
async fn a_lane_that_runs_its_second_job_first_is_seen() {
    let stage = held().await;
    break_by(
        &stage,
        "update lanes set running_job = (select id from jobs where seq = 2)",
    )
    .await;

    is_only_seen(&stage, "holds_not_its_head").await;
}

#[tokio::test]
async fn a_connection_with_more_at_work_than_its_cap_is_seen() {
    let stage = QueueStage::start(2, 4).await;
    stage.register(ME).await;
    let jobs: Vec<Value> = (0..6_u32)
        .map(|n| {
            stage.job_of(
                (n % 2) as usize,
                &format!("lane{n}"),
                Uuid::from_u128(100 + u128::from(n)),
            )
        })
        .collect();
    stage.enqueue(&jobs).await;
    assert_eq!(
        stage.lease(ME, 10).await.len(),
        6,
        "three of each connection"
    );
    break_by(
        &stage,
        "update lanes set connection_id = (select min(connection_id::text)::uuid from lanes)",
    )
    .await;

    is_only_seen(&stage, "above_cap").await;
}

#[tokio::test]
async fn a_job_that_nobody_could_see_in_a_log_is_seen() {
    let stage = waiting().await;
    break_by(&stage, "delete from activity").await;

    is_only_seen(&stage, "job_without_log").await;
}

#[tokio::test]
async fn a_running_worker_sees_a_breach_mends_it_counts_it_and_goes_on() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    // Nothing is leased while the breach is being made.
    let pause = "insert into pauses (scope, reason, until, author, created_at) values ('all', 'paused', 'infinity', 'test', now())";
    sqlx::query(pause).execute(&app.admin).await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    eventually(SOON, || async {
        let waiting = app.count("select count(*) from jobs").await.ok()?;
        (waiting == 2).then_some(())
    })
    .await
    .unwrap();
    for statement in [
        "update lanes set ready_at = null",
        "delete from pauses",
        "update audits set began_at = null, running_until = null",
        "select pg_notify('casehug_jobs', '*')",
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }

    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    let report = audit(app.database.url(), &[]).await.unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(rules(&report, "recorded"), ["idle_with_job"]);
    assert_eq!(report["recorded"][0]["repaired"], true);
    let metrics = app
        .http
        .get(format!("{}/metrics", app.worker_ops_urls()[0]));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains(r#"casehug_auditor_breaches_total{rule="idle_with_job"} 1"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"casehug_auditor_breaches_total{rule="held_twice"} 0"#));
}
