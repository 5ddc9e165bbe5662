//! The auditor: each invariant is broken by hand, and must be seen, and mended where that can be proved.

use harness::app::audit;
use serde_json::Value;
use sqlx::{AssertSqlSafe, raw_sql};
use uuid::Uuid;

use crate::test_queue::TestQueue;

/// The worker that holds what is held, and two waiting jobs of one lane.
const ME: Uuid = Uuid::from_u128(10);
const FIRST: Uuid = Uuid::from_u128(11);
const SECOND: Uuid = Uuid::from_u128(12);

async fn waiting() -> TestQueue {
    let queue = TestQueue::start(2, 4).await;
    queue.register(ME).await;
    let jobs = [queue.job("lane", FIRST), queue.job("lane", SECOND)];
    queue.enqueue(&jobs).await;
    queue
}

async fn held() -> TestQueue {
    let queue = waiting().await;
    assert_eq!(queue.lease(ME, 10).await.len(), 1);
    queue
}

async fn break_by(queue: &TestQueue, statement: &str) {
    raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&queue.admin)
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
async fn is_mended(queue: &TestQueue, rule: &str) {
    let url = queue.database.url();
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
async fn is_only_seen(queue: &TestQueue, rule: &str) {
    let url = queue.database.url();
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
    let queue = waiting().await;
    break_by(&queue, "update lanes set ready_at = null").await;

    is_mended(&queue, "idle_with_job").await;

    assert_eq!(queue.lease(ME, 10).await[0].id, FIRST);
}

#[tokio::test]
async fn a_lane_that_is_ready_without_a_job_is_made_idle() {
    let queue = waiting().await;
    break_by(&queue, "delete from jobs").await;

    is_mended(&queue, "ready_without_job").await;

    assert_eq!(
        queue
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
        let queue = waiting().await;
        break_by(&queue, broken).await;

        is_mended(&queue, "ready_out_of_step").await;

        let in_step = "select count(*) from lanes l join jobs j on j.lane = l.key
            where j.seq = 1 and (l.ready_at <= now()) = (j.run_at <= now())";
        assert_eq!(queue.count(in_step).await, 1, "{broken}");
    }
}

#[tokio::test]
async fn a_job_that_its_lane_has_gone_past_is_found_again() {
    let queue = waiting().await;
    break_by(&queue, "update lanes set gone_through = 1").await;

    is_mended(&queue, "left_behind").await;

    assert_eq!(queue.lease(ME, 10).await[0].id, FIRST);
}

#[tokio::test]
async fn a_job_whose_lane_is_gone_gets_it_back() {
    let queue = waiting().await;
    break_by(&queue, "delete from lanes").await;

    is_mended(&queue, "job_without_lane").await;
    queue
        .enqueue(&[queue.job("lane", Uuid::from_u128(13))])
        .await;

    assert_eq!(queue.lease(ME, 10).await[0].id, FIRST);
    assert_eq!(queue.count("select max(seq) from jobs").await, 3);
}

#[tokio::test]
async fn a_lane_held_by_a_worker_without_a_row_is_freed_and_its_execution_counts_as_lost() {
    let queue = held().await;
    break_by(&queue, "delete from workers").await;

    is_mended(&queue, "held_by_nobody").await;
    queue.register(ME).await;

    assert_eq!(queue.lease(ME, 10).await[0].id, FIRST);
    let lost = "select count(*) from attempts where outcome = 'lost'";
    assert_eq!(queue.count(lost).await, 1);
}

#[tokio::test]
async fn a_lane_that_stays_with_a_dead_worker_is_seen_at_the_second_look() {
    let queue = held().await;
    break_by(
        &queue,
        "update workers set alive_until = now() - interval '1 hour';
         insert into workers (id, name, started_at, alive_until, lease_ms)
         values (gen_random_uuid(), 'idle', now() - interval '1 hour', now() + interval '1 hour', 50)",
    )
    .await;

    is_only_seen(&queue, "held_by_the_dead").await;
}

#[tokio::test]
async fn a_dead_workers_lane_is_no_breach_while_nobody_is_there_to_take_it() {
    let queue = held().await;
    break_by(
        &queue,
        "update workers set alive_until = now() - interval '1 hour'",
    )
    .await;

    let report = audit(queue.database.url(), &[]).await.unwrap();

    assert_eq!(report["ok"], true, "{report}");
}

#[tokio::test]
async fn two_lanes_that_hold_one_job_are_seen() {
    let queue = held().await;
    queue
        .enqueue(&[queue.job("other", Uuid::from_u128(13))])
        .await;
    assert_eq!(queue.lease(ME, 10).await.len(), 1);
    break_by(
        &queue,
        "update lanes set running_job = (select id from jobs where lane = 'lane' and seq = 1)",
    )
    .await;

    is_only_seen(&queue, "held_twice").await;
}

#[tokio::test]
async fn a_held_lane_whose_job_has_vanished_is_seen_and_left_to_its_holder() {
    let queue = held().await;
    break_by(&queue, "delete from jobs where seq = 1").await;

    is_only_seen(&queue, "holds_no_job").await;
}

#[tokio::test]
async fn a_lane_that_runs_its_second_job_first_is_seen() {
    let queue = held().await;
    break_by(
        &queue,
        "update lanes set running_job = (select id from jobs where seq = 2)",
    )
    .await;

    is_only_seen(&queue, "holds_not_its_head").await;
}

#[tokio::test]
async fn a_connection_with_more_at_work_than_its_cap_is_seen() {
    let queue = TestQueue::start(2, 4).await;
    queue.register(ME).await;
    let jobs: Vec<Value> = (0..6_u32)
        .map(|n| {
            queue.job_of(
                (n % 2) as usize,
                &format!("lane{n}"),
                Uuid::from_u128(100 + u128::from(n)),
            )
        })
        .collect();
    queue.enqueue(&jobs).await;
    assert_eq!(
        queue.lease(ME, 10).await.len(),
        6,
        "three of each connection"
    );
    break_by(
        &queue,
        "update lanes set connection_id = (select min(connection_id::text)::uuid from lanes)",
    )
    .await;

    is_only_seen(&queue, "above_cap").await;
}

#[tokio::test]
async fn a_job_that_nobody_could_see_in_a_log_is_seen() {
    let queue = waiting().await;
    break_by(&queue, "delete from activity").await;

    is_only_seen(&queue, "job_without_log").await;
}
