//! `tests/bench/run NAME`: measured claims, as JSON lines.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use harness::{App, AppSettings, Cluster};
use serde_json::{Value, json};
use sqlx::Row;

const SAMPLES: usize = 200;
const WITHIN: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "pickup" => pickup().await,
        _ => bail!("which bench? There is: pickup"),
    }
}

/// Idle system, one event: from the event's insert (a little before its commit) to the first request at the provider.
async fn pickup() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::start(&folder.path().join("postgres"), &[])?;
    let app = App::start(&cluster, &folder.path().join("app"), AppSettings::default()).await?;
    app.limits(&json!({ "mode": "off" })).await?;
    let matter = app.connected_matter().await?;
    let first = app.sync(matter).await?;
    anyhow::ensure!(
        first.body["success"] == json!(true),
        "the matter was not synced: {first:?}"
    );
    let mut samples = Vec::with_capacity(SAMPLES);
    for number in 0..SAMPLES {
        let bytes = format!("sample {number}");
        let upload = app
            .upload(matter, "sample.txt", None, bytes.as_bytes())
            .await?;
        app.clear_clio_calls().await?;
        // Let everything that the last sample left behind come to rest: the system is idle.
        tokio::time::sleep(Duration::from_millis(60)).await;
        app.approve(&[upload]).await?;
        app.settled(WITHIN).await?;
        let received: DateTime<Utc> = sqlx::query("select max(received_at) from events")
            .fetch_one(&app.admin)
            .await?
            .get(0);
        let asked = first_request(&app.record(), received)?;
        samples.push((asked - received).num_microseconds().unwrap_or(i64::MAX));
    }
    samples.sort_unstable();
    let at = |q: f64| samples[((samples.len() - 1) as f64 * q) as usize] as f64 / 1000.0;
    let line = json!({ "bench": "pickup", "samples": SAMPLES, "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99),
        "max_ms": at(1.0), "workers": 1, "durability": "default", "cores": std::thread::available_parallelism()?.get() });
    print(&line);
    Ok(())
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

#[expect(clippy::print_stdout, reason = "the result is this program's output")]
fn print(line: &Value) {
    println!("{line}");
}
