//! One life under one lease: the tasks of a worker, started together and ended in order.
//!
//! Drain: the leaser ends first and with it apalis's source; running jobs go on under a lease that is still renewed;
//! after the grace time they are told to stop and give their lanes back; the finisher commits what they left; the heartbeat
//! ends last, and the worker's row goes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::{Data, WorkerBuilder};
use shared::clock;
use shared::config::WorkerConfig;
use shared::db::Database;
use shared::domain::{WorkerId, job::LeasedJob, retention::Retention};
use shared::inbox::RedisAddress;
use shared::providers::{HttpSettings, Providers};
use shared::queue::{self, GateSettings, Lease};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::environment::Environment;
use crate::execution::backend::LaneBackend;
use crate::execution::executor::Executor;
use crate::execution::finisher::Finisher;
use crate::scheduling::heartbeat::{Heartbeat, Verdict};
use crate::scheduling::leaser::Leaser;
use crate::scheduling::listening::Listening;
use crate::scheduling::slots::Slots;
use crate::services::auditor::Auditor;
use crate::services::batches::Batches;
use crate::services::gauges::Gauges;
use crate::services::maintenance::Maintenance;
use crate::services::redis_drain::RedisDrainLoop;
use crate::services::relay::RelayLoop;
use crate::storage::Storage;
use crate::watchdog::Watchdogs;

/// How an engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Drained,
    /// Another worker has taken over: everything here is void.
    LeaseLost,
    /// A task that lives as long as the engine has broken off.
    Broken,
}

pub(crate) struct Engine {
    worker: WorkerId,
    environment: Environment,
    heartbeat: Heartbeat,
    drain: CancellationToken,
    /// Ends leasing and everything beside it: at drain, and when the lease is lost.
    stop: CancellationToken,
    grace: Duration,
    concurrency: u16,
    retention: Retention,
    direct_url: String,
    redis: Option<RedisAddress>,
    watchdogs: Watchdogs,
}

impl Engine {
    /// Registers a new worker; its first lease begins.
    pub(crate) async fn start(
        config: &WorkerConfig,
        database: Database,
        drain: CancellationToken,
        watchdogs: Watchdogs,
    ) -> anyhow::Result<Self> {
        let worker = WorkerId(clock::new_id());
        // A connection of its own: a beat must not wait behind the jobs' statements.
        let beats = Database::lazy(&config.common.database_url, 1)?;
        let name = format!("casehug-worker/{}", std::process::id());
        let heartbeat = Heartbeat::start(beats, worker, &name, config.lease).await;
        let lease = Lease {
            length: config.lease,
            until: heartbeat.until(),
        };
        let http = HttpSettings {
            allow_test_providers: config.common.allow_test_providers,
            send_deadline: lease.send_deadline(),
        };
        let providers = Providers::new(&http, &config.common.providers).context("set up TLS")?;
        let storage = Storage::open(&config.storage_url)
            .map_err(|why| anyhow::anyhow!("STORAGE_URL: {why}"))?;
        let gates = GateSettings {
            database: database.clone(),
            worker,
            lease,
            limits: Arc::default(),
        };
        let stop = drain.child_token();
        let environment = Environment {
            digests: config.digests.clone(),
            database,
            keys: config.common.token_keys.clone(),
            storage,
            providers,
            gates,
            slots: Arc::new(Slots::new(config.concurrency, stop.clone())),
            transfers: Arc::new(Semaphore::new(usize::from(config.concurrency).div_ceil(2))),
            background: TaskTracker::new(),
            links_doubt_since: config.links_doubt_since,
        };
        Ok(Self {
            worker,
            environment,
            heartbeat,
            drain,
            stop,
            grace: config.shutdown_grace,
            concurrency: config.concurrency,
            retention: config.retention,
            direct_url: config.common.database_direct_url.clone(),
            redis: config.common.redis.clone(),
            watchdogs,
        })
    }

    pub(crate) async fn run(self) -> Ended {
        let database = self.environment.database.clone();
        let background = self.environment.background.clone();
        let (stop, slots) = (self.stop, self.environment.slots.clone());
        let aborts = self.heartbeat.aborts();
        let (leased, source) = mpsc::channel::<LeasedJob>(usize::from(self.concurrency));
        let finisher = Finisher::start(&database, self.worker, &slots, &self.watchdogs);
        let executor = Executor::new(
            self.environment.clone(),
            finisher.handle(),
            slots.clone(),
            aborts.clone(),
            stop.clone(),
        );
        let mut verdict = self.heartbeat.verdict();
        let renewing = tokio::spawn(self.heartbeat.run(self.watchdogs.clone()));
        let mut tasks = JoinSet::new();
        let leaser = Leaser::new(database.clone(), self.worker, slots.clone(), leased);
        tasks.spawn(leaser.run(stop.clone(), self.watchdogs.start("leaser")));
        let inbox = Arc::new(Notify::new());
        let listening = Listening::new(self.direct_url, self.worker, slots.clone(), inbox.clone());
        tasks.spawn(listening.run(stop.clone()));
        let offers = self.environment.providers.offers();
        let relay = RelayLoop::new(database.clone(), offers, slots.clone(), inbox);
        tasks.spawn(relay.run(stop.clone(), self.watchdogs.start("relay")));
        if let Some(redis) = self.redis {
            tasks.spawn(RedisDrainLoop::new(database.clone(), redis).run(stop.clone()));
        }
        let maintenance = Maintenance::new(
            database.clone(),
            self.worker,
            slots.clone(),
            self.environment.gates.lease.length,
            self.retention,
        );
        tasks.spawn(maintenance.run(stop.clone()));
        let batches = Batches::new(database.clone(), slots.clone());
        tasks.spawn(batches.run(stop.clone()));
        tasks.spawn(Gauges::new(database.clone()).run(stop.clone()));
        let auditor = Auditor::new(database.clone(), self.environment.gates.lease.length);
        tasks.spawn(auditor.run(stop.clone()));

        let apalis = WorkerBuilder::new("casehug")
            .backend(LaneBackend::new(source))
            .data(executor)
            .build(handle);
        let mut handling = tokio::spawn(apalis.run());

        let ended = tokio::select! {
            biased;
            () = self.drain.cancelled() => Ended::Drained,
            _ = verdict.wait_for(|v| *v == Verdict::Gone) => Ended::LeaseLost,
            _ = tasks.join_next() => Ended::Broken,
        };
        stop.cancel();
        let grace = match ended {
            Ended::Drained | Ended::Broken => self.grace,
            Ended::LeaseLost => Duration::ZERO,
        };
        if tokio::time::timeout(grace, &mut handling).await.is_err() {
            aborts.abort();
            let _ = handling.await;
        }
        while tasks.join_next().await.is_some() {}
        background.close();
        if tokio::time::timeout(grace, background.wait())
            .await
            .is_err()
        {
            tracing::warn!("a token was still being refreshed: another worker takes it up");
        }
        finisher.close().await;
        renewing.abort();
        let _ = renewing.await;
        if let Err(error) = queue::deregister(&database, self.worker).await {
            tracing::warn!(error = %error, "the worker's row stays until its lease ends");
        }
        ended
    }
}

/// apalis's handler: all handlers share one task there, so the job runs in a task of its own.
async fn handle(job: LeasedJob, executor: Data<Executor>) {
    let executor = (*executor).clone();
    let _ = tokio::spawn(async move { executor.run(job).await }).await;
}
