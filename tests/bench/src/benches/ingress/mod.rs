//! `ingress`: events a second, one a request, over 64 connections that stay open, each committed before its 202; beside it
//! pgbench with as many clients that commit the same row one by one.
//! Options: SECONDS (of each measurement), ROUNDS.

pub(crate) mod client;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use sqlx::Executor;
use tokio::task::JoinSet;

use crate::clock;
use crate::figures::{median, percentile, rounded};
use crate::options;
use crate::pgbench::{self, Until};
use crate::report::Report;
use crate::system::{self, BenchSystem};
use crate::workload::Workload;

use client::{Caller, Sent};

const CONNECTIONS: u16 = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const TIMES: f64 = 1.5;
const MOST_P99_MS: f64 = 25.0;
const AIM: &str = "1.5 x the rate of pgbench with 64 clients that commit the same row one by one, p99 under 25 ms";
const BASE: &str = "pgbench, 64 clients, one insert of the same row a transaction";
const TABLE: &str = "create table base_events (like events including all)";
const SCRIPT: &str = "insert into base_events (firm_id, id, type, data, requested_by_person, created_at) values \
    ('f1000000-0000-7000-8000-000000000000', gen_random_uuid()::text, 'intake.started', \
     '{\"matter_id\": \"f1000000-0000-7000-8000-000000000000\"}', false, null) on conflict (firm_id, id) do nothing;";

pub(crate) async fn run() -> Result<bool> {
    let length = options::seconds(20)?;
    let rounds: u32 = options::number("ROUNDS", 3)?;
    let report = Report::new("ingress");
    // Without workers: what is measured on both sides is the append alone.
    let system = BenchSystem::start(system::settings(0, 32)).await?;
    report.ran_on(&system.app.admin).await?;
    Workload::new(1, 1).found(&system.app.admin, "clio").await?;
    system.app.admin.execute(TABLE).await?;
    let (mut ours, mut base, mut p99s, mut accepted) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let url = system.app.database.admin_url();
        let limit =
            pgbench::run(url, SCRIPT, CONNECTIONS, Until::Seconds(length.as_secs())).await?;
        let sent = round(&system, length).await?;
        let rate = sent.in_time as f64 / length.as_secs_f64();
        let at = |share| rounded(percentile(&sent.waited_ms, share));
        report.line(json!({ "what": "round", "connections": CONNECTIONS, "events_per_s": rounded(rate),
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0), "base_per_s": rounded(limit), "base": BASE }));
        accepted += sent.accepted;
        ours.push(rate);
        base.push(limit);
        p99s.push(at(0.99));
    }
    let stored = system.app.count("select count(*) from events").await?;
    system.end().await;
    ensure!(
        stored == accepted as i64,
        "{accepted} events were accepted and {stored} are there"
    );
    let (rate, limit, p99) = (median(&ours), median(&base), median(&p99s));
    let figures = json!({ "events_per_s": rounded(rate), "base_per_s": rounded(limit), "of_base": rounded(rate / limit),
        "p99_ms": p99, "accepted_and_stored": stored });
    Ok(report.verdict(rate >= TIMES * limit && p99 < MOST_P99_MS, AIM, figures))
}

/// All connections at once.
async fn round(system: &BenchSystem, length: Duration) -> Result<Sent> {
    let address = system.app.ingress_url().replacen("http://", "", 1);
    let token: Arc<str> = system.app.tokens.service()?.into();
    let from = clock::now() + WARM_UP;
    let until = from + length;
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut caller = Caller::connect(&address, token.clone()).await?;
        callers.spawn(async move { caller.call_until(from, until).await });
    }
    let mut all = Sent::default();
    while let Some(sent) = callers.join_next().await {
        all.add(sent??);
    }
    Ok(all)
}
