//! Jobs that workers die with: who is judged, and who only stood beside.

use uuid::Uuid;

use super::start;
use super::takeover::{LEASE_MS, SOUND, beat, pass, server_is_up_for_a_lease, take_over};
use crate::test_queue::{Leased, TestQueue};

/// Lanes that one worker holds when it dies.
const BESIDE: u128 = 40;

/// As many waiting jobs, each in a lane of its own and spread over connections, and a worker that takes over from the dead.
async fn begin(jobs: u128) -> TestQueue {
    let queue = start().await;
    for number in 0..jobs {
        let id = Uuid::from_u128(1000 + number);
        let job = queue.job_of((number % 20) as usize, &format!("lane-{number:02}"), id);
        queue.enqueue(&[job]).await;
    }
    queue.register(SOUND).await;
    sqlx::query("update workers set lease_ms = $1, alive_until = app_now() + $1 * interval '1 ms'")
        .bind(LEASE_MS)
        .execute(&queue.admin)
        .await
        .unwrap();
    server_is_up_for_a_lease(&queue).await;
    queue
}

/// A new worker leases all that it may, and dies.
async fn die(queue: &TestQueue, alone: bool) -> Vec<Leased> {
    die_with(queue, alone, "select 1").await
}

/// The same; the statement runs when it has registered.
async fn die_with(queue: &TestQueue, alone: bool, registered: &'static str) -> Vec<Leased> {
    let worker = shared::clock::new_id();
    queue.register_as(worker, alone).await;
    sqlx::query("update workers set lease_ms = $1 where id = $2")
        .bind(LEASE_MS)
        .bind(worker)
        .execute(&queue.admin)
        .await
        .unwrap();
    sqlx::query(registered).execute(&queue.admin).await.unwrap();
    let leased = queue.lease(worker, 100).await;
    sqlx::query("update workers set alive_until = app_now() - interval '1 ms' where id = $1")
        .bind(worker)
        .execute(&queue.admin)
        .await
        .unwrap();
    for _ in 0..4 {
        pass(queue, i64::from(LEASE_MS) / 3).await;
        assert!(beat(queue, SOUND).await);
    }
    assert_eq!(take_over(queue, SOUND).await, leased.len());
    leased
}

async fn failed(queue: &TestQueue) -> i64 {
    queue
        .count("select count(*) from jobs where state = 'failed' and code = 'worker_lost'")
        .await
}

#[tokio::test]
async fn of_forty_jobs_that_workers_died_with_only_the_one_that_was_alone_is_judged() {
    let queue = begin(BESIDE).await;
    for _ in 0..2 {
        assert_eq!(die(&queue, false).await.len(), BESIDE as usize);
    }
    assert_eq!(failed(&queue).await, 0);

    let judged = die(&queue, true).await;

    assert_eq!(judged.len(), 1, "more than one ran alone");
    assert_eq!(failed(&queue).await, 1);
    let alone = Uuid::from_u128(10);
    queue.register_as(alone, true).await;
    let mut done = 0;
    while let [job] = &queue.lease(alone, 100).await[..] {
        assert_ne!(job.id, judged[0].id);
        let one = std::slice::from_ref(job);
        assert_eq!(queue.finish(alone, one, "delete", 0).await.len(), 1);
        done += 1;
    }
    assert_eq!(done, BESIDE as usize - 1);
    assert_eq!(
        queue
            .count("select count(*) from lanes where suspect")
            .await,
        0
    );
    let words = queue
        .count("select count(*) from activity where status = 'failed' and code = 'worker_lost'");
    assert_eq!(words.await, 1);
}

#[tokio::test]
async fn a_lane_goes_on_behind_a_job_that_was_judged() {
    let queue = begin(1).await;
    queue
        .enqueue(&[queue.job("lane-00", Uuid::from_u128(7))])
        .await;
    for alone in [false, false, true] {
        assert_eq!(die(&queue, alone).await[0].id, Uuid::from_u128(1000));
    }

    assert_eq!(queue.lease(SOUND, 10).await[0].id, Uuid::from_u128(7));
}

#[tokio::test]
async fn a_worker_takes_no_suspects_and_one_that_runs_alone_nothing_else() {
    let queue = begin(2).await;
    for _ in 0..2 {
        die(&queue, false).await;
    }
    queue
        .enqueue(&[queue.job("fresh", Uuid::from_u128(7))])
        .await;
    let alone = Uuid::from_u128(10);
    queue.register_as(alone, true).await;

    let suspect = queue.lease(alone, 100).await;
    assert_eq!(suspect.len(), 1);
    assert!(
        queue.lease(alone, 100).await.is_empty(),
        "a second beside the first"
    );
    let others = queue.lease(SOUND, 100).await;

    assert_eq!(others.len(), 1);
    assert_eq!(others[0].id, Uuid::from_u128(7));
    // The visit that may not take it does not come back for it at once.
    let found: String = sqlx::query_scalar(
        "select found || coalesce(wait_ms::text, '') from queue_lease($1, 9, 9, array[$2], array[null::timestamptz], array[0::bigint],
           array[false]) where id is null",
    )
    .bind(SOUND)
    .bind(crate::test_queue::connection(1))
    .fetch_one(&queue.pool)
    .await
    .unwrap();
    assert_eq!(found, "clear");
}

