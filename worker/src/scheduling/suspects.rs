//! The leaser of a worker that runs alone: takes suspects one after the other, and ends the worker when none waits any more.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Moment;
use shared::db::{Database, DbError};
use shared::domain::{WorkerId, job::LeasedJob};
use shared::queue::{self, Capacity, Visit};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::scheduling::leaser::give_back_unknown;
use crate::scheduling::slots::Slots;

/// Between two looks.
const REST: Duration = Duration::from_millis(250);
/// Without a suspect the worker goes on for this time: a process costs more than a look.
const IDLE: Duration = Duration::from_secs(5);
/// A job is told to end at its time limit. One that still runs this much later cannot be told anything.
const DEAF: Duration = Duration::from_mins(1);
/// A worker that runs alone has one slot.
const ONE: Capacity = Capacity { all: 1, others: 1 };

pub(crate) struct SuspectLeaser {
    pub(crate) database: Database,
    pub(crate) worker: WorkerId,
    pub(crate) slots: Arc<Slots>,
    pub(crate) leased: mpsc::Sender<LeasedJob>,
    /// When the job that runs must have ended.
    pub(crate) due: Option<Moment>,
}

impl SuspectLeaser {
    /// Ends when it is stopped. `drain` ends the worker.
    pub(crate) async fn run(mut self, drain: CancellationToken, stop: CancellationToken) {
        let mut busy_at = Moment::now();
        while !stop.is_cancelled() {
            match self.run_once().await {
                Ok(true) => busy_at = Moment::now(),
                Ok(false) if busy_at.elapsed() > IDLE => drain.cancel(),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "leasing failed, trying again");
                    self.slots.doubt();
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(REST) => {}
            }
        }
    }

    /// Whether a suspect runs.
    async fn run_once(&mut self) -> Result<bool, DbError> {
        if self.slots.is_exhausted() {
            self.end_with_a_deaf_job();
            return Ok(true);
        }
        if self.slots.take_doubt() {
            give_back_unknown(&self.database, self.worker, &self.slots).await?;
        }
        let visits = self.list_visits().await?;
        if visits.is_empty() {
            return Ok(false);
        }
        let leased = queue::lease(&self.database, self.worker, ONE, &visits).await?;
        self.slots.hold(&leased.jobs);
        let took = !leased.jobs.is_empty();
        for job in leased.jobs {
            self.due = Some(Moment::now() + job.work.kind().time_limit() + DEAF);
            // It is closed only when apalis has ended: the lease then ends by itself.
            let _ = self.leased.send(job).await;
        }
        Ok(took)
    }

    /// A job that never waits hears no time limit. The process ends, as one does that a job takes down, and the loss judges the job.
    fn end_with_a_deaf_job(&self) {
        if self.due.is_some_and(|due| due <= Moment::now()) {
            tracing::error!("a job goes on past its time limit: its process ends with it");
            std::process::abort();
        }
    }

    async fn list_visits(&self) -> Result<Vec<Visit>, DbError> {
        let mut connections = queue::list_suspects(&self.database).await?;
        connections.sort();
        connections.dedup();
        let visit = |connection| Visit {
            connection,
            ready_floor: None,
            first_fence_floor: 0,
            background_first: false,
        };
        Ok(connections.into_iter().map(visit).collect())
    }
}
