//! Under concurrent connections: the races that a merged statement loses. Each was seen to fail where lock and read are one
//! statement: lanes idle for ever, finished jobs handed out again, a stale outcome accepted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::{CONNECTIONS, start};
use crate::test_queue::{Leased, TestQueue};

const LANES: usize = 300;
const ROUNDS: usize = 120;

const CAP: i64 = 4;

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
    let (queue, seen, ended) = (
        Arc::new(start().await),
        Arc::new(Seen::default()),
        Arc::new(AtomicBool::new(false)),
    );

    let enqueuers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(enqueuer(queue.clone(), seen.clone(), n)))
        .collect();
    let workers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(worker(queue.clone(), seen.clone(), ended.clone(), n)))
        .collect();
    let auditor = tokio::spawn(auditor(queue.clone(), ended.clone()));
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
    assert_eq!(queue.stuck().await, 0, "lanes idle with a job");
    assert_eq!(
        queue.count("select count(*) from jobs").await,
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
        "no worker went on with a lane"
    );
    assert_eq!(
        seen.above_cap.load(Ordering::SeqCst),
        0,
        "a connection's cap was passed"
    );
}

/// Looks at everything again and again while everything moves: at no moment may a rule be broken.
async fn auditor(queue: Arc<TestQueue>, ended: Arc<AtomicBool>) -> Vec<String> {
    let mut breaches = Vec::new();
    loop {
        let was_ended = ended.load(Ordering::SeqCst);
        let found: Vec<String> = sqlx::query_scalar(
            "select rule || ' ' || coalesce(lane, connection_id::text) from (
               select * from audit_lanes(array(select key from lanes))
               union all select * from audit_jobs(array(select id from jobs))
               union all select * from audit_held()) x",
        )
        .fetch_all(&queue.pool)
        .await
        .unwrap();
        breaches.extend(found);
        if was_ended {
            return breaches;
        }
    }
}

async fn enqueuer(queue: Arc<TestQueue>, seen: Arc<Seen>, number: u64) {
    let mut random = StdRng::seed_from_u64(seed() + number);
    for _ in 0..ROUNDS {
        // Several lanes in one call and in no order: the function must lock them in key order by itself.
        let mut lanes: Vec<usize> = (0..5).map(|_| random.random_range(0..LANES)).collect();
        lanes.shuffle(&mut random);
        let jobs: Vec<Value> = lanes
            .iter()
            .map(|lane| {
                let id = Uuid::from_u128(random.random());
                queue.job_of(lane % CONNECTIONS, &format!("lane{lane}"), id)
            })
            .collect();
        queue.enqueue(&jobs).await;
        seen.sent.fetch_add(jobs.len() as u64, Ordering::SeqCst);
    }
}

async fn worker(queue: Arc<TestQueue>, seen: Arc<Seen>, ended: Arc<AtomicBool>, number: u64) {
    let mut random = StdRng::seed_from_u64(seed() + 100 + number);
    let me = Uuid::from_u128(1000 + u128::from(number));
    queue.register(me).await;
    loop {
        let was_ended = ended.load(Ordering::SeqCst);
        let leased = queue.lease(me, random.random_range(1..40)).await;
        if leased.is_empty() {
            if was_ended && queue.count("select count(*) from jobs").await == 0 {
                return;
            }
            tokio::task::yield_now().await;
            continue;
        }
        check_cap(&queue, &seen).await;
        if random.random_bool(0.2) {
            stall_past_a_takeover(&queue, &seen, me, &leased).await;
            continue;
        }
        finish_all(&queue, &seen, me, leased, random.random()).await;
    }
}

async fn check_cap(queue: &TestQueue, seen: &Seen) {
    let most = "select coalesce(max(held), 0) from (select count(*) as held from lanes where worker is not null group by connection_id) h";
    if queue.count(most).await > CAP - 1 {
        // One of the 4 is kept for people, and no person waits here.
        seen.above_cap.fetch_add(1, Ordering::SeqCst);
    }
}

async fn read_seqs(queue: &TestQueue, leased: &[Leased]) -> BTreeMap<Uuid, i64> {
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let rows = sqlx::query("select id, seq from jobs where id = any($1)")
        .bind(ids)
        .fetch_all(&queue.pool)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// This worker is declared dead, its lanes are freed; then it finishes all the same.
async fn stall_past_a_takeover(queue: &TestQueue, seen: &Seen, me: Uuid, leased: &[Leased]) {
    for job in leased {
        sqlx::query("select queue_release_lost($1, $2) from lanes where key = $1 and worker = $3 for update")
            .bind(&job.lane)
            .bind(job.id)
            .bind(me)
            .execute(&queue.pool)
            .await
            .unwrap();
        // What it lost does not count as three deaths of the job here.
        sqlx::query("update jobs set lost_attempts = 0 where id = $1")
            .bind(job.id)
            .execute(&queue.pool)
            .await
            .unwrap();
    }
    let written = queue.finish(me, leased, "delete", 0).await;
    seen.stale_tried
        .fetch_add(leased.len() as u64, Ordering::SeqCst);
    seen.stale_written
        .fetch_add(written.len() as u64, Ordering::SeqCst);
}

/// Finishes all, going on with the lanes' next jobs or not.
async fn finish_all(
    queue: &TestQueue,
    seen: &Seen,
    me: Uuid,
    mut left: Vec<Leased>,
    continue_lane: bool,
) {
    while !left.is_empty() {
        let seqs = read_seqs(queue, &left).await;
        if seqs.len() != left.len() {
            seen.gone_handed_out.fetch_add(1, Ordering::SeqCst);
        }
        let mut written: HashMap<_, _> = queue
            .finish_or_go_on(me, &left, "delete", 0, continue_lane)
            .await
            .into_iter()
            .collect();
        let mut ran = seen.ran.lock().unwrap();
        left = left
            .into_iter()
            .filter_map(|job| match written.remove(&job.lane) {
                // Another worker had locked its lane: once more.
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
