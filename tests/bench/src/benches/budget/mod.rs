//! `budget`: how much of what a provider allows is used, and whether it is ever exceeded. 4 workers, 20 connections,
//! each with its own bucket and more to do than its budget lets through; the simulator enforces 50 a minute, 5 and 25 a second,
//! in fixed and in sliding windows. Then one connection whose limit is halved under way, and that gets one 429.
//! Options: PHASE (one of `50/60s`, `5/1s`, `25/1s`, `halving`), SECONDS (of a phase), CONNECTIONS, WORKERS.

mod calls;
mod halving;
mod phase;

use anyhow::Result;
use serde_json::json;

use crate::options;
use crate::pgbench;
use crate::report::Report;
use crate::system::{self, BenchSystem, TestServer};

use phase::{Limit, Mode};

const AIM: &str = "at least 97 % of the allowed calls used, at most 1.05 x the fewest calls, no answer of 429 while the limit stands; \
                   after a 429 no call until its Retry-After has passed";
const LIMITS: [Limit; 3] = [
    Limit {
        name: "50/60s",
        calls: 50,
        window_ms: 60_000,
        seconds: 240,
    },
    Limit {
        name: "5/1s",
        calls: 5,
        window_ms: 1_000,
        seconds: 60,
    },
    Limit {
        name: "25/1s",
        calls: 25,
        window_ms: 1_000,
        seconds: 120,
    },
];

pub(crate) async fn run() -> Result<bool> {
    let wanted = std::env::var("PHASE").ok();
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let report = Report::new("budget");
    let server = TestServer::start()?;
    let system = BenchSystem::start_on(server.clone(), "limit", system::settings(0, 32)).await?;
    report.ran_on(&system.app.admin).await?;
    let commits = pgbench::commits_a_second(&system).await?;
    system.end().await;

    let (mut ok, mut phases) = (true, Vec::new());
    for limit in LIMITS.iter().filter(|limit| is_wanted(limit.name)) {
        for mode in [Mode::Fixed, Mode::Sliding] {
            let length = options::seconds(limit.seconds)?;
            let used = phase::run(&server, limit, mode, length).await?;
            ok &= used.is_good();
            report.line(used.shown());
            phases.push(used.short());
        }
    }
    if is_wanted("halving") {
        let halved = halving::run(&server, options::seconds(30)?).await?;
        ok &= halved.is_good();
        report.line(halved.shown());
    }
    let figures = json!({ "phases": phases, "base_per_s": crate::figures::rounded(commits),
        "base": "commits of one row, one after the other: a call needs two of them (the permit's, and its share of the rest)" });
    Ok(report.verdict(ok, AIM, figures))
}
