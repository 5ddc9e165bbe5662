//! The worker: what runs in its process, in reading order.
//!
//! - `leaser` takes ready lanes and hands their jobs to apalis, through `shared::queue::LaneBackend`.
//! - `executor` runs one job in a task of its own and turns its instruction into an outcome.
//! - `finisher` commits the outcomes that have gathered.
//! - `renewer` keeps the lease alive until the last job has ended, and stops all jobs when it cannot.
//! - `listening` hears of events and ready lanes, and tells the leaser and the relay.
//! - `mover` brings the Redis inbox into the Postgres one; `relay` fans that out; `maintenance` does what is due now and then;
//!   `auditor` looks for broken invariants.
//! - `batches` retries what people asked to be retried in bulk.
//! - `registry` lists the jobs; `jobs` are they.
//! - `cli` is the command line.

mod auditor;
mod batches;
mod engine;
mod executor;
mod finisher;
#[cfg(test)]
mod fixtures;
mod gauges;
mod judge;
mod leaser;
mod listening;
mod maintenance;
mod mover;
mod ops;
mod pulse;
mod relay;
mod renewer;
mod rota;
mod slots;

pub mod jobs;
mod registry;

pub mod cli;

use std::time::Duration;

use anyhow::Context;
use shared::config::WorkerConfig;
use shared::db::{Database, DbError, tokens};
use shared::{schema, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::engine::{Ended, Engine};

/// A job has a session for the length of a statement or a few. Each session keeps its own plans and makes them anew after every vacuum:
/// more of them cost more than a short wait for one.
const MOST_SESSIONS: u32 = 12;

/// Runs until SIGTERM or SIGINT: then leases nothing more, finishes what runs within the grace time, and returns.
///
/// # Errors
/// The settings, the schema or a port refuse the start. Once started, a database that goes away is waited for.
pub async fn run(config: WorkerConfig) -> anyhow::Result<()> {
    let metrics = telemetry::start(config.common.log_format, &config.common.log_filter)?;
    if config.common.migrate {
        schema::migrate(&config.common.database_direct_url)
            .await
            .context("migrate")?;
    }
    let connections = u32::from(config.concurrency).clamp(8, MOST_SESSIONS);
    let database = Database::lazy_keeping_plans(&config.common.database_url, connections)?;
    // Before anybody is told that we are ready: from then on a signal means drain.
    let drain = CancellationToken::new();
    tokio::spawn(drain_on_signal(drain.clone())?);
    let pulses = ops::serve(config.common.ops_listen, database.clone(), metrics).await?;
    tokio::select! {
        good = wait_until_good(&config, &database) => good?,
        () = drain.cancelled() => return Ok(()),
    }
    tracing::info!(concurrency = config.concurrency, "worker started");
    while !drain.is_cancelled() {
        let engine =
            Engine::start(&config, database.clone(), drain.clone(), pulses.clone()).await?;
        match engine.run().await {
            Ended::Drained => break,
            Ended::LeaseLost => {
                tracing::error!("another worker took over; starting anew under a new lease")
            }
            Ended::Broken => {
                tracing::error!("a task of the worker broke off; starting anew under a new lease")
            }
        }
    }
    database.close().await;
    tracing::info!("worker stopped");
    Ok(())
}

/// Waits for the database; what waiting would not mend is an error.
async fn wait_until_good(config: &WorkerConfig, database: &Database) -> anyhow::Result<()> {
    schema::wait_until_good(database).await?;
    let sealed_with = loop {
        match list_key_ids(database).await {
            Ok(keys) => break keys,
            Err(error) => {
                tracing::warn!(error = %error, "waiting for the database and its keys");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    // Tokens that cannot be opened would look like lost authorisations.
    for key in sealed_with {
        anyhow::ensure!(
            config.common.token_keys.holds(&key),
            "stored tokens are sealed with key id {key}, which TOKEN_KEYS does not hold"
        );
    }
    Ok(())
}

async fn list_key_ids(database: &Database) -> Result<Vec<String>, DbError> {
    let mut db = database.worker().await?;
    tokens::list_key_ids(&mut db).await
}

fn drain_on_signal(drain: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        drain.cancel();
    })
}
