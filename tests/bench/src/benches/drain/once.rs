//! Jobs that all wait at the beginning: the workers are up and held by a pause, the jobs are enqueued, the pause is lifted.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Executor, Row};

use crate::clock;
use crate::load;
use crate::system::BenchSystem;
use crate::workload::Workload;

/// As many as the peers hand in at once.
const BATCH: u64 = 1_000;
const WITHIN: Duration = Duration::from_secs(600);

const ENDED: &str = "select extract(epoch from max(finished_at))::float8 as at, count(*) as jobs from activity \
    where finished_at >= to_timestamp($1)";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Once {
    pub(crate) jobs_per_s: f64,
    pub(crate) enqueue_per_s: f64,
}

/// From the moment the pause is lifted to the last outcome's commit, by the database's clock.
pub(crate) async fn once(
    system: &BenchSystem,
    field: &Workload,
    numbers: Range<u64>,
) -> Result<Once> {
    let jobs = numbers.end - numbers.start;
    system.hold().await?;
    let executed = system.executed().await?;
    let enqueuing = clock::now();
    load::enqueue_range(&system.queue, field, numbers, BATCH).await?;
    let enqueue_per_s = jobs as f64 / enqueuing.elapsed().as_secs_f64();
    // So that no round begins with pages that an earlier round left to be written.
    system.app.admin.execute("checkpoint").await?;
    let started = system.database_now().await?;
    system.let_go().await?;
    harness::eventually(WITHIN, || async {
        let done = system.executed().await.ok()?;
        (done >= executed + jobs).then_some(())
    })
    .await
    .context("the jobs did not end")?;
    system.wait_empty(WITHIN).await?;
    let row = sqlx::query(ENDED)
        .bind(started)
        .fetch_one(&system.app.admin)
        .await?;
    let ended: f64 = row.try_get("at")?;
    Ok(Once {
        jobs_per_s: row.get::<i64, _>("jobs") as f64 / (ended - started),
        enqueue_per_s,
    })
}
