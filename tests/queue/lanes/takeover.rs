//! Workers that die, that only seem to, and that come back.

use uuid::Uuid;

use super::start;
use crate::support::SOON;
use crate::test_queue::TestQueue;

const SICK: Uuid = Uuid::from_u128(10);
pub(super) const SOUND: Uuid = Uuid::from_u128(20);

/// A lease of the tests' workers.
pub(super) const LEASE_MS: i32 = 5_000;

/// Two workers that have renewed their leases for an hour, and one waiting job in each of the lanes.
async fn elders(lanes: &[&str]) -> TestQueue {
    let queue = start().await;
    for worker in [SICK, SOUND] {
        queue.register(worker).await;
    }
    sqlx::query("update workers set lease_ms = $1, alive_until = app_now() + $1 * interval '1 ms'")
        .bind(LEASE_MS)
        .execute(&queue.admin)
        .await
        .unwrap();
    pass(&queue, 3_600_000).await;
    assert!(beat(&queue, SICK).await && beat(&queue, SOUND).await);
    for _ in 0..4 {
        pass(&queue, i64::from(LEASE_MS) / 3).await;
        assert!(beat(&queue, SICK).await && beat(&queue, SOUND).await);
    }
    for (number, lane) in lanes.iter().enumerate() {
        let job = queue.job(lane, Uuid::from_u128(1000 + number as u128));
        queue.enqueue(&[job]).await;
    }
    server_is_up_for_a_lease(&queue).await;
    queue
}

/// A takeover waits until the server has been up for one lease.
pub(super) async fn server_is_up_for_a_lease(queue: &TestQueue) {
    let up = "select count(*) from (select pg_postmaster_start_time() + interval '5 s' <= clock_timestamp() as up) x where up";
    let is_up = async || (queue.count(up).await == 1).then_some(());
    harness::eventually(SOON, is_up).await.unwrap();
}

/// Time passes for the workers' leases.
pub(super) async fn pass(queue: &TestQueue, ms: i64) {
    sqlx::query(
        "update workers set started_at = started_at - $1 * interval '1 ms',
           renewed_since = renewed_since - $1 * interval '1 ms', alive_until = alive_until - $1 * interval '1 ms'",
    )
    .bind(ms)
    .execute(&queue.admin)
    .await
    .unwrap();
}

pub(super) async fn beat(queue: &TestQueue, worker: Uuid) -> bool {
    sqlx::query_scalar("select queue_heartbeat($1)")
        .bind(worker)
        .fetch_one(&queue.pool)
        .await
        .unwrap()
}

/// The number of lanes that the worker takes from others.
pub(super) async fn take_over(queue: &TestQueue, worker: Uuid) -> usize {
    let freed: Vec<Uuid> = sqlx::query_scalar("select queue_take_over($1, 100)")
        .bind(worker)
        .fetch_all(&queue.pool)
        .await
        .unwrap();
    freed.len()
}

#[tokio::test]
async fn the_lanes_of_a_worker_whose_lease_has_ended_are_taken_over_once() {
    let queue = elders(&["lane"]).await;
    let leased = queue.lease(SICK, 10).await;
    for _ in 0..4 {
        pass(&queue, i64::from(LEASE_MS) / 3).await;
        assert!(beat(&queue, SOUND).await);
    }

    assert!(queue.lease(SICK, 10).await.is_empty());
    assert_eq!(take_over(&queue, SOUND).await, 1);
    let again = queue.lease(SOUND, 10).await;

    assert!(again[0].fence > leased[0].fence);
    assert!(
        queue.finish(SICK, &leased, "delete", 0).await.is_empty(),
        "a stale outcome was accepted"
    );
    assert!(
        !beat(&queue, SICK).await,
        "the dead worker's heartbeat was accepted"
    );
}

/// What an outage leaves: for this share of a lease no worker renewed; then one comes back before the other.
async fn robbed_after_an_outage(queue: &TestQueue, leases: f64) -> usize {
    pass(queue, (f64::from(LEASE_MS) * leases) as i64).await;
    assert!(beat(queue, SOUND).await);
    take_over(queue, SOUND).await
}

#[tokio::test]
async fn the_first_to_come_back_after_an_outage_robs_nobody() {
    let queue = elders(&["lane"]).await;
    assert_eq!(queue.lease(SICK, 10).await.len(), 1);

    // The sick one beat a third of a lease before the sound one, so its lease ends in the shortest of these outages.
    pass(&queue, i64::from(LEASE_MS) / 3).await;
    assert!(beat(&queue, SOUND).await);
    for leases in [0.7, 0.9, 1.1, 1.5, 3.0, 100.0] {
        assert_eq!(
            robbed_after_an_outage(&queue, leases).await,
            0,
            "after {leases} leases"
        );
    }
    assert!(beat(&queue, SICK).await, "its row is gone");
    assert_eq!(queue.count("select count(*) from attempts").await, 0);
}

#[tokio::test]
async fn who_does_not_come_back_is_taken_over_a_lease_after_the_outage() {
    let queue = elders(&["lane"]).await;
    assert_eq!(queue.lease(SICK, 10).await.len(), 1);
    assert_eq!(robbed_after_an_outage(&queue, 1.5).await, 0);

    for _ in 0..3 {
        pass(&queue, i64::from(LEASE_MS) / 3).await;
        assert!(beat(&queue, SOUND).await);
    }
    pass(&queue, 3).await;
    assert_eq!(take_over(&queue, SOUND).await, 1);
}

#[tokio::test]
async fn a_lease_that_commits_late_is_held_by_a_worker_that_is_there() {
    let queue = elders(&["lane"]).await;
    let mut leaser = queue.pool.begin().await.unwrap();
    let leased = sqlx::query(
        "select id from queue_lease($1, 1, 1, array[$2], array[null::timestamptz], array[0::bigint], array[false])
         where id is not null",
    )
    .bind(SICK)
    .bind(crate::test_queue::connection(0))
    .fetch_all(&mut *leaser)
    .await
    .unwrap();
    assert_eq!(leased.len(), 1);

    // Its lease ends before its commit comes; the takeover sees no lane of it yet.
    for _ in 0..4 {
        pass(&queue, i64::from(LEASE_MS) / 3).await;
        assert!(beat(&queue, SOUND).await);
    }
    assert_eq!(take_over(&queue, SOUND).await, 0);
    leaser.commit().await.unwrap();

    let nobodys = "select count(*) from lanes lane where lane.worker is not null
      and not exists (select 1 from workers worker where worker.id = lane.worker)";
    assert_eq!(queue.count(nobodys).await, 0, "lanes held by nobody");
    assert_eq!(take_over(&queue, SOUND).await, 1);
    assert_eq!(queue.lease(SOUND, 10).await.len(), 1);
}

#[tokio::test]
async fn a_worker_whose_row_was_taken_while_it_asked_gets_no_lane() {
    let queue = elders(&["lane"]).await;
    let mut taker = queue.admin.begin().await.unwrap();
    sqlx::query("delete from workers where id = $1")
        .bind(SICK)
        .execute(&mut *taker)
        .await
        .unwrap();
    let asks = queue.lease(SICK, 10);
    let ends = async {
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting = async || (queue.count(waits).await == 1).then_some(());
        harness::eventually(SOON, waiting).await.unwrap();
        taker.commit().await.unwrap();
    };

    let (leased, ()) = tokio::join!(asks, ends);

    assert!(leased.is_empty());
    assert_eq!(
        queue
            .count("select count(*) from lanes where worker is not null")
            .await,
        0
    );
}
