//! `deep`: one matter whose connection is paused. First events that all join one waiting job, then documents that wait in one lane: the
//! last events must be relayed as fast as the first, and no worker's memory may follow them.
//! Options: JOINS, DEPTH.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::app::{Matter, Upload};
use serde_json::json;

use crate::clock;
use crate::figures::{median, rounded};
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem};

const BATCH: usize = 1_000;
/// So many batches at the beginning are compared with as many at the end.
const COMPARED: usize = 3;
const WITHIN: Duration = Duration::from_secs(120);
const MOST_MIB: f64 = 256.0;
/// The machine's own noise.
const MOST_RATIO: f64 = 1.25;
const AIM: &str = "the last batches as fast as the first (1.25 x at most), worker below 256 MiB";
const UPLOADS: &str =
    "insert into uploads (id, firm_id, matter_id, file_name, storage_path, status, approved_at)
    select gen_random_uuid(), $1, $2, 'a.pdf', 'a', 'approved', now() from generate_series(1, $3)";
/// Events of documents of the matter, from this place on.
const EVENTS: &str = "insert into events (firm_id, id, type, data)
    select upload.firm_id, gen_random_uuid()::text, 'document.approved',
      jsonb_build_object('matter_id', upload.matter_id, 'upload_id', upload.id)
    from (select * from uploads where matter_id = $1 order by id offset $2 limit $3) upload, generate_series(1, $4)";
const WAITING: &str = "select count(*) from events where status = 'waiting'";

pub(crate) async fn run() -> Result<bool> {
    let joins: usize = options::number("JOINS", 10_000)?;
    let depth: usize = options::number("DEPTH", 40_000)?;
    let report = Report::new("deep");
    let system = BenchSystem::start(system::settings(1, 32)).await?;
    report.ran_on(&system.app.admin).await?;
    system.hold().await?;
    let matter = system.app.connected_matter().await?;
    let upload = system.app.upload(matter, "a.pdf", None, b"a").await?;
    let joined = time_batches(&system, &report, "joins", joins, async |_| {
        relay(&system, matter, 0, 1, BATCH).await
    });
    let joined = joined.await?;
    add_uploads(&system, upload, depth).await?;
    let placed = time_batches(&system, &report, "depth", depth, async |batch| {
        relay(&system, matter, batch * BATCH, BATCH, 1).await
    });
    let placed = placed.await?;
    let jobs = system.app.count("select count(*) from jobs").await?;
    let workers = &system.app.workers;
    let peak = workers.first().context("a worker runs")?.peak_rss()? as f64 / f64::from(1 << 20);
    let figures = json!({
        "joins": joins, "joins_last_to_first": rounded(joined), "depth": depth, "jobs": jobs,
        "depth_last_to_first": rounded(placed), "worker_peak_mib": rounded(peak),
    });
    system.end().await;
    let good = joined <= MOST_RATIO && placed <= MOST_RATIO && peak < MOST_MIB;
    Ok(report.verdict(good, AIM, figures))
}

async fn add_uploads(system: &BenchSystem, first: Upload, count: usize) -> Result<()> {
    let Matter { id, firm, .. } = first.matter;
    let more = sqlx::query(UPLOADS)
        .bind(firm)
        .bind(id)
        .bind(i32::try_from(count)?);
    more.execute(&system.app.admin).await?;
    Ok(())
}

/// Returns the time of the last batches as a multiple of that of the first.
async fn time_batches(
    system: &BenchSystem,
    report: &Report,
    what: &str,
    events: usize,
    relay: impl AsyncFn(usize) -> Result<()>,
) -> Result<f64> {
    let mut seconds = Vec::new();
    for batch in 0..events / BATCH {
        let began = clock::now();
        relay(batch).await?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let compared = COMPARED.min(seconds.len());
    let first = median(&seconds[..compared]);
    let last = median(&seconds[seconds.len() - compared..]);
    let waiting = system.app.count(WAITING).await?;
    report.line(
        json!({ "what": what, "events": events, "first_ms_a_1000": rounded(first * 1000.0),
        "last_ms_a_1000": rounded(last * 1000.0), "waiting": waiting }),
    );
    Ok(last / first)
}

/// Puts events of these documents into the inbox, and waits until they are relayed.
async fn relay(
    system: &BenchSystem,
    matter: Matter,
    from: usize,
    documents: usize,
    times: usize,
) -> Result<()> {
    let admin = &system.app.admin;
    let events = sqlx::query(EVENTS)
        .bind(matter.id)
        .bind(i64::try_from(from)?)
        .bind(i64::try_from(documents)?)
        .bind(i32::try_from(times)?);
    events.execute(admin).await?;
    sqlx::query("select pg_notify('casehug_inbox', '')")
        .execute(admin)
        .await?;
    harness::eventually(WITHIN, || async {
        (system.app.count(WAITING).await.ok()? == 0).then_some(())
    })
    .await
    .context("the events were not relayed")
}
