//! The queue's own steps under concurrent connections: the races that a merged statement loses.
//! Each was seen to fail where lock and read are one statement: lanes idle for ever, finished jobs handed out again,
//! a stale outcome accepted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use crate::queue_stage::{Leased, QueueStage};

const LANES: usize = 300;
const ROUNDS: usize = 120;

/// Lanes are spread over so many connections of a platform whose cap is 4.
const CONNECTIONS: usize = 75;
const CAP: i64 = 4;

async fn start() -> QueueStage {
    QueueStage::start(CONNECTIONS, 16).await
}

#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    /// Lane → fence → seq of what ran to its end: fences only grow, so they tell the order of running.
    ran: Mutex<HashMap<String, BTreeMap<i64, i64>>>,
    stale_tried: AtomicU64,
    stale_written: AtomicU64,
    gone_handed_out: AtomicU64,
    went_on: AtomicU64,
    above_cap: AtomicU64,
}

fn seed() -> u64 {
    std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_120)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enqueue_lease_finish_and_takeover_at_once_lose_nothing_and_keep_every_lane_in_order() {
    harness::say(&format!("seed {}", seed()));
    let (stage, seen, ended) = (
        Arc::new(start().await),
        Arc::new(Seen::default()),
        Arc::new(AtomicBool::new(false)),
    );

    let enqueuers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(enqueuer(stage.clone(), seen.clone(), n)))
        .collect();
    let workers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(worker(stage.clone(), seen.clone(), ended.clone(), n)))
        .collect();
    let auditor = tokio::spawn(auditor(stage.clone(), ended.clone()));
    for enqueuer in enqueuers {
        enqueuer.await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    let breaches = auditor.await.unwrap();

    let ran = std::mem::take(&mut *seen.ran.lock().unwrap());
    let total: usize = ran.values().map(BTreeMap::len).sum();
    assert_eq!(breaches, Vec::<String>::new(), "seen by the auditor");
    assert_eq!(stage.stuck().await, 0, "lanes idle with a job");
    assert_eq!(
        stage.count("select count(*) from jobs").await,
        0,
        "jobs left"
    );
    assert_eq!(
        total as u64,
        seen.sent.load(Ordering::SeqCst),
        "lost or doubled"
    );
    assert!(
        ran.values()
            .all(|seqs| seqs.values().is_sorted_by(|a, b| a < b)),
        "a lane's order was broken"
    );
    assert_eq!(
        seen.gone_handed_out.load(Ordering::SeqCst),
        0,
        "a finished job was handed out again"
    );
    assert!(
        seen.stale_tried.load(Ordering::SeqCst) > 20,
        "no takeover happened"
    );
    assert_eq!(
        seen.stale_written.load(Ordering::SeqCst),
        0,
        "a stale outcome was accepted"
    );
    assert!(
        seen.went_on.load(Ordering::SeqCst) > 20,
        "nobody went on with a lane"
    );
    assert_eq!(
        seen.above_cap.load(Ordering::SeqCst),
        0,
        "a connection's cap was passed"
    );
}

/// Looks at everything again and again while everything moves: at no moment may a rule be broken.
async fn auditor(stage: Arc<QueueStage>, ended: Arc<AtomicBool>) -> Vec<String> {
    let mut breaches = Vec::new();
    loop {
        let was_ended = ended.load(Ordering::SeqCst);
        let found: Vec<String> = sqlx::query_scalar(
            "select rule || ' ' || coalesce(lane, connection_id::text) from (
               select * from audit_lanes(array(select key from lanes))
               union all select * from audit_jobs(array(select id from jobs))
               union all select * from audit_held()) x",
        )
        .fetch_all(&stage.pool)
        .await
        .unwrap();
        breaches.extend(found);
        if was_ended {
            return breaches;
        }
    }
}

async fn enqueuer(stage: Arc<QueueStage>, seen: Arc<Seen>, number: u64) {
    let mut random = StdRng::seed_from_u64(seed() + number);
    for _ in 0..ROUNDS {
        // Several lanes in one call and in no order: the function must lock them in key order by itself.
        let mut lanes: Vec<usize> = (0..5).map(|_| random.random_range(0..LANES)).collect();
        lanes.shuffle(&mut random);
        let jobs: Vec<Value> = lanes
            .iter()
            .map(|lane| {
                let id = Uuid::from_u128(random.random());
                stage.job_of(lane % CONNECTIONS, &format!("lane{lane}"), id)
            })
            .collect();
        stage.enqueue(&jobs).await;
        seen.sent.fetch_add(jobs.len() as u64, Ordering::SeqCst);
    }
}

