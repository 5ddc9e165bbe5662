//! One step at a time, with no other worker beside.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Executor, Row, postgres::PgRow};
use uuid::Uuid;

use super::{CONNECTIONS, start};
use crate::test_queue::{TestQueue, connection};

#[tokio::test]
async fn a_head_that_waits_for_its_retry_keeps_its_lane_waiting() {
    let queue = start().await;
    let (me, first, second) = (
        Uuid::from_u128(10),
        Uuid::from_u128(11),
        Uuid::from_u128(12),
    );
    queue.register(me).await;
    queue.enqueue(&[queue.job("lane", first)]).await;
    let leased = queue.lease(me, 10).await;

    queue.finish(me, &leased, "later", 3_600_000).await;
    queue.enqueue(&[queue.job("lane", second)]).await;

    assert!(queue.lease(me, 10).await.is_empty());
    let due = queue
        .count("select count(*) from lanes where ready_at > now() + interval '50 minutes'")
        .await;
    assert_eq!(due, 1);
}

#[tokio::test]
async fn an_open_transaction_of_a_caller_makes_nobody_wait() {
    let queue = start().await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    let mut caller = queue.admin.begin().await.unwrap();
    sqlx::query(
        "insert into events (firm_id, id, type, data) values ($1, 'open', 'matter.created', '{}')",
    )
    .bind(queue.firm)
    .execute(&mut *caller)
    .await
    .unwrap();

    let work = async {
        queue
            .enqueue(&[queue.job("lane", Uuid::from_u128(11))])
            .await;
        let leased = queue.lease(me, 10).await;
        queue.finish(me, &leased, "delete", 0).await.len()
    };
    let finished = tokio::time::timeout(Duration::from_secs(5), work)
        .await
        .unwrap();

    assert_eq!(finished, 1);
    caller.rollback().await.unwrap();
}

#[tokio::test]
async fn a_lane_given_back_is_found_by_a_visit_however_long_its_job_has_waited() {
    let queue = start().await;
    let (me, other) = (Uuid::from_u128(10), Uuid::from_u128(20));
    queue.register(me).await;
    queue.register(other).await;
    queue
        .enqueue(&[queue.job("lane", Uuid::from_u128(11))])
        .await;
    let leased = queue.lease(me, 10).await;
    let long_ago = "update jobs set run_at = now() - interval '1 hour'";
    queue.admin.execute(long_ago).await.unwrap();

    sqlx::query("select queue_give_back($1, array['lane'], array[$2::bigint])")
        .bind(me)
        .bind(leased[0].fence)
        .execute(&queue.pool)
        .await
        .unwrap();

    // As a worker asks that has just been there and found nothing.
    let floor: DateTime<Utc> = sqlx::query_scalar("select now() - queue_floor_slack()")
        .fetch_one(&queue.pool)
        .await
        .unwrap();
    assert_eq!(visit(&queue, other, floor).await, [leased[0].id]);
}

