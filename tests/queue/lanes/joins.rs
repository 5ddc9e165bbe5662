//! Jobs that meet their waiting duplicates, and what their rows and logs keep.

use serde_json::{Value, json};
use shared::db::sync_logs;
use shared::domain::{FirmId, JobId};
use sqlx::{Executor, Row};
use uuid::Uuid;

use crate::test_queue::{Leased, TestQueue, connection};

const ME: Uuid = Uuid::from_u128(10);
const FAILED: &str = "matter_not_synced";

/// A job of the matter `lane`, in a run of its own, for an event of its own.
fn job(queue: &TestQueue, id: u128, key: &str) -> Value {
    let mut job = queue.job("lane", Uuid::from_u128(id));
    job["kind"] = json!("sync_document");
    job["matter_id"] = json!(Uuid::from_u128(1));
    job["dedupe_key"] = json!(key);
    job["event_ids"] = json!([format!("event {id}")]);
    job
}

async fn lease(queue: &TestQueue) -> Leased {
    queue.lease(ME, 1).await.remove(0)
}

async fn fail(queue: &TestQueue, code: &str) {
    let job = lease(queue).await;
    let said = json!({ "effect": "fail", "log_status": "failed", "code": code, "message": "words", "details": { "resolution": "do" } });
    queue.finish_with(ME, &job, &said).await;
}

async fn start() -> TestQueue {
    let queue = TestQueue::start(1, 1).await;
    queue.register(ME).await;
    queue
}

/// A log row, as `status code message run joined last_error`.
async fn log(queue: &TestQueue, id: u128) -> Vec<Option<String>> {
    let row = sqlx::query(
        "select status, code, error_message, run_id::text as run, details->>'joined' as joined,
           details->'last_error'->>'code' as last_error, details->>'resolution' as resolution
         from integration_sync_logs where id = $1",
    )
    .bind(Uuid::from_u128(id))
    .fetch_one(&queue.admin)
    .await
    .unwrap();
    [
        "status",
        "code",
        "error_message",
        "run",
        "joined",
        "last_error",
        "resolution",
    ]
    .map(|name| row.get(name))
    .to_vec()
}

/// How a run stands, seen from a row of it; nothing while it goes on.
async fn result(queue: &TestQueue, id: u128) -> Option<String> {
    let mut db = queue.admin.acquire().await.unwrap();
    let asked = [(FirmId(queue.firm), JobId(Uuid::from_u128(id)))];
    let found = sync_logs::find_run_results(&mut db, &asked).await.unwrap();
    found.into_iter().next().map(|(_, result)| result.status)
}

fn text(id: u128) -> Option<String> {
    Some(Uuid::from_u128(id).to_string())
}

