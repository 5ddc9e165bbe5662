//! `cap`: eight workers lease at once, over connections with far more lanes than they may have running: how many of a
//! connection's lanes were ever held together, from the history that triggers wrote, and from looks at the table.
//! Clio's with real documents, so that transfers run beside; Lawmatics' and MyCase's with probes.
//! Options: JOBS (probes), WORKERS, CONCURRENCY.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sqlx::Row;

use crate::figures::rounded;
use crate::history;
use crate::load;
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem};
use crate::uploads;
use crate::workload::{Books, Workload};

use super::drain;
use super::drain::limit;

const CONNECTIONS: u64 = 50;
const LANES: u64 = 1_000;
const FIRMS: u64 = 10;
const MATTERS: u64 = 3;
const TRANSFER: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(10);
const WITHIN: Duration = Duration::from_secs(300);
const LIMIT_JOBS: u64 = 20_000;
const AIM: &str =
    "no connection ever has more lanes running than its cap (table `platforms`), plus one transfer";
const NOW: &str = "select coalesce(max(held - queue_cap(platform)), 0)::bigint as above, \
      coalesce(max(transferring), 0)::bigint as transferring from ( \
    select c.platform, count(*) filter (where not l.transferring) as held, count(*) filter (where l.transferring) as transferring \
    from lanes l join firm_integrations c on c.id = l.connection_id where l.worker is not null group by c.id) x";

pub(crate) async fn run() -> Result<bool> {
    let jobs: u64 = options::number("JOBS", 40_000)?;
    let workers = options::number("WORKERS", 8)?;
    let report = Report::new("cap");
    let mut system =
        BenchSystem::start(system::settings(0, options::number("CONCURRENCY", 64)?)).await?;
    report.ran_on(&system.app.admin).await?;
    let limit = limit::limit(&system, LIMIT_JOBS).await?;
    let fields = [field(0, 0), field(1, CONNECTIONS)];
    fields[0].found(&system.app.admin, "lawmatics").await?;
    fields[1].found(&system.app.admin, "mycase").await?;
    prepare_documents(&system).await?;
    history::install(&system.app.admin).await?;
    system.hold().await?;
    system.add_workers(workers).await?;
    for field in &fields {
        load::enqueue_range(&system.queue, field, 0..jobs / 2, 1_000).await?;
    }
    let system = Arc::new(system);
    let looks = tokio::spawn(look(Arc::clone(&system)));
    let started = system.database_now().await?;
    system.let_go().await?;
    system.wait_empty(WITHIN).await?;
    system.app.settled(WITHIN).await?;
    let seconds = system.database_now().await? - started;
    let (above, most_transferring, looked) = looks.await??;

    let mut ok = above <= 0 && most_transferring <= 1;
    let mut most = Vec::new();
    for held in history::most_held(&system.app.admin).await? {
        let cap = if held.platform == "mycase" { 4 } else { 1 };
        ok &= held.held <= cap && held.transferring <= 1;
        most.push(json!({ "platform": held.platform, "cap": cap, "most_held": held.held, "most_transferring": held.transferring }));
    }
    for field in &fields {
        ok &= Books::read(&system.app.admin, field).await?.hold(jobs / 2);
    }
    drain::end(system).await?;
    let figures = json!({ "workers": workers, "most": most, "looks": looked, "above_cap_in_looks": above,
        "jobs_per_s": rounded(jobs as f64 / seconds), "base_per_s": rounded(limit), "base": limit::WHAT });
    Ok(report.verdict(ok, AIM, figures))
}

fn field(number: u16, first: u64) -> Workload {
    Workload {
        number,
        first,
        ..Workload::new(CONNECTIONS, LANES)
    }
}

/// Documents whose transfers take a while: their jobs begin with everything else.
async fn prepare_documents(system: &BenchSystem) -> Result<()> {
    system.app.limits(&json!({ "mode": "off" })).await?;
    uploads::slow_transfers(&system.app, TRANSFER).await?;
    for number in 0..FIRMS {
        let firm = uploads::connected_firm(&system.app, 30_000 + number).await?;
        for matter in 0..MATTERS {
            let uploads = firm.matter_with(&system.app, matter, 2).await?;
            system.app.approve(&uploads).await?;
        }
    }
    Ok(())
}

/// Looks until nothing is left. Returns the most above a cap, the most transfers, and how many looks there were.
async fn look(system: Arc<BenchSystem>) -> Result<(i64, i64, u64)> {
    let (mut above, mut transferring, mut looks) = (i64::MIN, 0, 0);
    let left = "select exists(select from jobs where state = 'queued') or exists(select from events where status = 'waiting') as left";
    loop {
        let row = sqlx::query(NOW).fetch_one(&system.app.admin).await?;
        above = above.max(row.get("above"));
        transferring = transferring.max(row.get("transferring"));
        looks += 1;
        if looks % 20 == 0
            && !sqlx::query(left)
                .fetch_one(&system.app.admin)
                .await?
                .get::<bool, _>("left")
        {
            return Ok((above, transferring, looks));
        }
        tokio::time::sleep(LOOK).await;
    }
}
