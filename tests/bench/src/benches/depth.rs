//! `depth`: the lease and finish rate with 10,000,000 waiting jobs and with 10,000, and with 10,000 connections and with 10.
//! Options: JOBS (the large backlog), SECONDS (of a measurement), ROUNDS, WORKERS, CONCURRENCY.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::bulk::{self, Due};
use crate::compare::{Side, in_turn};
use crate::figures::rounded;
use crate::options;
use crate::report::{Report, say};
use crate::system::{self, BenchSystem, TestServer};
use crate::workload::{Books, Workload};

use super::drain::{self, limit};

const DEEP: u64 = 10;
const SMALL: u64 = 10_000;
const CONNECTIONS: u64 = 1_000;
const FEW: u64 = 10;
const MANY: u64 = 10_000;
/// Of the cap 4, so that ten connections can keep a worker busy at all.
const PLATFORM: &str = "mycase";
const SHARE: f64 = 0.9;
const LIMIT_JOBS: u64 = 20_000;
const AIM: &str = "with 10,000,000 waiting jobs at least 0.9 x the rate with 10,000; with 10,000 connections at least 0.9 x that with 10";

pub(crate) async fn run() -> Result<bool> {
    let most: u64 = options::number("JOBS", 10_000_000)?;
    let length = options::seconds(20)?;
    let rounds = options::number("ROUNDS", 3)?;
    let report = Report::new("depth");
    let server = TestServer::start()?;

    say("the backlogs are written");
    let few = side(
        &server,
        "10 connections",
        Workload::new(FEW, MANY),
        1,
        &report,
    )
    .await?;
    report.ran_on(&few.system.app.admin).await?;
    let limit = limit::limit(&few.system, LIMIT_JOBS).await?;
    let many = side(
        &server,
        "10000 connections",
        Workload::new(MANY, MANY),
        1,
        &report,
    )
    .await?;
    let mut pair = [few, many];
    let wide = in_turn(&mut pair, rounds, length, &report).await?;
    let mut right = end(pair, &report).await?;

    let shallow = Workload::new(CONNECTIONS, SMALL / DEEP);
    let shallow = side(&server, "10000 jobs", shallow, DEEP, &report).await?;
    let deep = Workload::new(CONNECTIONS, most / DEEP);
    let deep = side(&server, "the large backlog", deep, DEEP, &report).await?;
    let mut pair = [shallow, deep];
    let depth = in_turn(&mut pair, rounds, length, &report).await?;
    let rate = pair[1].rate();
    right &= end(pair, &report).await?;

    let figures = json!({ "jobs_waiting": most, "jobs_per_s": rounded(rate), "base_per_s": rounded(limit), "base": limit::WHAT,
        "deep_share": rounded(depth), "wide_share": rounded(wide), "in_order": right });
    Ok(report.verdict(right && depth >= SHARE && wide >= SHARE, AIM, figures))
}

/// A system of its own with this backlog.
async fn side(
    server: &Arc<TestServer>,
    name: &'static str,
    field: Workload,
    depth: u64,
    report: &Report,
) -> Result<Side> {
    let settings = system::settings(0, options::number("CONCURRENCY", 500)?);
    let mut system = BenchSystem::start_on(Arc::clone(server), name, settings).await?;
    field.found(&system.app.admin, PLATFORM).await?;
    let took = bulk::fill(&system.app.admin, &field, depth, Due::Now).await?;
    report.line(json!({ "what": "backlog", "name": name, "jobs": field.lanes * depth, "lanes": field.lanes,
        "connections": field.connections, "seconds": rounded(took.as_secs_f64()),
        "jobs_mib": system.size_of("jobs").await? >> 20, "lanes_mib": system.size_of("lanes").await? >> 20 }));
    system.hold().await?;
    system.add_workers(options::number("WORKERS", 1)?).await?;
    let mut side = Side::new(name, system, field);
    side.next = field.lanes * depth;
    side.backlog = side.next;
    Ok(side)
}

/// Whether every lane's jobs ended in order.
async fn end(sides: [Side; 2], report: &Report) -> Result<bool> {
    let mut right = true;
    for side in sides {
        let books = Books::read(&side.system.app.admin, &side.field).await?;
        right &= books.disordered == 0 && books.succeeded == books.attempts;
        report.line(json!({ "what": "rows", "name": side.name, "rows": books.shown() }));
        drain::end(side.system).await?;
    }
    Ok(right)
}
