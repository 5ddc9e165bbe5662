//! `takeover`: a worker that holds 100 lanes of 100 connections, each in a call that only reads, is killed (SIGKILL): how long
//! until all of them run on another worker.
//! Options: JOBS (lanes), ROUNDS.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::clock;
use crate::figures::{percentile, rounded};
use crate::options;
use crate::pgbench;
use crate::report::Report;
use crate::system::{self, BenchSystem};
use crate::uploads;

const SPARE: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_secs(90);
/// The other one has to have renewed for a lease length itself.
const SEASONED: Duration = Duration::from_secs(2);
const AIM: &str =
    "lanes of a killed worker without an open intent run elsewhere within the lease time + 1 s";
const HELD_BY: &str = "select count(*) from lanes where worker = $1";
const WORKERS: &str = "select id from workers order by started_at";
const OPEN: &str = "select count(*) from links where state = 'creating'";

pub(crate) async fn run() -> Result<bool> {
    let lanes: u64 = options::number("JOBS", 100)?;
    let rounds: u32 = options::number("ROUNDS", 1)?;
    let report = Report::new("takeover");
    let (mut took, mut limit) = (Vec::new(), 0.0);
    for round in 0..rounds {
        let settings = system::settings(0, 256);
        let lease = settings.lease;
        let system = BenchSystem::start(settings).await?;
        if round == 0 {
            report.ran_on(&system.app.admin).await?;
            limit = pgbench::commits_a_second(&system).await?;
        }
        let seconds = once(system, lanes).await?.as_secs_f64();
        report.line(json!({ "what": "round", "lanes": lanes, "lease_s": lease.as_secs(), "all_elsewhere_after_s": rounded(seconds) }));
        took.push(seconds);
        if round + 1 == rounds {
            let (worst, aim) = (percentile(&took, 1.0), (lease + SPARE).as_secs_f64());
            let figures = json!({ "lanes": lanes, "lease_s": lease.as_secs(), "worst_s": rounded(worst), "base_s": lease.as_secs(),
                "base": "the lease itself", "base_per_s": rounded(limit) });
            return Ok(report.verdict(worst <= aim, AIM, figures));
        }
    }
    anyhow::bail!("ROUNDS must be at least 1")
}

async fn once(mut system: BenchSystem, lanes: u64) -> Result<Duration> {
    let mut uploads = Vec::new();
    for number in 0..lanes {
        let firm = uploads::connected_firm(&system.app, 20_000 + number).await?;
        uploads.extend(firm.matter_with(&system.app, 0, 1).await?);
    }
    // Every job stands in its first read: nothing was sent that could have made anything.
    let hang = json!({ "hang": true });
    system
        .app
        .fault("GET", "/api/v4/*", 1_000_000, &hang)
        .await?;
    system.add_workers(1).await?;
    system.app.approve(&uploads).await?;
    let first = worker(&system, 0).await?;
    held(&system, first, lanes)
        .await
        .context("the first worker did not take all lanes")?;
    anyhow::ensure!(system.app.count(OPEN).await? == 0, "an intent is open");
    system.add_workers(1).await?;
    let second = worker(&system, 1).await?;
    // Reads hang for 30 s at most: the lease length, and no more, is waited for.
    tokio::time::sleep(system.app.settings.lease + SEASONED).await;
    system.app.workers[0].kill9()?;
    let killed = clock::now();
    held(&system, second, lanes)
        .await
        .context("the lanes were not taken over")?;
    let took = killed.elapsed();
    system.end().await;
    Ok(took)
}

async fn worker(system: &BenchSystem, number: usize) -> Result<uuid::Uuid> {
    harness::eventually(WITHIN, || async {
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar(WORKERS)
            .fetch_all(&system.app.admin)
            .await
            .ok()?;
        ids.get(number).copied()
    })
    .await
}

async fn held(system: &BenchSystem, worker: uuid::Uuid, lanes: u64) -> Result<()> {
    harness::eventually(WITHIN, || async {
        let held = sqlx::query_scalar::<_, i64>(HELD_BY).bind(worker);
        let held = held.fetch_one(&system.app.admin).await.ok()?;
        (held >= lanes as i64).then_some(())
    })
    .await
}
