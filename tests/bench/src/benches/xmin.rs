//! `xmin`: ten minutes at 1,000 jobs a second, ten jobs a lane, beside a transaction that is open all the time, so that no dead
//! row can be removed: how long the server takes for a lease, by its own log; and whether the alarm's metric shows it.
//! Options: SECONDS, RATE, WORKERS, CONCURRENCY.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

use crate::figures::{percentile, rounded};
use crate::load::{Load, Pace};
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem};
use crate::workload::{Books, Workload};

use super::drain::{self, limit};

const CONNECTIONS: u64 = 200;
const JOBS_A_LANE: f64 = 10.0;
const SLICES: u32 = 10;
const MOST_MS: f64 = 50.0;
const METRIC: &str = "casehug_oldest_xmin_age_seconds";
/// Of the time that the transaction has been open, the metric must show at least this part.
const SEEN: f64 = 0.5;
const LIMIT_JOBS: u64 = 20_000;
const WITHIN: Duration = Duration::from_secs(180);
const AIM: &str = "10 minutes at 1,000 jobs/s beside a transaction that pins xmin: p99 of a lease under 50 ms, and the alarm's metric shows its age";

pub(crate) async fn run() -> Result<bool> {
    let length = options::seconds(600)?;
    let rate: f64 = options::number("RATE", 1_000.0)?;
    let report = Report::new("xmin");
    let mut system =
        BenchSystem::start(system::settings(0, options::number("CONCURRENCY", 500)?)).await?;
    report.ran_on(&system.app.admin).await?;
    let limit = limit::limit(&system, LIMIT_JOBS).await?;
    let lanes = (rate * length.as_secs_f64() / JOBS_A_LANE).max(1.0) as u64;
    let field = Workload::new(CONNECTIONS, lanes);
    field.found(&system.app.admin, "clio").await?;
    log_statements(&system).await?;
    let pin = pin(&system).await?;
    system.add_workers(options::number("WORKERS", 1)?).await?;

    let log = system.server.cluster.log_path();
    let system = Arc::new(system);
    let load = Load::start(&system, field, 0, Pace::Rate(rate), 0);
    let (mut read, mut all, mut age) = (std::fs::metadata(&log)?.len(), Vec::new(), None::<f64>);
    for number in 1..=SLICES {
        tokio::time::sleep(length / SLICES).await;
        let (leases, until) = leases_in(&log, read)?;
        read = until;
        age = system.metric(METRIC, &[]).await?.or(age);
        report.line(json!({ "what": "slice", "number": number, "leases": leases.len(), "lease_p50_ms": rounded(percentile(&leases, 0.5)),
            "lease_p99_ms": rounded(percentile(&leases, 0.99)), "lease_max_ms": rounded(percentile(&leases, 1.0)), "sent": load.sent(),
            "executed": system.executed().await?, "oldest_xmin_age_s": age }));
        all.extend(leases);
    }
    let sent = load.stop().await?;
    system.wait_empty(WITHIN).await?;
    let books = Books::read(&system.app.admin, &field).await?;
    pin.close().await?;
    drain::end(system).await?;

    let p99 = percentile(&all, 0.99);
    let alarmed = age.is_some_and(|age| age >= SEEN * length.as_secs_f64());
    let figures = json!({ "leases": all.len(), "lease_p99_ms": rounded(p99), "oldest_xmin_age_s": age, "alarm": alarmed,
        "jobs_per_s": rounded(sent as f64 / length.as_secs_f64()), "rows": books.shown(), "base_per_s": rounded(limit), "base": limit::WHAT });
    Ok(report.verdict(p99 < MOST_MS && alarmed && books.hold(sent), AIM, figures))
}

/// The service's sessions of this database are timed by the server.
async fn log_statements(system: &BenchSystem) -> Result<()> {
    let name = system.app.database.name();
    let statement =
        format!(r#"alter role casehug in database "{name}" set log_min_duration_statement = 0"#);
    raw_sql(AssertSqlSafe(statement))
        .execute(&system.app.admin)
        .await?;
    Ok(())
}

/// A transaction with a snapshot, left open.
async fn pin(system: &BenchSystem) -> Result<PgConnection> {
    let mut connection = PgConnection::connect(system.app.database.admin_url()).await?;
    raw_sql("begin isolation level repeatable read; select count(*) from workers")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// The durations of leases, in milliseconds, in what the server has written since; and how far that goes.
fn leases_in(log: &Path, from: u64) -> Result<(Vec<f64>, u64)> {
    let bytes = std::fs::read(log).context("read the server's log")?;
    let from = usize::try_from(from)?.min(bytes.len());
    // A line still being written is the next reading's.
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(from, |last| last + 1)
        .max(from);
    let text = String::from_utf8_lossy(&bytes[from..end]);
    Ok((leases(&text), end as u64))
}

/// A message's first line holds the duration; the statement may go on in lines that begin with a tab.
fn leases(text: &str) -> Vec<f64> {
    let (mut found, mut current) = (Vec::new(), None);
    for line in text.lines() {
        if !line.starts_with('\t') {
            current = execution(line);
        }
        if line.contains("queue_lease(") {
            found.extend(current.take());
        }
    }
    found
}

fn execution(line: &str) -> Option<f64> {
    let (_, rest) = line.split_once("duration: ")?;
    let (ms, statement) = rest.split_once(" ms")?;
    statement
        .trim_start()
        .starts_with("execute")
        .then(|| ms.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::leases;

    #[test]
    fn executions_of_leases_are_timed_and_nothing_else() {
        let text = "x LOG:  duration: 0.1 ms  bind s1: select a\n\tfrom queue_lease($1)\n\
                    x LOG:  duration: 1.5 ms  execute s1: select a\n\tfrom queue_lease($1)\n\
                    x LOG:  duration: 9.0 ms  execute s2: select queue_finish($1)\n";

        assert_eq!(leases(text), [1.5]);
    }
}