#[tokio::test]
async fn what_comes_behind_a_suspect_runs_beside_others() {
    let queue = begin(1).await;
    for _ in 0..2 {
        die(&queue, false).await;
    }
    let behind = Uuid::from_u128(7);
    queue.enqueue(&[queue.job("lane-00", behind)]).await;
    let alone = Uuid::from_u128(10);
    queue.register_as(alone, true).await;
    let suspect = queue.lease(alone, 1).await;

    // Asked to go on with the lane, it does not.
    let written = queue
        .finish_or_go_on(alone, &suspect, "delete", 0, true)
        .await;
    assert!(written[0].1.is_none());
    assert!(queue.lease(alone, 1).await.is_empty());
    assert_eq!(queue.lease(SOUND, 1).await[0].id, behind);
}

/// It may wait before it comes to what workers die of.
#[tokio::test]
async fn one_that_waits_stays_a_suspect_and_one_that_ends_is_none() {
    for (effect, suspects) in [("later", 1), ("fail", 0), ("delete", 0)] {
        let queue = begin(1).await;
        for _ in 0..2 {
            die(&queue, false).await;
        }
        let alone = Uuid::from_u128(10);
        queue.register_as(alone, true).await;
        let suspect = queue.lease(alone, 1).await;
        queue.finish(alone, &suspect, effect, 0).await;

        let count = queue.count("select count(*) from lanes where suspect");
        assert_eq!(count.await, suspects, "{effect}");
        assert!(queue.lease(SOUND, 1).await.is_empty(), "{effect}");
        assert_eq!(
            queue.lease(alone, 1).await.len() as i64,
            suspects,
            "{effect}"
        );
    }
}

#[tokio::test]
async fn a_lane_whose_suspect_is_cancelled_or_given_back_is_what_its_head_is() {
    let queue = begin(1).await;
    for _ in 0..2 {
        die(&queue, false).await;
    }
    let alone = Uuid::from_u128(10);
    queue.register_as(alone, true).await;
    let suspect = queue.lease(alone, 1).await;
    let given: i32 = sqlx::query_scalar("select queue_give_back($1, array[$2], array[$3::bigint])")
        .bind(alone)
        .bind(&suspect[0].lane)
        .bind(suspect[0].fence)
        .fetch_one(&queue.pool)
        .await
        .unwrap();
    assert_eq!(given, 1);
    assert_eq!(
        queue
            .count("select count(*) from lanes where suspect")
            .await,
        1
    );

    sqlx::query("select queue_cancel($1, $2)")
        .bind(queue.firm)
        .bind(suspect[0].id)
        .execute(&queue.pool)
        .await
        .unwrap();

    assert_eq!(
        queue
            .count("select count(*) from lanes where suspect")
            .await,
        0
    );
}

#[tokio::test]
async fn a_process_is_asked_for_while_more_suspects_wait_than_workers_run_alone() {
    let queue = begin(2).await;
    let lacks = "select queue_lacks_alone()::integer::bigint";
    assert_eq!(queue.count(lacks).await, 0);
    for _ in 0..2 {
        die(&queue, false).await;
    }
    assert_eq!(queue.count(lacks).await, 1);
    sqlx::query("insert into pauses (scope, reason, until, author, created_at) values ('all', 'paused', 'infinity', 'test', now())")
        .execute(&queue.admin)
        .await
        .unwrap();
    assert_eq!(queue.count(lacks).await, 0, "nothing may run");
    sqlx::query("delete from pauses")
        .execute(&queue.admin)
        .await
        .unwrap();

    let alone = Uuid::from_u128(10);
    queue.register_as(alone, true).await;
    assert_eq!(
        queue.count(lacks).await,
        1,
        "two wait, and one worker runs alone"
    );
    queue.lease(alone, 1).await;
    assert_eq!(
        queue.count(lacks).await,
        1,
        "one waits, and the worker is busy"
    );
    // Where nothing may be taken, no process is started in vain: the region is paused, the connection is at its cap.
    let others: Vec<_> = (0..2)
        .map(|number| {
            queue.job_of(
                number,
                &format!("other-{number}"),
                Uuid::from_u128(70 + number as u128),
            )
        })
        .collect();
    queue.enqueue(&others).await;
    assert_eq!(queue.lease(SOUND, 10).await.len(), 2);
    for (held_up, goes_on) in [
        (
            "insert into pauses (scope, reason, until, author, created_at) values ('region:mycase:us', 'operator', 'infinity', 'test', now())",
            "delete from pauses",
        ),
        (
            "update platforms set cap = 1",
            "update platforms set cap = 4",
        ),
    ] {
        sqlx::query(held_up).execute(&queue.admin).await.unwrap();
        assert_eq!(queue.count(lacks).await, 0, "{held_up}");
        sqlx::query(goes_on).execute(&queue.admin).await.unwrap();
        assert_eq!(queue.count(lacks).await, 1, "{goes_on}");
    }
}

/// A process that runs alone dies with its machine: then the worker that has started it is dead too.
#[tokio::test]
async fn one_whose_machine_died_is_judged_only_when_it_happens_again_and_again() {
    let queue = begin(1).await;
    for _ in 0..2 {
        die(&queue, false).await;
    }
    let machine = "update workers set started_by = gen_random_uuid() where alone";
    for lost in 3..=6 {
        assert_eq!(failed(&queue).await, 0, "after {} losses", lost - 1);
        assert_eq!(die_with(&queue, true, machine).await.len(), 1);
    }
    assert_eq!(failed(&queue).await, 1);
}
