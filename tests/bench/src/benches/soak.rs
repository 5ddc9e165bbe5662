//! `soak`: twenty minutes at half of `drain`'s steady rate: what jobs wait, and what the worker and the tables hold, must not
//! grow. The length is cut into twenty slices, a minute each; the second is what the last one is compared with.
//! Options: SECONDS, RATE (jobs a second; else half of what is measured first), WORKERS, CONCURRENCY.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sqlx::Row;

use crate::figures::{median, rounded};
use crate::load::{Load, Pace};
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem};
use crate::workload::{Books, Workload};

use super::drain::{self, LANES, WAITING, limit, once, steady};

const SLICES: u32 = 20;
const JOBS: u64 = 20_000;
const WARM_UP_JOBS: u64 = 3 * JOBS;
const MEASURED: Duration = Duration::from_mins(1);
const SLOWER: f64 = 1.2;
/// A resident memory that grows by less is an allocator's, not a leak's.
const MORE_MEMORY: f64 = 1.1;
const MORE_MEMORY_MIB: u64 = 8;
/// Tables without history breathe with their vacuum.
const LARGER: f64 = 1.5;
const LARGER_MIB: i64 = 16;
const WITHIN: Duration = Duration::from_secs(120);
const AIM: &str = "20 minutes at half of drain's rate: p99 of the last minute within 1.2 x of the second's, memory flat, tables and indexes bounded";
const WAITED: &str = "
    select width_bucket(extract(epoch from finished_at)::float8, $1, $2, $3) as slice, count(*) as jobs,
      percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from finished_at - created_at)::float8 * 1000) as ms
    from activity where finished_at >= to_timestamp($1) and finished_at < to_timestamp($2) group by slice order by slice";

/// What there was at a slice's end.
#[derive(Debug, Clone, Copy)]
struct Held {
    rss_mib: u64,
    lanes_mib: i64,
    jobs_mib: i64,
    history_mib: i64,
}

pub(crate) async fn run() -> Result<bool> {
    let length = options::seconds(1_200)?;
    let report = Report::new("soak");
    let settings = system::settings(
        options::number("WORKERS", 1)?,
        options::number("CONCURRENCY", 500)?,
    );
    let system = Arc::new(BenchSystem::start(settings).await?);
    report.ran_on(&system.app.admin).await?;
    let field = Workload::new(LANES, LANES);
    field.found(&system.app.admin, "clio").await?;
    let limit = limit::limit(&system, JOBS).await?;
    warm(&system, &field).await?;
    let steady = steady::steady(&system, &field, WARM_UP_JOBS, WAITING, MEASURED).await?;
    let (rate, first) = (
        options::number("RATE", steady.jobs_per_s / 2.0)?,
        steady.next,
    );

    let executed = system.executed().await?;
    let load = Load::start(&system, field, first, Pace::Rate(rate), executed);
    let from = system.database_now().await?;
    let mut held = Vec::new();
    for _ in 0..SLICES {
        tokio::time::sleep(length / SLICES).await;
        held.push(Held::read(&system).await?);
    }
    let until = system.database_now().await?;
    let sent = load.stop().await?;
    system.wait_empty(WITHIN).await?;
    let waits = waits(&system, from, until).await?;
    for (number, (held, wait)) in held.iter().zip(&waits).enumerate() {
        report.line(json!({ "what": "slice", "number": number + 1, "seconds": (length / SLICES).as_secs_f64(), "jobs_per_s": rounded(wait.jobs_per_s),
            "p50_ms": rounded(wait.p50_ms), "p99_ms": rounded(wait.p99_ms), "worker_rss_mib": held.rss_mib, "lanes_mib": held.lanes_mib,
            "jobs_mib": held.jobs_mib, "history_mib": held.history_mib }));
    }
    let books = Books::read(&system.app.admin, &field).await?;
    drain::end(system).await?;

    let [Some(early), Some(late)] = [held.get(1), held.last()] else {
        anyhow::bail!("nothing was measured");
    };
    let (Some(quick), Some(slow), true) =
        (waits.get(1), waits.last(), waits.len() == SLICES as usize)
    else {
        anyhow::bail!("in some slices nothing ended at all");
    };
    let slower = slow.p99_ms / quick.p99_ms;
    let ok = slower <= SLOWER && late.is_bounded_by(early) && books.hold(sent);
    let figures = json!({ "rate": rounded(rate), "jobs_per_s": rounded(median(&waits.iter().map(|w| w.jobs_per_s).collect::<Vec<_>>())),
        "p99_last_of_second": rounded(slower), "rss_mib": [early.rss_mib, late.rss_mib], "lanes_mib": [early.lanes_mib, late.lanes_mib],
        "jobs_mib": [early.jobs_mib, late.jobs_mib], "rows": books.shown(), "base_per_s": rounded(limit), "base": limit::WHAT });
    Ok(report.verdict(ok, AIM, figures))
}

async fn warm(system: &BenchSystem, field: &Workload) -> Result<()> {
    for round in 0..WARM_UP_JOBS / JOBS {
        once::once(system, field, round * JOBS..(round + 1) * JOBS).await?;
    }
    Ok(())
}

struct Wait {
    jobs_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

async fn waits(system: &BenchSystem, from: f64, until: f64) -> Result<Vec<Wait>> {
    let rows = sqlx::query(WAITED)
        .bind(from)
        .bind(until)
        .bind(SLICES as i32)
        .fetch_all(&system.app.admin)
        .await?;
    let seconds = (until - from) / f64::from(SLICES);
    Ok(rows
        .iter()
        .map(|row| {
            let ms: Vec<f64> = row.get("ms");
            Wait {
                jobs_per_s: row.get::<i64, _>("jobs") as f64 / seconds,
                p50_ms: ms[0],
                p99_ms: ms[1],
            }
        })
        .collect())
}

impl Held {
    async fn read(system: &BenchSystem) -> Result<Self> {
        let workers = system.app.workers.iter().map(harness::Process::rss);
        let rss: u64 = workers.sum::<Result<u64>>()?;
        let history = system.size_of("activity").await? + system.size_of("attempts").await?;
        Ok(Self {
            rss_mib: rss >> 20,
            lanes_mib: system.size_of("lanes").await? >> 20,
            jobs_mib: system.size_of("jobs").await? >> 20,
            history_mib: history >> 20,
        })
    }

    fn is_bounded_by(&self, early: &Self) -> bool {
        let table = |late: i64, early: i64| {
            late as f64 <= early as f64 * LARGER || late <= early + LARGER_MIB
        };
        let memory = self.rss_mib as f64 <= early.rss_mib as f64 * MORE_MEMORY
            || self.rss_mib <= early.rss_mib + MORE_MEMORY_MIB;
        memory && table(self.lanes_mib, early.lanes_mib) && table(self.jobs_mib, early.jobs_mib)
    }
}
