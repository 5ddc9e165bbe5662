//! `blocked`: the rate beside 100,000 lanes that cannot run: the heads of half of them wait for their retry, on the very
//! connections that are at work; the other half's connections are paused.
//! Options: JOBS (the number of blocked lanes), SECONDS (of a measurement), ROUNDS, WORKERS, CONCURRENCY.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bulk::{self, Due};
use crate::compare::{Side, in_turn};
use crate::figures::rounded;
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem, TestServer};
use crate::workload::{Books, Workload};

use super::drain::{self, LANES, limit};

const PAUSED_CONNECTIONS: u64 = 1_000;
const WAITING: u64 = 10_000;
const LIMIT_JOBS: u64 = 20_000;
const SHARE: f64 = 0.95;
const AIM: &str = "with 100,000 lanes whose head waits or whose connection is paused at least 0.95 x the rate without them";
const PAUSE: &str = "insert into pauses (scope, reason, firm_id, until, author, created_at) \
    select 'connection:' || c.id, 'retry_after', c.firm_id, app_now() + interval '1 hour', 'bench', now() from firm_integrations c where c.id >= $1";

pub(crate) async fn run() -> Result<bool> {
    let blocked: u64 = options::number("JOBS", 100_000)?;
    let length = options::seconds(30)?;
    let rounds = options::number("ROUNDS", 5)?;
    let report = Report::new("blocked");
    let server = TestServer::start()?;
    let free = side(&server, "without", 0, &report).await?;
    report.ran_on(&free.system.app.admin).await?;
    let limit = limit::limit(&free.system, LIMIT_JOBS).await?;
    let beside = side(&server, "beside blocked lanes", blocked, &report).await?;
    let mut pair = [free, beside];
    let share = in_turn(&mut pair, rounds, length, &report).await?;
    let rate = pair[1].rate();
    let mut right = true;
    for side in pair {
        let books = Books::read(&side.system.app.admin, &side.field).await?;
        right &= books.disordered == 0 && books.succeeded == books.attempts;
        report.line(json!({ "what": "rows", "name": side.name, "rows": books.shown() }));
        drain::end(side.system).await?;
    }
    let figures = json!({ "blocked_lanes": blocked, "jobs_per_s": rounded(rate), "base_per_s": rounded(limit), "base": limit::WHAT,
        "share": rounded(share), "in_order": right });
    Ok(report.verdict(right && share >= SHARE, AIM, figures))
}

async fn side(
    server: &Arc<TestServer>,
    name: &'static str,
    blocked: u64,
    report: &Report,
) -> Result<Side> {
    let settings = system::settings(0, options::number("CONCURRENCY", 500)?);
    let mut system = BenchSystem::start_on(Arc::clone(server), name, settings).await?;
    let field = Workload::new(LANES, LANES);
    field.found(&system.app.admin, "clio").await?;
    if blocked > 0 {
        block(&system, &field, blocked, report).await?;
    }
    system.hold().await?;
    system.add_workers(options::number("WORKERS", 1)?).await?;
    let mut side = Side::new(name, system, field);
    side.backlog = WAITING;
    Ok(side)
}

async fn block(system: &BenchSystem, field: &Workload, lanes: u64, report: &Report) -> Result<()> {
    let admin = &system.app.admin;
    let waiting = Workload {
        number: 1,
        lanes: lanes / 2,
        ..*field
    };
    let paused = Workload {
        number: 2,
        first: field.connections,
        connections: PAUSED_CONNECTIONS,
        lanes: lanes - lanes / 2,
        ..*field
    };
    paused.found(admin, "clio").await?;
    let paused_now = sqlx::query(PAUSE)
        .bind(paused.connection(0))
        .execute(admin)
        .await?;
    ensure!(
        paused_now.rows_affected() == PAUSED_CONNECTIONS,
        "not every connection was paused"
    );
    let took = bulk::fill(admin, &waiting, 2, Due::Later).await?
        + bulk::fill(admin, &paused, 2, Due::Now).await?;
    report.line(
        json!({ "what": "blocked", "heads_waiting": waiting.lanes, "lanes_paused": paused.lanes,
        "connections_paused": PAUSED_CONNECTIONS, "seconds": rounded(took.as_secs_f64()) }),
    );
    Ok(())
}
