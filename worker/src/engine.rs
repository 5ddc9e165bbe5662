//! One life under one lease: the tasks of a worker, started together and ended in order.
//!
//! Drain: the leaser ends first and with it apalis's source; running jobs go on under a lease that is still renewed;
//! after the grace time they are told to stop and give their lanes back; the finisher commits what they left; the renewer
//! ends last, and the worker's row goes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::{Data, WorkerBuilder};
use shared::clock;
use shared::config::{Retention, WorkerConfig};
use shared::crypto::KeyRing;
use shared::db::Database;
use shared::domain::{WorkerId, job::LeasedJob};
use shared::inbox::RedisAddress;
use shared::providers::clio::Clio;
use shared::queue::{self, GateSettings, LaneBackend, Lease};
use shared::storage::Storage;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::auditor::Auditor;
use crate::batches::Batches;
use crate::executor::Executor;
use crate::finisher::Finisher;
use crate::gauges::Gauges;
use crate::leaser::Leaser;
use crate::listening::Listening;
use crate::maintenance::Maintenance;
use crate::mover::MoverLoop;
use crate::pulse::Pulses;
use crate::relay::RelayLoop;
use crate::renewer::{Renewer, Verdict};
use crate::slots::Slots;

/// How an engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Drained,
    /// Another worker has taken over: everything here is void.
    LeaseLost,
    /// A task that lives as long as the engine has broken off.
    Broken,
}

/// What every job of this engine can reach.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) keys: KeyRing,
    pub(crate) storage: Storage,
    pub(crate) clio: Clio,
    pub(crate) gates: GateSettings,
    pub(crate) slots: Arc<Slots>,
    pub(crate) links_doubt_since: Option<chrono::DateTime<chrono::Utc>>,
}

pub(crate) struct Engine {
    worker: WorkerId,
    shared: Shared,
    renewer: Renewer,
    drain: CancellationToken,
    /// Ends leasing and everything beside it: at drain, and when the lease is lost.
    stop: CancellationToken,
    grace: Duration,
    concurrency: u16,
    retention: Retention,
    direct_url: String,
    redis: Option<RedisAddress>,
    pulses: Pulses,
}

impl Engine {
    /// Registers a new worker; its first lease begins.
    pub(crate) async fn start(
        config: &WorkerConfig,
        database: Database,
        drain: CancellationToken,
        pulses: Pulses,
    ) -> anyhow::Result<Self> {
        let worker = WorkerId(clock::new_id());
        // A connection of its own: a beat must not wait behind the jobs' statements.
        let beats = Database::lazy(&config.common.database_url, 1)?;
        let name = format!("casehug-worker/{}", std::process::id());
        let renewer = Renewer::start(beats, worker, &name, config.lease).await;
        let lease = Lease {
            length: config.lease,
            until: renewer.until(),
        };
        let clio = config
            .common
            .clio(lease.send_deadline())
            .context("set up TLS")?;
        let storage = Storage::open(&config.storage_url)
            .map_err(|why| anyhow::anyhow!("STORAGE_URL: {why}"))?;
        let gates = GateSettings {
            database: database.clone(),
            worker,
            lease,
            limits: Arc::default(),
        };
        let stop = drain.child_token();
        let shared = Shared {
            database,
            keys: config.common.token_keys.clone(),
            storage,
            clio,
            gates,
            slots: Arc::new(Slots::new(config.concurrency, stop.clone())),
            links_doubt_since: config.links_doubt_since,
        };
        Ok(Self {
            worker,
            shared,
            renewer,
            drain,
            stop,
            grace: config.shutdown_grace,
            concurrency: config.concurrency,
            retention: config.retention,
            direct_url: config.common.database_direct_url.clone(),
            redis: config.common.redis.clone(),
            pulses,
        })
    }

    pub(crate) async fn run(self) -> Ended {
        let database = self.shared.database.clone();
        let (stop, slots) = (self.stop, self.shared.slots.clone());
        let aborts = self.renewer.aborts();
        let (leased, source) = mpsc::channel::<LeasedJob>(usize::from(self.concurrency));
        let finisher = Finisher::start(&database, self.worker, &slots, &self.pulses);
        let executor = Executor::new(
            self.shared.clone(),
            finisher.handle(),
            slots.clone(),
            aborts.clone(),
            stop.clone(),
        );
        let mut verdict = self.renewer.verdict();
        let renewing = tokio::spawn(self.renewer.run(self.pulses.clone()));
        let mut tasks = JoinSet::new();
        let leaser = Leaser::new(database.clone(), self.worker, slots.clone(), leased);
        tasks.spawn(leaser.run(stop.clone(), self.pulses.start("leaser")));
        let inbox = Arc::new(Notify::new());
        let listening = Listening::new(self.direct_url, self.worker, slots.clone(), inbox.clone());
        tasks.spawn(listening.run(stop.clone()));
        let relay = RelayLoop::new(database.clone(), slots.clone(), inbox);
        tasks.spawn(relay.run(stop.clone(), self.pulses.start("relay")));
        if let Some(redis) = self.redis {
            tasks.spawn(MoverLoop::new(database.clone(), redis).run(stop.clone()));
        }
        let maintenance = Maintenance::new(
            database.clone(),
            self.worker,
            slots.clone(),
            self.shared.gates.lease.length,
            self.retention,
        );
        tasks.spawn(maintenance.run(stop.clone()));
        let batches = Batches::new(database.clone(), slots.clone());
        tasks.spawn(batches.run(stop.clone()));
        tasks.spawn(Gauges::new(database.clone()).run(stop.clone()));
        let auditor = Auditor::new(database.clone(), self.shared.gates.lease.length);
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
