//! The executor: runs one job in a task of its own, and turns what it says into an outcome that is committed.

use std::sync::Arc;

use shared::clock::Moment;
use shared::domain::Platform;
use shared::domain::job::LeasedJob;
use shared::domain::outcome::{Failure, Instruction, SkipReason, Waiting};
use shared::queue::{self, HeldLane};
use tokio_util::sync::CancellationToken;

use crate::engine::Shared;
use crate::finisher::FinisherHandle;
use crate::jobs::Execution;
use crate::judge::{self, Ran};
use crate::registry;
use crate::renewer::Aborts;
use crate::rota::LaneTurn;
use crate::slots::Slots;

#[derive(Debug, Clone)]
pub(crate) struct Executor {
    shared: Shared,
    finisher: FinisherHandle,
    slots: Arc<Slots>,
    aborts: Aborts,
    drain: CancellationToken,
}

impl Executor {
    pub(crate) fn new(
        shared: Shared,
        finisher: FinisherHandle,
        slots: Arc<Slots>,
        aborts: Aborts,
        drain: CancellationToken,
    ) -> Self {
        Self {
            shared,
            finisher,
            slots,
            aborts,
            drain,
        }
    }

    /// A turn at a lane: its job, and those that follow in it while nobody else is kept waiting. Returns when all is committed.
    pub(crate) async fn run(&self, job: LeasedJob) {
        let lane = HeldLane::from(&job);
        let mut turn = LaneTurn::new(&job);
        let mut next = Some(job);
        while let Some(job) = next {
            if self.drain.is_cancelled() {
                self.give_back(&job).await;
                break;
            }
            next = self.execute(job, turn).await;
            if let Some(next) = &next {
                turn.go_on(next);
            }
        }
        self.slots.give_back(&lane);
    }

    /// Not started: back at once, and no attempt is counted.
    async fn give_back(&self, job: &LeasedJob) {
        let held = [HeldLane::from(job)];
        let given = queue::give_back(&self.shared.database, self.shared.gates.worker, &held).await;
        if let Err(error) = given {
            tracing::warn!(error = %error, "a lease could not be given back and ends by itself");
        }
    }

    /// Runs one job; returns the lane's next one where the worker goes on with it.
    async fn execute(&self, job: LeasedJob, turn: LaneTurn) -> Option<LeasedJob> {
        let started = Moment::now();
        let execution = Execution::new(
            self.shared.clone(),
            Arc::new(job.clone()),
            self.aborts.token(),
        );
        let execution = Arc::new(execution);
        let (instruction, calls) = perform(execution.clone()).await;
        let ran = Ran {
            duration: started.elapsed(),
            calls,
        };
        metrics::histogram!("casehug_job_seconds", "kind" => job.kind.as_str())
            .record(ran.duration.as_secs_f64());
        if let Err(error) = judge::prepare(&self.shared.database, &job, &instruction).await {
            tracing::warn!(error = %error, job.id = %job.id, "a pause could not be written");
        }
        let outcome = judge::outcome(&job, instruction, ran, shared::clock::random_fraction());
        tracing::info!(
            job.id = %job.id, job.kind = job.kind.as_str(), job.attempt = job.attempts + 1, connection.id = %job.connection_id,
            outcome = outcome.attempt.outcome, code = outcome.code, duration_ms = outcome.attempt.duration_ms, "job ran"
        );
        metrics::counter!("casehug_jobs_finished_total", "kind" => job.kind.as_str(), "outcome" => outcome.attempt.outcome,
            "platform" => execution.platform().map_or("none", Platform::as_str))
        .increment(1);
        if let Some(reason) = outcome.waiting_for {
            metrics::counter!("casehug_snoozes_total", "reason" => reason).increment(1);
        }
        self.finisher.finish(outcome, turn).await
    }
}

/// Runs the job to its instruction: panics, time limits and cancellations are instructions too.
async fn perform(
    execution: Arc<Execution>,
) -> (Instruction, Vec<shared::domain::outcome::CallRecord>) {
    let instruction = if execution.job.cancelled {
        Instruction::Skipped(SkipReason::Cancelled)
    } else {
        let limit = execution.job.kind.time_limit();
        let running = execution.clone();
        // A task of its own: a panic ends in its handle and not here.
        let task =
            tokio::spawn(async move { tokio::time::timeout(limit, registry::run(&running)).await });
        match task.await {
            Ok(Ok(instruction)) => instruction,
            Ok(Err(_)) => Instruction::Retry(Failure::new(
                "timed_out",
                "the job took longer than its limit",
                "it is tried again by itself",
            )),
            Err(_) => Instruction::Retry(Failure::internal("the job broke off")),
        }
    };
    let stopped = execution.cancel.is_cancelled();
    let calls = execution.calls();
    match instruction {
        // Whatever a job says after it was told to stop: it was not its fault.
        Instruction::Retry(_) if stopped => (
            Instruction::Snooze {
                wait: std::time::Duration::ZERO,
                reason: Waiting::Shutdown,
            },
            calls,
        ),
        other => (other, calls),
    }
}
