//! The worker: what runs in its process, in reading order.
//!
//! - `cli` is the command line; `engine` starts and ends all tasks of one lease; `environment` is what every job can reach.
//! - `scheduling` decides which lanes to take: `scheduler` and `slots` remember, `leaser` takes, `listening` passes notifications on,
//!   `heartbeat` keeps the lease alive until the last job has ended, and stops all jobs when it cannot.
//! - `execution` runs a job in a task of its own, turns its instruction into an outcome, and commits the outcomes that have gathered.
//! - `registry` lists the jobs; `jobs` are they.
//! - `services` run beside: `relay` fans events out, `redis_drain` brings the Redis inbox into the Postgres one, `batches` retries what
//!   people asked to be retried in bulk, `maintenance` does what is due now and then, `auditor` looks for broken invariants,
//!   `isolation` starts a process for jobs that workers died with.
//! - `watchdog` says whether vital tasks still make progress; `ops` serves health and metrics.

mod engine;

mod registry;

mod execution;

mod context;
mod effects;
pub mod jobs;

mod environment;

mod scheduling;
mod services;

mod ops;
mod watchdog;

mod retry;
mod storage;

#[cfg(test)]
mod fixtures;

pub mod cli;

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context;
use shared::config::WorkerConfig;
use shared::db::{Database, DbError, digest_key, tokens};
use shared::domain::WorkerId;
use shared::{schema, telemetry};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::engine::{Ended, Engine, Role};
use crate::watchdog::Watchdogs;

/// A job has a session for the length of a statement or a few. Each session keeps its own plans and makes them anew after every vacuum:
/// more of them cost more than a short wait for one.
const MOST_SESSIONS: u32 = 12;

/// One job at a time, and its outcome.
const SESSIONS_ALONE: u32 = 3;

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
    // Before the readiness says so: from then on a signal means drain.
    let drain = CancellationToken::new();
    tokio::spawn(drain_on_signal(drain.clone())?);
    let watchdogs = ops::serve(config.common.ops_listen, database.clone(), metrics).await?;
    tokio::select! {
        good = wait_until_good(&config, &database) => good?,
        () = drain.cancelled() => return Ok(()),
    }
    tracing::info!(concurrency = config.concurrency, "worker started");
    run_engines(Role::Shared, &config, &database, &drain, &watchdogs).await?;
    database.close().await;
    tracing::info!("worker stopped");
    Ok(())
}

/// Runs the jobs that two workers died with, one at a time, until none waits any more; on SIGTERM, SIGINT, or the end of a pipe as
/// standard input, until the running one has ended. It migrates nothing and serves no port.
///
/// # Errors
/// The settings or the schema refuse the start.
pub async fn run_alone(config: WorkerConfig, starter: Option<WorkerId>) -> anyhow::Result<()> {
    telemetry::start(config.common.log_format, &config.common.log_filter)?;
    let database = Database::lazy_keeping_plans(&config.common.database_url, SESSIONS_ALONE)?;
    let drain = CancellationToken::new();
    tokio::spawn(drain_on_signal(drain.clone())?);
    tokio::spawn(drain_with_starter(drain.clone()));
    tokio::select! {
        good = wait_until_good(&config, &database) => good?,
        () = drain.cancelled() => return Ok(()),
    }
    tracing::info!("running alone the jobs that workers died with");
    let watchdogs = Watchdogs::default();
    run_engines(Role::Alone(starter), &config, &database, &drain, &watchdogs).await?;
    database.close().await;
    tracing::info!("none is left that runs alone");
    Ok(())
}

/// One engine after the other until it is drained.
async fn run_engines(
    role: Role,
    config: &WorkerConfig,
    database: &Database,
    drain: &CancellationToken,
    watchdogs: &Watchdogs,
) -> anyhow::Result<()> {
    while !drain.is_cancelled() {
        let (database, watchdogs) = (database.clone(), watchdogs.clone());
        let engine = Engine::start(role, config, database, drain.clone(), watchdogs).await?;
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
    Ok(())
}

/// Waits for the database; what waiting would not mend is an error.
async fn wait_until_good(config: &WorkerConfig, database: &Database) -> anyhow::Result<()> {
    schema::wait_until_good(database).await?;
    let (sealed_with, same_digests) = loop {
        match read_keys(config, database).await {
            Ok(keys) => break keys,
            Err(error) => {
                tracing::warn!(error = %error, "waiting for the database and its keys");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    // With another key no contact would be found again: each would be made a second time.
    anyhow::ensure!(
        same_digests,
        "DIGEST_KEY is not the one that the digests of this database were made with"
    );
    // Tokens that cannot be opened would look like lost authorisations.
    for key in sealed_with {
        anyhow::ensure!(
            config.common.token_keys.holds(&key),
            "stored tokens are sealed with key id {key}, which TOKEN_KEYS does not hold"
        );
    }
    Ok(())
}

/// The ids of the keys that tokens are sealed with, and whether `DIGEST_KEY` is the key of the digests on links.
async fn read_keys(
    config: &WorkerConfig,
    database: &Database,
) -> Result<(Vec<String>, bool), DbError> {
    let mut db = database.worker().await?;
    digest_key::note_first(&mut db, &config.digests).await?;
    let same_digests = digest_key::is_in_use(&mut db, &config.digests).await?;
    let sealed_with = tokens::list_key_ids(&mut db).await?;
    db.commit().await?;
    Ok((sealed_with, same_digests))
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

/// Who starts a process that runs alone holds the other end of its standard input: it ends when they do, however they end.
async fn drain_with_starter(drain: CancellationToken) {
    let Ok(input) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    // Not a pipe: it was started by hand.
    let Ok(mut starter) = pipe::Receiver::from_owned_fd(input) else {
        return;
    };
    let _ = tokio::io::copy(&mut starter, &mut tokio::io::sink()).await;
    tracing::info!("draining: the worker that started this process has ended");
    drain.cancel();
}
