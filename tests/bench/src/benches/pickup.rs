//! `pickup`: on an idle system, from an event's insert (a little before its commit) to the first request at the provider.
//! Knob: JOBS, the number of samples.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row;

use crate::figures::{percentile, rounded};
use crate::options;
use crate::pgbench;
use crate::report::Report;
use crate::system::{self, BenchSystem};

const WITHIN: Duration = Duration::from_secs(30);
/// Whatever the last sample left behind comes to rest: the system is idle.
const REST: Duration = Duration::from_millis(60);
/// The commits between the event and the request: inbox, relay, lease, claim, permit.
const COMMITS: f64 = 5.0;
const AIM: &str = "p50 under 10 ms, p99 under 40 ms";

pub(crate) async fn run() -> Result<bool> {
    let count: usize = options::number("JOBS", 200)?;
    let report = Report::new("pickup");
    let system = BenchSystem::start(system::settings(1, 32)).await?;
    report.ran_on(&system.app.admin).await?;
    let samples = samples(&system, count).await?;
    let commits = pgbench::commits_a_second(&system).await?;
    let at = |share| rounded(percentile(&samples, share));
    let (p50, p99) = (at(0.5), at(0.99));
    let figures = json!({
        "samples": count, "p50_ms": p50, "p90_ms": at(0.9), "p99_ms": p99, "max_ms": at(1.0), "workers": 1,
        "base_per_s": rounded(commits), "base_ms": rounded(COMMITS * 1000.0 / commits),
        "base": "five commits of one row each, one after the other (pgbench, one client)",
    });
    system.end().await;
    Ok(report.verdict(p50 < 10.0 && p99 < 40.0, AIM, figures))
}

/// In milliseconds.
async fn samples(system: &BenchSystem, count: usize) -> Result<Vec<f64>> {
    let app = &system.app;
    app.limits(&json!({ "mode": "off" })).await?;
    let matter = app.connected_matter().await?;
    let first = app.sync(matter).await?;
    ensure!(
        first.body["success"] == json!(true),
        "the matter was not synced: {first:?}"
    );
    let mut samples = Vec::with_capacity(count);
    for number in 0..count {
        let bytes = format!("sample {number}");
        let upload = app
            .upload(matter, "sample.txt", None, bytes.as_bytes())
            .await?;
        app.clear_clio_calls().await?;
        tokio::time::sleep(REST).await;
        app.approve(&[upload]).await?;
        app.settled(WITHIN).await?;
        let received: DateTime<Utc> = sqlx::query("select max(received_at) from events")
            .fetch_one(&app.admin)
            .await?
            .get(0);
        let asked = first_request(&app.record(), received)?;
        let waited = (asked - received).num_microseconds().unwrap_or(i64::MAX);
        samples.push(waited as f64 / 1000.0);
    }
    Ok(samples)
}

/// The time of the first API request after this moment, from the simulator's record.
fn first_request(record: &Path, after: DateTime<Utc>) -> Result<DateTime<Utc>> {
    std::fs::read_to_string(record)?
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["platform"] == "clio")
        .filter_map(|line| line["at"].as_str()?.parse().ok())
        .take_while(|at| *at > after)
        .last()
        .context("the provider was not asked")
}