/// Leases from the first connection, from this floor on.
async fn visit(queue: &TestQueue, worker: Uuid, floor: DateTime<Utc>) -> Vec<Uuid> {
    sqlx::query_scalar(
        "select id from queue_lease($1, 10, 10, array[$2::uuid], array[$3::timestamptz], array[0::bigint], array[false]) where id is not null",
    )
    .bind(worker)
    .bind(connection(0))
    .bind(floor)
    .fetch_all(&queue.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_lane_beside_one_that_waits_for_its_retry_is_found_by_the_next_visit() {
    let queue = start().await;
    let (me, fresh) = (Uuid::from_u128(10), Uuid::from_u128(12));
    queue.register(me).await;
    queue
        .enqueue(&[queue.job("waits", Uuid::from_u128(11))])
        .await;
    let leased = queue.lease(me, 10).await;
    queue.finish(me, &leased, "later", 3_600_000).await;
    let look = "select ready_floor from queue_ready_connections($1, 10)";
    let floor: DateTime<Utc> = sqlx::query_scalar(look)
        .bind(Uuid::nil())
        .fetch_one(&queue.pool)
        .await
        .unwrap();

    queue.enqueue(&[queue.job("fresh", fresh)]).await;

    assert_eq!(visit(&queue, me, floor).await, [fresh]);
}

#[tokio::test]
async fn a_due_lane_that_somebody_has_locked_is_looked_for_again_at_once() {
    let queue = start().await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    queue
        .enqueue(&[queue.job("lane", Uuid::from_u128(11))])
        .await;
    let mut enqueuer = queue.admin.begin().await.unwrap();
    enqueuer
        .execute("select 1 from lanes for update")
        .await
        .unwrap();

    let row = report(&queue, me).await;

    assert_eq!(row.get::<String, _>("found"), "clear");
    assert!(row.get::<i64, _>("wait_ms") < 100);
    enqueuer.rollback().await.unwrap();
    let floor = row.get("ready_floor");
    assert_eq!(visit(&queue, me, floor).await, [Uuid::from_u128(11)]);
}

#[tokio::test]
async fn a_full_connection_tells_whether_a_person_waits() {
    let queue = start().await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    let lanes: Vec<Value> = (0..6)
        .map(|n| queue.job(&n.to_string(), Uuid::from_u128(100 + n)))
        .collect();
    queue.enqueue(&lanes).await;

    let without_person = report(&queue, me).await;
    let mut person = queue.job("person", Uuid::from_u128(200));
    person["priority"] = json!(0);
    let mut second = queue.job("second", Uuid::from_u128(201));
    second["priority"] = json!(0);
    queue.enqueue(&[person, second]).await;
    let with_person = report(&queue, me).await;

    let told = |row: &PgRow| {
        (
            row.get::<String, _>("found"),
            row.get::<Option<i16>, _>("priority"),
        )
    };
    assert_eq!(told(&without_person), ("full".to_owned(), None));
    assert_eq!(told(&with_person), ("full".to_owned(), Some(0)));
}

#[tokio::test]
async fn a_visit_that_had_no_room_tells_whether_a_person_waits() {
    let queue = start().await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    let mut persons = Vec::new();
    for number in 0..2 {
        let mut job = queue.job(&number.to_string(), Uuid::from_u128(100 + number));
        job["priority"] = json!(0);
        persons.push(job);
    }
    queue.enqueue(&persons).await;

    let row = report_with(&queue, me, 1).await;

    assert_eq!(row.get::<String, _>("found"), "more");
    assert_eq!(row.get::<Option<i16>, _>("priority"), Some(0));
}

/// What a visit of the first connection says of it.
async fn report(queue: &TestQueue, worker: Uuid) -> PgRow {
    report_with(queue, worker, 10).await
}

/// The same, of a worker that has `slots` slots.
async fn report_with(queue: &TestQueue, worker: Uuid, slots: i32) -> PgRow {
    sqlx::query(
        "select found, wait_ms, ready_floor, priority
         from queue_lease($1, $3, $3, array[$2::uuid], array[null::timestamptz], array[0::bigint], array[false]) where id is null",
    )
    .bind(worker)
    .bind(connection(0))
    .bind(slots)
    .fetch_one(&queue.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_job_joins_its_waiting_duplicate_and_never_a_running_one() {
    let queue = start().await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    let duplicate = |id: u128| {
        let mut job = queue.job("lane", Uuid::from_u128(id));
        job["dedupe_key"] = json!("same");
        job
    };
    queue.enqueue(&[duplicate(11), duplicate(12)]).await;
    let joined = queue.count("select count(*) from activity where status = 'skipped' and details->>'joined' is not null").await;
    let leased = queue.lease(me, 10).await;

    queue.enqueue(&[duplicate(13)]).await;
    queue.finish(me, &leased, "delete", 0).await;

    assert_eq!(joined, 1);
    assert_eq!(queue.lease(me, 10).await[0].id, Uuid::from_u128(13));
}

#[tokio::test]
async fn the_queues_steps_are_volatile_functions_under_read_committed() {
    let queue = start().await;

    let others = queue
        .count("select count(*) from pg_proc where proname ~ '^queue_(enqueue|lease|finish|take_over|permit|confirm_permit)' and provolatile <> 'v'")
        .await;
    let level: String = sqlx::query_scalar("show transaction_isolation")
        .fetch_one(&queue.pool)
        .await
        .unwrap();

    assert_eq!((others, level.as_str()), (0, "read committed"));
}

#[tokio::test]
async fn a_held_lane_is_looked_up_by_its_key_whatever_the_statistics_say() {
    // One session, so that it reports its counts when it is asked to.
    let queue = TestQueue::start(CONNECTIONS, 1).await;
    let me = Uuid::from_u128(10);
    queue.register(me).await;
    let jobs: Vec<Value> = (0..2_000_u32)
        .map(|n| queue.job(&format!("lane{n}"), Uuid::from_u128(100 + u128::from(n))))
        .collect();
    queue.enqueue(&jobs).await;
    // As analysed now, with nothing held, the index of held lanes looks cheaper than that of all keys.
    queue.admin.execute("analyze lanes").await.unwrap();
    let leased = queue.lease(me, 1).await;
    let before = queue.scans("lanes_held").await;

    let refusal: Option<String> =
        sqlx::query_scalar("select permit_refusal($1, $2, $3, $4, $5, 0, true)")
            .bind(me)
            .bind(&leased[0].lane)
            .bind(leased[0].fence)
            .bind(leased[0].id)
            .bind(connection(0))
            .fetch_one(&queue.pool)
            .await
            .unwrap();
    let written = queue.finish(me, &leased, "delete", 0).await;

    assert_ne!(refusal.as_deref(), Some("lease_lost"));
    assert_eq!(written.len(), 1);
    assert_eq!(queue.scans("lanes_held").await, before);
}