fn word(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[tokio::test]
async fn what_a_success_brings_back_joins_its_waiting_duplicate_and_keeps_its_run() {
    let queue = start().await;
    queue
        .enqueue(&[job(&queue, 100, "a"), job(&queue, 101, "b")])
        .await;
    fail(&queue, FAILED).await;
    fail(&queue, FAILED).await;
    queue
        .admin
        .execute("update jobs set explicit = true where dedupe_key = 'a'")
        .await
        .unwrap();
    queue
        .enqueue(&[job(&queue, 200, "matter"), job(&queue, 201, "a")])
        .await;

    let matter = lease(&queue).await;
    let follow_ups = [
        job(&queue, 300, "a"),
        job(&queue, 301, "b"),
        job(&queue, 302, "c"),
    ];
    let said = json!({ "requeue_code": FAILED, "follow_ups": follow_ups });
    queue.finish_with(ME, &matter, &said).await;

    let twins =
        "select count(*) from (select 1 from jobs group by dedupe_key having count(*) > 1) x";
    assert_eq!(queue.count(twins).await, 0, "two jobs of one key");
    assert_eq!(
        queue
            .count("select count(*) from jobs where state = 'queued'")
            .await,
        3
    );
    let joined = vec![
        word("skipped"),
        None,
        None,
        text(100),
        text(201),
        word(FAILED),
        None,
    ];
    assert_eq!(log(&queue, 100).await, joined);
    let requeued = vec![word("pending"), None, None, text(101), None, None, None];
    assert_eq!(log(&queue, 101).await, requeued);
    let follows = "select count(*) from integration_sync_logs where requeued_by = '00000000-0000-0000-0000-0000000000c8'";
    assert_eq!(
        queue.count(follows).await,
        2,
        "one came back, one joined another run's"
    );
    let explicit = "select count(*) from jobs where dedupe_key = 'a' and explicit";
    assert_eq!(
        queue.count(explicit).await,
        1,
        "what a person named stays named"
    );
    let causes = "select count(*) from jobs where cause is not null";
    assert_eq!(queue.count(causes).await, 0, "causes of past failures");

    // The run of the matter ends with what its success brought back, the joined one too.
    for number in 0..2 {
        assert_eq!(
            result(&queue, 200).await,
            None,
            "the wait ended before {number}"
        );
        let next = lease(&queue).await;
        queue.finish_with(ME, &next, &json!({})).await;
    }
    assert_eq!(result(&queue, 200).await.as_deref(), Some("success"));
}

#[tokio::test]
async fn the_last_of_many_joins_names_as_much_as_the_twentieth() {
    let queue = start().await;
    for number in 0..50 {
        queue.enqueue(&[job(&queue, 100 + number, "a")]).await;
    }
    let many: Vec<Value> = (0..50)
        .map(|number| job(&queue, 200 + number, "a"))
        .collect();
    queue.enqueue(&many).await;

    let named: Vec<String> = sqlx::query_scalar("select event_ids from jobs")
        .fetch_one(&queue.admin)
        .await
        .unwrap();
    let newest: Vec<String> = (230..250).map(|id| format!("event {id}")).collect();
    assert_eq!(named, newest);
    let told = "select count(*) from integration_sync_logs where details->>'joined' = '00000000-0000-0000-0000-000000000064'";
    assert_eq!(
        queue.count(told).await,
        99,
        "each event's row names the job"
    );
}

#[tokio::test]
async fn a_job_is_placed_in_a_deep_lane_as_in_a_short_one() {
    let queue = start().await;
    let deep: Vec<Value> = (0..3_000)
        .map(|id| job(&queue, 1_000 + id, &format!("key {id}")))
        .collect();
    // As statistics say of a queue that is mostly empty.
    queue.admin.execute("analyze jobs").await.unwrap();
    queue.enqueue(&deep).await;
    let place = async |id: u128, key: &str| {
        let before = queue.rows_read("jobs").await;
        queue.enqueue(&[job(&queue, id, key)]).await;
        let read = queue.rows_read("jobs").await - before;
        assert!(read < 20, "{read} jobs were read for {key}");
    };
    for number in 0..8 {
        place(10_000 + number, &format!("new {number}")).await;
        place(20_000 + number, "key 2999").await;
    }

    queue.admin.execute("analyze jobs").await.unwrap();
    place(30_000, "newest").await;
    place(30_001, "key 2999").await;
}

#[tokio::test]
async fn an_acknowledged_cancel_holds_whatever_the_last_call_came_to() {
    let queue = start().await;
    queue.enqueue(&[job(&queue, 100, "a")]).await;
    let running = lease(&queue).await;
    let outcome: String = sqlx::query_scalar("select outcome from queue_cancel($1, $2)")
        .bind(queue.firm)
        .bind(running.id)
        .fetch_one(&queue.pool)
        .await
        .unwrap();
    assert_eq!(outcome, "cancelling");
    let said = json!({ "effect": "fail", "log_status": "failed", "code": "provider_invalid", "message": "words",
        "outcome": "fail", "details": { "resolution": "do" } });
    queue.finish_with(ME, &running, &said).await;

    assert_eq!(queue.count("select count(*) from jobs").await, 0);
    let cancelled = vec![
        word("skipped"),
        word("cancelled"),
        None,
        text(100),
        None,
        word("provider_invalid"),
        None,
    ];
    assert_eq!(log(&queue, 100).await, cancelled);
}

#[tokio::test]
async fn a_failure_that_was_not_the_end_leaves_no_words_on_the_end() {
    let queue = start().await;
    queue.enqueue(&[job(&queue, 100, "a")]).await;
    let running = lease(&queue).await;
    let said = json!({ "effect": "later", "log_status": "pending", "delay_ms": 60_000, "waiting_for": "retry",
        "code": "provider_unavailable", "message": "words", "outcome": "retry" });
    queue.finish_with(ME, &running, &said).await;
    sqlx::query("select queue_cancel($1, $2)")
        .bind(queue.firm)
        .bind(running.id)
        .execute(&queue.pool)
        .await
        .unwrap();

    let cancelled = vec![
        word("skipped"),
        word("cancelled"),
        None,
        text(100),
        None,
        word("provider_unavailable"),
        None,
    ];
    assert_eq!(log(&queue, 100).await, cancelled);
}

#[tokio::test]
async fn a_lane_is_not_continued_under_a_pause_of_its_region() {
    for (scope, continued) in [
        ("region:mycase:us", false),
        ("region:mycase:eu", true),
        ("region:clio:us", true),
    ] {
        let queue = start().await;
        queue
            .enqueue(&[job(&queue, 100, "a"), job(&queue, 101, "b")])
            .await;
        let first = lease(&queue).await;
        sqlx::query(
            "insert into pauses (scope, reason, until, author, created_at)
             values ($1, 'retry_after', now() + interval '1 minute', 'worker', now())",
        )
        .bind(scope)
        .execute(&queue.admin)
        .await
        .unwrap();

        let ended = queue.finish_or_go_on(ME, &[first], "delete", 0, true).await;

        assert_eq!(ended[0].1.is_some(), continued, "{scope}");
    }
}

#[tokio::test]
async fn what_joins_a_running_lane_does_not_move_the_start_of_its_job() {
    let queue = start().await;
    queue.enqueue(&[job(&queue, 100, "a")]).await;
    lease(&queue).await;
    let started = "select (extract(epoch from changed_at) * 1000000)::bigint from lanes";
    let before = queue.count(started).await;
    queue.enqueue(&[job(&queue, 101, "b")]).await;

    assert_eq!(queue.count(started).await, before);
}

#[tokio::test]
async fn a_wait_follows_its_job_from_one_join_to_the_next() {
    let queue = start().await;
    queue.enqueue(&[job(&queue, 100, "a")]).await;
    // A wish joins it; it fails; another of its kind comes; a person retries the failed one, and it joins.
    queue.enqueue(&[job(&queue, 101, "a")]).await;
    fail(&queue, "provider_invalid").await;
    queue.enqueue(&[job(&queue, 102, "a")]).await;
    sqlx::query("select queue_retry($1, $2)")
        .bind(queue.firm)
        .bind(Uuid::from_u128(100))
        .execute(&queue.pool)
        .await
        .unwrap();
    assert_eq!(
        result(&queue, 101).await,
        None,
        "the wait ended before its job"
    );

    let last = lease(&queue).await;
    assert_eq!(last.id, Uuid::from_u128(102));
    queue.finish_with(ME, &last, &json!({})).await;

    assert_eq!(result(&queue, 101).await.as_deref(), Some("success"));
}

/// Opens the breaker of the queue's platform; `trying` tries for it.
async fn open_breaker(queue: &TestQueue, trying: Uuid) {
    queue.admin.execute("delete from pauses").await.unwrap();
    sqlx::query(
        "insert into pauses (scope, reason, until, author, created_at, trying, trying_since)
         values ('platform:mycase', 'breaker', now() + interval '1 minute', 'breaker', now(), $1, now())",
    )
    .bind(trying)
    .execute(&queue.admin)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_try_for_the_platform_counts_no_attempt() {
    for trying in [true, false] {
        let queue = start().await;
        queue.enqueue(&[job(&queue, 100, "a")]).await;
        let running = lease(&queue).await;
        open_breaker(&queue, if trying { connection(0) } else { Uuid::nil() }).await;
        let said = json!({ "effect": "later", "log_status": "pending", "delay_ms": 0, "waiting_for": "retry",
            "code": "provider_unavailable", "message": "words", "outcome": "retry" });
        queue.finish_with(ME, &running, &said).await;

        let attempts = "select max(attempts)::bigint from jobs";
        assert_eq!(queue.count(attempts).await, i64::from(!trying));
    }
}

#[tokio::test]
async fn a_try_for_the_platform_is_not_the_attempt_that_a_job_is_given_up_after() {
    for (trying, age, state) in [
        (true, "1 hour", "queued"),
        (true, "25 hours", "failed"),
        (false, "1 hour", "failed"),
    ] {
        let queue = start().await;
        queue.enqueue(&[job(&queue, 100, "a")]).await;
        let running = lease(&queue).await;
        let before = format!("update jobs set attempts = 7, started_at = now() - interval '{age}'");
        queue
            .admin
            .execute(sqlx::AssertSqlSafe(before))
            .await
            .unwrap();
        open_breaker(&queue, if trying { connection(0) } else { Uuid::nil() }).await;
        let said = json!({ "effect": "fail", "log_status": "failed", "code": "provider_unavailable", "message": "words",
            "outcome": "fail", "details": { "resolution": "do" } });
        queue.finish_with(ME, &running, &said).await;

        let found: String = sqlx::query_scalar("select state from jobs")
            .fetch_one(&queue.admin)
            .await
            .unwrap();
        assert_eq!(found, state, "trying: {trying}, after {age}");
        let (status, resolution) = if state == "queued" {
            (word("pending"), None)
        } else {
            (word("failed"), word("do"))
        };
        let log = log(&queue, 100).await;
        assert_eq!((&log[0], &log[6]), (&status, &resolution));
    }
}
