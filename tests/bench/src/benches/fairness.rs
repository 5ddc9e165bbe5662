//! `fairness`: what another firm's job waits while one firm has 1,000,000 jobs waiting; again while every slot of that firm
//! sends a file for a minute; again while 300 firms are busy. From the job's enqueue to its outcome, by the database's clock.
//! Options: JOBS (the big firm's backlog), SAMPLES, BUSY (jobs of the busy firms together), WORKERS, CONCURRENCY.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use crate::bulk::{self, Due};
use crate::figures::{percentile, rounded};
use crate::load;
use crate::options;
use crate::pgbench;
use crate::report::Report;
use crate::system::{self, BenchSystem, TestServer};
use crate::uploads;
use crate::workload::Workload;

const LANES: u64 = 10_000;
const BUSY_FIRMS: u64 = 300;
const BUSY_LANES: u64 = 3_000;
const MOST_MORE_MS: f64 = 10.0;
const WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);
const REST: Duration = Duration::from_millis(5);
/// Of a minute's upload; the rest is for getting there.
const UPLOAD: Duration = Duration::from_secs(60);
/// Lease and finish, and the enqueue before them.
const COMMITS: f64 = 3.0;
const AIM: &str = "another firm's job: p99 at most 10 ms above that of an idle system, with 1,000,000 jobs of one firm waiting, \
                   with all its slots in a 60 s upload, with 300 busy firms";
const ENDED: &str = "select extract(epoch from finished_at - created_at)::float8 * 1000 as ms from activity where id = $1 and finished_at is not null";

pub(crate) async fn run() -> Result<bool> {
    let samples: u64 = options::number("SAMPLES", 1_000)?;
    let report = Report::new("fairness");
    let server = TestServer::start()?;
    let workers = options::number("WORKERS", 1)?;
    let settings = system::settings(workers, options::number("CONCURRENCY", 64)?);
    let idle = BenchSystem::start_on(Arc::clone(&server), "idle", settings.clone()).await?;
    report.ran_on(&idle.app.admin).await?;
    let small = small_firm(&idle).await?;
    let mut sampler = Sampler {
        field: small,
        next: 0,
    };
    let commits = pgbench::commits_a_second(&idle).await?;
    let base = sampler.measure(&idle, samples, None).await?;
    report.line(base.shown("idle"));
    idle.end().await;

    let mut system =
        BenchSystem::start_on(server, "big", system::settings(0, settings.concurrency)).await?;
    let big = uploads::connected_firm(&system.app, 8_001).await?;
    let field = Workload {
        number: 2,
        priority: 2,
        owner: Some((big.firm, big.connection)),
        ..Workload::new(1, LANES)
    };
    let jobs: u64 = options::number("JOBS", 1_000_000)?;
    let took = bulk::fill(&system.app.admin, &field, (jobs / LANES).max(1), Due::Now).await?;
    report.line(json!({ "what": "backlog", "jobs": jobs, "lanes": LANES, "seconds": rounded(took.as_secs_f64()) }));
    let mut sampler = Sampler {
        field: small_firm(&system).await?,
        next: 0,
    };
    system.add_workers(workers).await?;
    let million = sampler.measure(&system, samples, None).await?;
    report.line(million.shown("one firm's backlog"));

    uploads::fill_slots(&system.app, &big, UPLOAD).await?;
    let uploading = sampler
        .measure(&system, samples, Some(UPLOAD - REST))
        .await?;
    report.line(uploading.shown("its slots in uploads"));

    busy_firms(&system).await?;
    let busy = sampler.measure(&system, samples, None).await?;
    report.line(busy.shown("300 busy firms"));
    system.end().await;

    let most = base.p99() + MOST_MORE_MS;
    let ok = [&million, &uploading, &busy]
        .iter()
        .all(|waits| waits.p99() <= most);
    let figures = json!({ "idle_p99_ms": base.p99(), "backlog_p99_ms": million.p99(), "uploads_p99_ms": uploading.p99(),
        "busy_p99_ms": busy.p99(), "base_per_s": rounded(commits), "base_ms": rounded(COMMITS * 1000.0 / commits),
        "base": "three commits of one row each, one after the other (pgbench, one client)" });
    Ok(report.verdict(ok, AIM, figures))
}

async fn small_firm(system: &BenchSystem) -> Result<Workload> {
    let field = Workload {
        number: 1,
        ..Workload::new(1, 1)
    };
    field.found(&system.app.admin, "clio").await?;
    Ok(field)
}

/// Enqueued as events would, while the workers wait.
async fn busy_firms(system: &BenchSystem) -> Result<()> {
    let field = Workload {
        number: 3,
        first: 10,
        ..Workload::new(BUSY_FIRMS, BUSY_LANES)
    };
    field.found(&system.app.admin, "clio").await?;
    system.hold().await?;
    load::enqueue_range(
        &system.queue,
        &field,
        0..options::number("BUSY", 300_000)?,
        1_000,
    )
    .await?;
    system.let_go().await
}

struct Sampler {
    field: Workload,
    next: u64,
}

struct Waits {
    ms: Vec<f64>,
}

impl Waits {
    fn p99(&self) -> f64 {
        rounded(percentile(&self.ms, 0.99))
    }

    fn shown(&self, when: &str) -> Value {
        let at = |share| rounded(percentile(&self.ms, share));
        json!({ "what": when, "samples": self.ms.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
    }
}

impl Sampler {
    /// One job after the other, each when the one before has ended: `samples` jobs, or fewer when `at_most` has passed.
    async fn measure(
        &mut self,
        system: &BenchSystem,
        samples: u64,
        at_most: Option<Duration>,
    ) -> Result<Waits> {
        let mut ms = Vec::new();
        let measuring = async {
            for _ in 0..samples {
                ms.push(self.one(system).await?);
                tokio::time::sleep(REST).await;
            }
            anyhow::Ok(())
        };
        match at_most {
            None => measuring.await?,
            Some(length) => match tokio::time::timeout(length, measuring).await {
                Ok(measured) => measured?,
                // What was measured until then counts; the one under way is let go.
                Err(_) => self.next += 1,
            },
        }
        Ok(Waits { ms })
    }

    async fn one(&mut self, system: &BenchSystem) -> Result<f64> {
        let number = self.next;
        load::enqueue(&system.queue, vec![self.field.job(number)]).await?;
        self.next += 1;
        let id = self.field.job_id(number);
        let waiting = async {
            loop {
                if let Some(ms) = ended(system, id).await? {
                    return anyhow::Ok(ms);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(WITHIN, waiting)
            .await
            .context("another firm's job did not end")?
    }
}

async fn ended(system: &BenchSystem, id: Uuid) -> Result<Option<f64>> {
    let row = sqlx::query(ENDED)
        .bind(id)
        .fetch_optional(&system.app.admin)
        .await?;
    Ok(row.map(|row| row.get("ms")))
}
