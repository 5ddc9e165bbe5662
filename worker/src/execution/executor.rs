//! The executor: runs one job in a task of its own, and turns what it says into an outcome that is committed.

use std::sync::Arc;

use shared::clock::Moment;
use shared::domain::Platform;
use shared::domain::job::LeasedJob;
use shared::domain::outcome::{Failure, Instruction, RETRIED, SkipReason, Waiting};
use shared::queue::{self, HeldLane};
use tokio_util::sync::CancellationToken;

use crate::context::Execution;
use crate::environment::Environment;
use crate::execution::finisher::FinisherHandle;
use crate::execution::outcome::{self, Ran};
use crate::registry;
use crate::scheduling::heartbeat::Aborts;
use crate::scheduling::scheduler::LaneRun;
use crate::scheduling::slots::Slots;

#[derive(Debug, Clone)]
pub(crate) struct Executor {
    environment: Environment,
    finisher: FinisherHandle,
    slots: Arc<Slots>,
    aborts: Aborts,
    drain: CancellationToken,
}

impl Executor {
    pub(crate) fn new(
        environment: Environment,
        finisher: FinisherHandle,
        slots: Arc<Slots>,
        aborts: Aborts,
        drain: CancellationToken,
    ) -> Self {
        Self {
            environment,
            finisher,
            slots,
            aborts,
            drain,
        }
    }

    /// A run of jobs of one lane: the leased job, and those behind it while nothing else is kept waiting. Returns when all is committed.
    pub(crate) async fn run(&self, job: LeasedJob) {
        let lane = HeldLane::from(&job);
        let mut run = LaneRun::new(&job);
        let mut next = Some(job);
        while let Some(job) = next {
            if self.drain.is_cancelled() {
                self.give_back(&job).await;
                break;
            }
            next = self.execute(job, run).await;
            if let Some(next) = &next {
                run.continue_with(next);
            }
        }
        self.slots.give_back(&lane);
    }

    /// Not started: back at once, and no attempt is counted.
    async fn give_back(&self, job: &LeasedJob) {
        let held = [HeldLane::from(job)];
        let given = queue::give_back(
            &self.environment.database,
            self.environment.gates.worker,
            &held,
        )
        .await;
        if let Err(error) = given {
            tracing::warn!(error = %error, "a lease could not be given back and ends by itself");
        }
    }

    /// Runs one job; returns the lane's next one where the worker continues with it.
    async fn execute(&self, job: LeasedJob, run: LaneRun) -> Option<LeasedJob> {
        let started = Moment::now();
        let execution = Execution::new(
            self.environment.clone(),
            Arc::new(job.clone()),
            self.aborts.token(),
        );
        let execution = Arc::new(execution);
        let (instruction, calls) = perform(execution.clone()).await;
        let ran = Ran {
            duration: started.elapsed(),
            calls,
        };
        metrics::histogram!("casehug_job_seconds", "kind" => job.work.kind().as_str())
            .record(ran.duration.as_secs_f64());
        if let Err(error) = outcome::prepare(&self.environment.database, &job, &instruction).await {
            tracing::warn!(error = %error, job.id = %job.id, "a pause could not be written");
        }
        let outcome = outcome::decide(&job, instruction, ran, shared::clock::random_fraction());
        tracing::info!(
            job.id = %job.id, job.kind = job.work.kind().as_str(), job.attempt = job.attempts + 1, connection.id = %job.connection_id,
            outcome = outcome.attempt.outcome, code = outcome.code, duration_ms = outcome.attempt.duration_ms, "job ran"
        );
        metrics::counter!("casehug_jobs_finished_total", "kind" => job.work.kind().as_str(), "outcome" => outcome.attempt.outcome,
            "platform" => execution.platform().map_or("none", Platform::as_str))
        .increment(1);
        if let Some(reason) = outcome.waiting_for {
            metrics::counter!("casehug_snoozes_total", "reason" => reason).increment(1);
        }
        self.finisher.finish(outcome, run).await
    }
}

/// Runs the job to its instruction: panics, time limits and cancellations are instructions too.
async fn perform(
    execution: Arc<Execution>,
) -> (Instruction, Vec<shared::domain::outcome::CallRecord>) {
    let instruction = if execution.job.cancelled {
        Instruction::Skipped(SkipReason::Cancelled)
    } else {
        let limit = execution.job.work.kind().time_limit();
        let running = execution.clone();
        // A task of its own: a panic ends in its handle and not here.
        let task =
            tokio::spawn(async move { tokio::time::timeout(limit, registry::run(&running)).await });
        match task.await {
            Ok(Ok(instruction)) => instruction,
            Ok(Err(_)) => Instruction::Retry(Failure::new(
                "timed_out",
                "the job took longer than its limit",
                RETRIED,
            )),
            Err(_) => Instruction::Retry(Failure::internal("the job broke off")),
        }
    };
    let stopped = execution.cancel.is_cancelled();
    let calls = execution.calls();
    match instruction {
        // What a job reports after it was told to stop is not its fault.
        Instruction::Retry(_) if stopped => (
            Instruction::Snooze {
                wait: std::time::Duration::ZERO,
                reason: Waiting::Shutdown,
                anew: false,
            },
            calls,
        ),
        other => (other, calls),
    }
}