async fn worker(stage: Arc<QueueStage>, seen: Arc<Seen>, ended: Arc<AtomicBool>, number: u64) {
    let mut random = StdRng::seed_from_u64(seed() + 100 + number);
    let me = Uuid::from_u128(1000 + u128::from(number));
    stage.register(me).await;
    loop {
        let was_ended = ended.load(Ordering::SeqCst);
        let leased = stage.lease(me, random.random_range(1..40)).await;
        if leased.is_empty() {
            if was_ended && stage.count("select count(*) from jobs").await == 0 {
                return;
            }
            tokio::task::yield_now().await;
            continue;
        }
        check_cap(&stage, &seen).await;
        if random.random_bool(0.2) {
            stall_past_a_takeover(&stage, &seen, me, &leased).await;
            continue;
        }
        finish_all(&stage, &seen, me, leased, random.random()).await;
    }
}

async fn check_cap(stage: &QueueStage, seen: &Seen) {
    let most = "select coalesce(max(held), 0) from (select count(*) as held from lanes where worker is not null group by connection_id) h";
    if stage.count(most).await > CAP - 1 {
        // One of the four is kept for people, and nobody waits here.
        seen.above_cap.fetch_add(1, Ordering::SeqCst);
    }
}

async fn read_seqs(stage: &QueueStage, leased: &[Leased]) -> BTreeMap<Uuid, i64> {
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let rows = sqlx::query("select id, seq from jobs where id = any($1)")
        .bind(ids)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// This worker is declared dead, its lanes are freed; then it finishes all the same.
async fn stall_past_a_takeover(stage: &QueueStage, seen: &Seen, me: Uuid, leased: &[Leased]) {
    for job in leased {
        sqlx::query("select queue_release_lost($1, $2) from lanes where key = $1 and worker = $3 for update")
            .bind(&job.lane)
            .bind(job.id)
            .bind(me)
            .execute(&stage.pool)
            .await
            .unwrap();
        // What it lost does not count as three deaths of the job here.
        sqlx::query("update jobs set lost_attempts = 0 where id = $1")
            .bind(job.id)
            .execute(&stage.pool)
            .await
            .unwrap();
    }
    let written = stage.finish(me, leased, "delete", 0).await;
    seen.stale_tried
        .fetch_add(leased.len() as u64, Ordering::SeqCst);
    seen.stale_written
        .fetch_add(written.len() as u64, Ordering::SeqCst);
}

/// Finishes all, going on with the lanes' next jobs or not.
async fn finish_all(stage: &QueueStage, seen: &Seen, me: Uuid, mut left: Vec<Leased>, go_on: bool) {
    while !left.is_empty() {
        let seqs = read_seqs(stage, &left).await;
        if seqs.len() != left.len() {
            seen.gone_handed_out.fetch_add(1, Ordering::SeqCst);
        }
        let mut written: HashMap<_, _> = stage
            .finish_or_go_on(me, &left, "delete", 0, go_on)
            .await
            .into_iter()
            .collect();
        let mut ran = seen.ran.lock().unwrap();
        left = left
            .into_iter()
            .filter_map(|job| match written.remove(&job.lane) {
                // Its lane was locked by somebody: once more.
                None => Some(job),
                Some(next) => {
                    let seqs_of_lane = ran.entry(job.lane).or_default();
                    seqs_of_lane.insert(job.fence, seqs[&job.id]);
                    seen.went_on
                        .fetch_add(u64::from(next.is_some()), Ordering::SeqCst);
                    next
                }
            })
            .collect();
    }
}

#[tokio::test]
async fn a_head_that_waits_for_its_retry_keeps_its_lane_waiting() {
    let stage = start().await;
    let (me, first, second) = (
        Uuid::from_u128(10),
        Uuid::from_u128(11),
        Uuid::from_u128(12),
    );
    stage.register(me).await;
    stage.enqueue(&[stage.job("lane", first)]).await;
    let leased = stage.lease(me, 10).await;

    stage.finish(me, &leased, "later", 3_600_000).await;
    stage.enqueue(&[stage.job("lane", second)]).await;

    assert!(stage.lease(me, 10).await.is_empty());
    let due = stage
        .count("select count(*) from lanes where ready_at > now() + interval '50 minutes'")
        .await;
    assert_eq!(due, 1);
}

#[tokio::test]
async fn an_open_transaction_of_a_caller_makes_nobody_wait() {
    let stage = start().await;
    let me = Uuid::from_u128(10);
    stage.register(me).await;
    let mut caller = stage.admin.begin().await.unwrap();
    sqlx::query(
        "insert into events (firm_id, id, type, data) values ($1, 'open', 'matter.created', '{}')",
    )
    .bind(stage.firm)
    .execute(&mut *caller)
    .await
    .unwrap();

    let work = async {
        stage
            .enqueue(&[stage.job("lane", Uuid::from_u128(11))])
            .await;
        let leased = stage.lease(me, 10).await;
        stage.finish(me, &leased, "delete", 0).await.len()
    };
    let finished = tokio::time::timeout(Duration::from_secs(5), work)
        .await
        .unwrap();

    assert_eq!(finished, 1);
    caller.rollback().await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_lease_has_lapsed_gets_no_lanes_and_its_own_are_taken_over_once() {
    let stage = start().await;
    let (dead, other) = (Uuid::from_u128(10), Uuid::from_u128(20));
    stage.register(dead).await;
    stage.register(other).await;
    stage
        .enqueue(&[stage.job("lane", Uuid::from_u128(11))])
        .await;
    let leased = stage.lease(dead, 10).await;
    let lapse = "update workers set alive_until = now() - interval '1 second' where id = $1";
    sqlx::query(lapse)
        .bind(dead)
        .execute(&stage.admin)
        .await
        .unwrap();
    let elder =
        "update workers set started_at = now() - interval '1 hour', lease_ms = 1 where id = $1";
    sqlx::query(elder)
        .bind(other)
        .execute(&stage.admin)
        .await
        .unwrap();

    assert!(stage.lease(dead, 10).await.is_empty());
    let freed: Vec<Uuid> = sqlx::query_scalar("select queue_take_over($1, 100)")
        .bind(other)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    let again = stage.lease(other, 10).await;

    assert_eq!((freed.len(), again.len()), (1, 1));
    assert!(again[0].fence > leased[0].fence);
    assert!(
        stage.finish(dead, &leased, "delete", 0).await.is_empty(),
        "a stale outcome was accepted"
    );
    let beat: bool = sqlx::query_scalar("select queue_beat($1)")
        .bind(dead)
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert!(!beat, "the dead worker was not told");
}

#[tokio::test]
async fn a_job_that_takes_its_worker_down_three_times_fails_and_frees_its_lane() {
    let stage = start().await;
    let (me, bad, good) = (
        Uuid::from_u128(10),
        Uuid::from_u128(11),
        Uuid::from_u128(12),
    );
    stage.register(me).await;
    stage
        .enqueue(&[stage.job("lane", bad), stage.job("lane", good)])
        .await;

    for _ in 0..3 {
        let leased = stage.lease(me, 10).await;
        assert_eq!(leased[0].id, bad);
        sqlx::query("select queue_release_lost('lane', $1)")
            .bind(bad)
            .execute(&stage.pool)
            .await
            .unwrap();
    }

    assert_eq!(stage.lease(me, 10).await[0].id, good);
    assert_eq!(
        stage
            .count("select count(*) from activity where code = 'worker_lost' and status = 'failed'")
            .await,
        1
    );
    assert_eq!(
        stage
            .count("select count(*) from jobs where state = 'failed' and code = 'worker_lost'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_job_joins_its_waiting_twin_and_never_a_running_one() {
    let stage = start().await;
    let me = Uuid::from_u128(10);
    stage.register(me).await;
    let twin = |id: u128| {
        let mut job = stage.job("lane", Uuid::from_u128(id));
        job["dedupe_key"] = json!("same");
        job
    };
    stage.enqueue(&[twin(11), twin(12)]).await;
    let joined = stage.count("select count(*) from activity where status = 'skipped' and details->>'joined' is not null").await;
    let leased = stage.lease(me, 10).await;

    stage.enqueue(&[twin(13)]).await;
    stage.finish(me, &leased, "delete", 0).await;

    assert_eq!(joined, 1);
    assert_eq!(stage.lease(me, 10).await[0].id, Uuid::from_u128(13));
}

#[tokio::test]
async fn the_queues_steps_are_volatile_functions_under_read_committed() {
    let stage = start().await;

    let others = stage
        .count("select count(*) from pg_proc where proname ~ '^queue_(enqueue|lease|finish|take_over|permit)' and provolatile <> 'v'")
        .await;
    let level: String = sqlx::query_scalar("show transaction_isolation")
        .fetch_one(&stage.pool)
        .await
        .unwrap();

    assert_eq!((others, level.as_str()), (0, "read committed"));
}
