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
use shared::queue::{self, GateSettings, Lease, Takes};
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
use crate::scheduling::suspects::SuspectLeaser;
use crate::services::auditor::Auditor;
use crate::services::batches::Batches;
use crate::services::gauges::Gauges;
use crate::services::isolation::Isolation;
use crate::services::maintenance::Maintenance;
use crate::services::redis_drain::RedisDrainLoop;
use crate::services::relay::RelayLoop;
use crate::storage::Storage;
use crate::watchdog::Watchdogs;

/// What a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// All lanes but suspect ones, as many at once as it has slots.
    Shared,
    /// Suspect lanes, one at a time; it ends when none waits any more. The worker that has started it, where one has.
    Alone(Option<WorkerId>),
}

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
    role: Role,
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
        role: Role,
        config: &WorkerConfig,
        database: Database,
        drain: CancellationToken,
        watchdogs: Watchdogs,
    ) -> anyhow::Result<Self> {
        let worker = WorkerId(clock::new_id());
        // A connection of its own: a beat must not wait behind the jobs' statements.
        let beats = Database::lazy(&config.common.database_url, 1)?;
        let name = format!("casehug-worker/{}", std::process::id());
        let takes = match role {
            Role::Shared => Takes::Ordinary,
            Role::Alone(starter) => Takes::Suspects(starter),
        };
        let heartbeat = Heartbeat::start(beats, worker, &name, config.lease, takes).await;
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
        let concurrency = match role {
            Role::Shared => config.concurrency,
            Role::Alone(_) => 1,
        };
        let stop = drain.child_token();
        let environment = Environment {
            digests: config.digests.clone(),
            database,
            keys: config.common.token_keys.clone(),
            storage,
            providers,
            gates,
            slots: Arc::new(Slots::new(concurrency, stop.clone())),
            transfers: Arc::new(Semaphore::new(usize::from(concurrency).div_ceil(2))),
            background: TaskTracker::new(),
            links_doubt_since: config.links_doubt_since,
        };
        Ok(Self {
            role,
            worker,
            environment,
            heartbeat,
            drain,
            stop,
            grace: config.shutdown_grace,
            concurrency,
            retention: config.retention,
            direct_url: config.common.database_direct_url.clone(),
            redis: config.common.redis.clone(),
            watchdogs,
        })
    }

    pub(crate) async fn run(mut self) -> Ended {
        let database = self.environment.database.clone();
        let background = self.environment.background.clone();
        let slots = self.environment.slots.clone();
        let aborts = self.heartbeat.aborts();
        let (leased, source) = mpsc::channel::<LeasedJob>(usize::from(self.concurrency));
        let finisher = Finisher::start(&database, self.worker, &slots, &self.watchdogs);
        let executor = Executor::new(
            self.environment.clone(),
            finisher.handle(),
            slots,
            aborts.clone(),
            self.stop.clone(),
        );
        let mut verdict = self.heartbeat.verdict();
        let mut tasks = JoinSet::new();
        match self.role {
            Role::Shared => self.start_services(&mut tasks, leased),
            Role::Alone(_) => self.start_suspect_leaser(&mut tasks, leased),
        }
        let renewing = tokio::spawn(self.heartbeat.run(self.watchdogs.clone()));

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
        self.stop.cancel();
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

    fn start_suspect_leaser(&self, tasks: &mut JoinSet<()>, leased: mpsc::Sender<LeasedJob>) {
        let leaser = SuspectLeaser {
            database: self.environment.database.clone(),
            worker: self.worker,
            slots: self.environment.slots.clone(),
            leased,
            due: None,
        };
        tasks.spawn(leaser.run(self.drain.clone(), self.stop.clone()));
    }

    fn start_services(&mut self, tasks: &mut JoinSet<()>, leased: mpsc::Sender<LeasedJob>) {
        let database = &self.environment.database;
        let slots = &self.environment.slots;
        let lease = self.environment.gates.lease.length;
        let stop = || self.stop.clone();
        let leaser = Leaser::new(database.clone(), self.worker, slots.clone(), leased);
        tasks.spawn(leaser.run(stop(), self.watchdogs.start("leaser")));
        let inbox = Arc::new(Notify::new());
        let listening = Listening::new(
            self.direct_url.clone(),
            self.worker,
            slots.clone(),
            inbox.clone(),
        );
        tasks.spawn(listening.run(stop()));
        let offers = self.environment.providers.offers();
        let relay = RelayLoop::new(database.clone(), offers, slots.clone(), inbox);
        tasks.spawn(relay.run(stop(), self.watchdogs.start("relay")));
        if let Some(redis) = self.redis.take() {
            tasks.spawn(RedisDrainLoop::new(database.clone(), redis).run(stop()));
        }
        let maintenance = Maintenance::new(
            database.clone(),
            self.worker,
            slots.clone(),
            lease,
            self.retention,
        );
        tasks.spawn(maintenance.run(stop()));
        tasks.spawn(Batches::new(database.clone(), slots.clone()).run(stop()));
        tasks.spawn(Gauges::new(database.clone()).run(stop()));
        tasks.spawn(Auditor::new(database.clone(), lease).run(stop()));
        let isolation = Isolation {
            database: database.clone(),
            worker: self.worker,
            drain: self.drain.clone(),
            grace: self.grace,
        };
        tasks.spawn(isolation.run(stop()));
    }
}

/// apalis's handler: all handlers share one task there, so the job runs in a task of its own.
async fn handle(job: LeasedJob, executor: Data<Executor>) {
    let executor = (*executor).clone();
    let _ = tokio::spawn(async move { executor.run(job).await }).await;
}
