//! A process that calls a provider through the permit, as fast as it is allowed to: many of them share one bucket.
//! It ends when the provider answers that there were enough calls.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use shared::clock::Moment;
use shared::db::{Database, connections};
use shared::domain::job::{Job, LeasedJob};
use shared::domain::{ConnectionId, FirmId, JobId, RunId, WorkerId};
use shared::limit::{Bucket, Budget, CountedBy};
use shared::queue::{Ask, Gate, GateSettings, Lease, Permit};
use uuid::Uuid;

const LEASE: Duration = Duration::from_hours(1);
/// After an error of the database: it is away.
const REST: Duration = Duration::from_millis(50);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let database = Database::lazy(&setting("DATABASE_URL")?, 1)?;
    let provider = setting("PROVIDER")?;
    let gate = gate(&database).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    loop {
        match place(&gate).await {
            Ok(Permit::Go(_)) => {
                if http.get(&provider).send().await?.status() == 410 {
                    return Ok(());
                }
            }
            Ok(Permit::At { wait }) => tokio::time::sleep(wait).await,
            Ok(Permit::Stop(reason)) => bail!("stopped: {reason:?}"),
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

async fn place(gate: &Gate) -> Result<Permit> {
    match gate.ask(Ask::Read, None).await? {
        Permit::Go(granted) => Ok(gate.wait(&granted).await?),
        other => Ok(other),
    }
}

async fn gate(database: &Database) -> Result<Gate> {
    let (firm, connection) = (FirmId(id("FIRM")?), ConnectionId(id("CONNECTION")?));
    let mut db = database.worker().await?;
    let connection = connections::find(&mut db, firm, connection)
        .await?
        .context("no such connection")?;
    db.commit().await?;
    let job = LeasedJob {
        id: JobId(id("JOB")?),
        lane: setting("LANE")?,
        fence: 1,
        firm_id: firm,
        connection_id: connection.id,
        work: Job::Probe,
        explicit: false,
        run_id: RunId(Uuid::nil()),
        event_ids: Vec::new(),
        priority: 1,
        attempts: 0,
        limited: 0,
        age: Duration::ZERO,
        cancelled: false,
        waited: None,
    };
    let (_renewer, until) = tokio::sync::watch::channel(Moment::now() + LEASE);
    let settings = GateSettings {
        database: database.clone(),
        worker: WorkerId(id("WORKER")?),
        lease: Lease {
            length: LEASE,
            until,
        },
        limits: Arc::default(),
    };
    let budget = Budget::parse(&setting("BUDGET")?).map_err(anyhow::Error::msg)?;
    // All firms together, as at the strictest platform.
    let bucket = Bucket::of((&connection).into(), CountedBy::Client, budget);
    Ok(Gate::new(
        settings,
        Arc::new(job),
        Arc::new(connection),
        bucket,
    ))
}

fn setting(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is missing"))
}

fn id(name: &str) -> Result<Uuid> {
    Ok(setting(name)?.parse()?)
}
