//! `drain`: how many jobs a second go out, in one go and steadily while more come in. 2,000 lanes over 2,000 Clio connections,
//! so that caps bind as in production; `probe` jobs, with every row that a job writes.
//! Options: JOBS (in one go), SECONDS (steady), ROUNDS, WORKERS, CONCURRENCY (of each worker), WAITING (jobs that wait at any time).

pub(crate) mod limit;
pub(crate) mod once;
pub(crate) mod steady;

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::figures::{median, rounded};
use crate::history;
use crate::options;
use crate::peers;
use crate::report::{Report, say};
use crate::system::{self, BenchSystem};
use crate::workload::{Books, Workload};

pub(crate) const LANES: u64 = 2_000;
/// Jobs that wait at any time while the steady rate is measured.
pub(crate) const WAITING: u64 = 10_000;
/// Of graphile-worker's local queue, and of its correct keyed mode.
const OF_LOCAL_QUEUE: f64 = 1.2;
const OF_KEYED: f64 = 30.0;
/// Of the rate in one go.
const STEADY: f64 = 0.8;
const AIM: &str = "in one go at least 1.2 x graphile-worker's local queue and 30 x its keyed mode in the same run; \
                   steady, while more come in, at least 0.8 x the rate in one go; every row right, in order, each fence higher";

struct Options {
    jobs: u64,
    rounds: u32,
    steady: std::time::Duration,
    workers: usize,
    concurrency: u16,
    waiting: u64,
}

impl Options {
    fn read() -> Result<Self> {
        Ok(Self {
            jobs: options::number("JOBS", 20_000)?,
            rounds: options::number("ROUNDS", 5)?,
            steady: options::seconds(60)?,
            workers: options::number("WORKERS", 1)?,
            concurrency: options::number("CONCURRENCY", 500)?,
            waiting: options::number("WAITING", WAITING)?,
        })
    }
}

/// What the rounds brought, in jobs a second.
#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    local_queue: Vec<f64>,
    keyed: Vec<f64>,
    limit: Vec<f64>,
}

pub(crate) async fn run() -> Result<bool> {
    let options = Options::read()?;
    let report = Report::new("drain");
    let system =
        Arc::new(BenchSystem::start(system::settings(options.workers, options.concurrency)).await?);
    report.ran_on(&system.app.admin).await?;
    let field = Workload::new(LANES, LANES);
    field.found(&system.app.admin, "clio").await?;
    let (rounds, next) = rounds(&system, &field, &options, &report).await?;
    let once = median(&rounds.ours);

    let steady = steady::steady(&system, &field, next, options.waiting, options.steady).await?;
    report.line(steady.shown(&options.shown()));
    let next = steady.next;

    say("once more with triggers that write every lane's history");
    history::install(&system.app.admin).await?;
    let watched = once::once(&system, &field, next..next + options.jobs).await?;
    let first_watched = next;
    let watched_steady = steady::steady(
        &system,
        &field,
        next + options.jobs,
        options.waiting,
        options.steady / 4,
    )
    .await?;
    let seen = watched_steady.next - first_watched;
    let (in_order, shown) = history::check(&system.app.admin, &field, seen).await?;
    report.line(json!({ "what": "history", "jobs_per_s": rounded(watched.jobs_per_s),
        "steady_jobs_per_s": rounded(watched_steady.jobs_per_s), "ok": in_order, "history": shown }));
    let books = Books::read(&system.app.admin, &field).await?;
    report.line(json!({ "what": "rows", "enqueued": watched_steady.next, "rows": books.shown() }));

    let right = in_order && books.hold(watched_steady.next);
    let ok = right && verdict_of(&rounds, steady.jobs_per_s);
    let figures = json!({ "jobs_per_s": rounded(once), "steady_jobs_per_s": rounded(steady.jobs_per_s), "rows_right": right,
        "of_steady": rounded(steady.jobs_per_s / once), "base_per_s": rounded(median(&rounds.limit)),
        "graphile_local_queue": shown_median(&rounds.local_queue), "graphile_keyed": shown_median(&rounds.keyed),
        "settings": options.shown() });
    end(system).await?;
    Ok(report.verdict(ok, AIM, figures))
}

/// Ours, the peer and the machine's limit in turn. Returns the number of the next job as well.
async fn rounds(
    system: &Arc<BenchSystem>,
    field: &Workload,
    options: &Options,
    report: &Report,
) -> Result<(Rounds, u64)> {
    let (mut rounds, mut next) = (Rounds::default(), 0);
    for _ in 0..options.rounds {
        let ours = once::once(system, field, next..next + options.jobs).await?;
        next += options.jobs;
        rounds.ours.push(ours.jobs_per_s);
        let limit = limit::limit(system, options.jobs).await?;
        rounds.limit.push(limit);
        report.line(json!({ "what": "once", "jobs": options.jobs, "lanes": field.lanes, "jobs_per_s": rounded(ours.jobs_per_s),
            "enqueue_per_s": rounded(ours.enqueue_per_s), "base_per_s": rounded(limit), "base": limit::WHAT }));
        let server = system.server.cluster.admin_url("postgres");
        if let Some(peer) = peers::graphile(&server, options.jobs, field.lanes).await? {
            rounds.local_queue.extend(peer.local_queue());
            rounds.keyed.extend(peer.keyed());
            report.line(json!({ "what": "graphile", "lines": peer.lines }));
        }
    }
    Ok((rounds, next))
}

/// A comparison that was left out is not judged.
fn verdict_of(rounds: &Rounds, steady: f64) -> bool {
    let once = median(&rounds.ours);
    let beats = |peer: &[f64], times: f64| peer.is_empty() || once >= times * median(peer);
    beats(&rounds.local_queue, OF_LOCAL_QUEUE)
        && beats(&rounds.keyed, OF_KEYED)
        && steady >= STEADY * once
}

fn shown_median(rates: &[f64]) -> Value {
    if rates.is_empty() {
        return json!("left out");
    }
    json!(rounded(median(rates)))
}

impl Options {
    fn shown(&self) -> Value {
        json!({ "workers": self.workers, "WORKER_CONCURRENCY": self.concurrency, "waiting": self.waiting, "rounds": self.rounds })
    }
}

pub(crate) async fn end(system: Arc<BenchSystem>) -> Result<()> {
    if let Some(system) = Arc::into_inner(system) {
        system.end().await;
    }
    Ok(())
}
