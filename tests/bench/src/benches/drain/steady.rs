//! Jobs that go out while more come in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use sqlx::Row;

use crate::figures::rounded;
use crate::load::{Load, Pace};
use crate::system::BenchSystem;
use crate::workload::Workload;

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
const WITHIN: Duration = Duration::from_secs(300);

const FINISHED: &str = "
    with a as (
      select finished_at, extract(epoch from finished_at - created_at)::float8 * 1000 as ms from activity
      where finished_at >= to_timestamp($1) and finished_at < to_timestamp($2)),
    slices as (
      select count(*) as jobs from generate_series(0, greatest(floor(($2 - $1) / 5)::int - 1, 0)) s
      join a on a.finished_at >= to_timestamp($1 + s * 5) and a.finished_at < to_timestamp($1 + s * 5 + 5) group by s)
    select (select count(*) from a) as jobs, (select coalesce(min(jobs), 0) from slices) as slowest,
      (select coalesce(percentile_cont(array[0.5, 0.99]) within group (order by ms), array[0, 0]) from a) as waited";

#[derive(Debug, Clone)]
pub(crate) struct Steady {
    pub(crate) jobs_per_s: f64,
    slowest_per_s: f64,
    waited_ms: Vec<f64>,
    seconds: f64,
    /// Bytes of write-ahead log, those of the enqueuing too.
    logged: f64,
    /// The number of the next job.
    pub(crate) next: u64,
}

impl Steady {
    pub(crate) fn shown(&self, settings: &Value) -> Value {
        json!({ "what": "steady", "seconds": rounded(self.seconds), "jobs_per_s": rounded(self.jobs_per_s),
            "slowest_5_s_jobs_per_s": rounded(self.slowest_per_s), "from_enqueue_to_end_p50_ms": rounded(self.waited_ms[0]),
            "from_enqueue_to_end_p99_ms": rounded(self.waited_ms[1]), "wal_bytes_a_job": rounded(self.logged / (self.jobs_per_s * self.seconds)),
            "settings": settings })
    }
}

/// For `length`, `waiting` jobs wait at any time; then the queue runs empty.
pub(crate) async fn steady(
    system: &Arc<BenchSystem>,
    field: &Workload,
    first: u64,
    waiting: u64,
    length: Duration,
) -> Result<Steady> {
    let steady = measure(system, field, first, waiting, length).await?;
    system.wait_empty(WITHIN).await?;
    Ok(steady)
}

/// The same, and what waits goes on waiting. `waiting` counts beside what was there before.
pub(crate) async fn measure(
    system: &Arc<BenchSystem>,
    field: &Workload,
    first: u64,
    waiting: u64,
    length: Duration,
) -> Result<Steady> {
    let executed = system.executed().await?;
    let load = Load::start(system, *field, first, Pace::Waiting(waiting), executed);
    tokio::time::sleep(WARM_UP).await;
    let (from, logged) = (system.database_now().await?, wal_bytes(system).await?);
    tokio::time::sleep(length).await;
    let (until, logged) = (
        system.database_now().await?,
        wal_bytes(system).await? - logged,
    );
    let next = load.stop().await?;
    let steady = finished(system, from, until, next).await?;
    Ok(Steady { logged, ..steady })
}

async fn wal_bytes(system: &BenchSystem) -> Result<f64> {
    let written = sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8");
    Ok(written.fetch_one(&system.app.admin).await?)
}

/// What was committed between two times.
async fn finished(system: &BenchSystem, from: f64, until: f64, next: u64) -> Result<Steady> {
    let row = sqlx::query(FINISHED)
        .bind(from)
        .bind(until)
        .fetch_one(&system.app.admin)
        .await?;
    Ok(Steady {
        jobs_per_s: row.get::<i64, _>("jobs") as f64 / (until - from),
        slowest_per_s: row.get::<i64, _>("slowest") as f64 / 5.0,
        waited_ms: row.get("waited"),
        seconds: until - from,
        logged: 0.0,
        next,
    })
}
