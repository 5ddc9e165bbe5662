//! The registry: all jobs, one line each, alphabetical. Nothing is registered elsewhere.
//! A kind's lane stands in `shared::domain::job::RunContext`, its time limit in `JobKind::time_limit`.

use std::time::Duration;

use shared::domain::job::Job;
use shared::domain::outcome::{Failure, Instruction, Report, Waiting};

use crate::context::Execution;
use crate::jobs;

/// A job that only a newer release knows is left to a worker of that release: after this it is offered again, to any worker.
const NEWER_WORKER: Duration = Duration::from_secs(30);

/// The large ones are boxed: a job is moved into its task, and no kind need be as large as the largest.
pub(crate) async fn run(execution: &Execution) -> Instruction {
    match execution.job.work {
        Job::Incomplete(_) => Instruction::Fail(Failure::internal("the job lacks its record")),
        Job::Probe => Instruction::Done(Report::default()),
        // Both come with inbound changes; until then nothing enqueues them.
        Job::ProcessWebhook | Job::PullMatters => Instruction::Fail(not_available()),
        Job::RefreshToken => Box::pin(jobs::refresh_token::run(execution)).await,
        Job::SweepLinks => Box::pin(jobs::sweep_links::run(execution)).await,
        Job::SyncDocument { matter, upload } => {
            Box::pin(jobs::sync_document::run(execution, matter, upload)).await
        }
        Job::SyncMatter { matter, after } => {
            Box::pin(jobs::sync_matter::run(execution, matter, after)).await
        }
        Job::Unknown => Instruction::Snooze {
            wait: NEWER_WORKER,
            reason: Waiting::NewerWorker,
            anew: false,
        },
    }
}

fn not_available() -> Failure {
    Failure::new(
        "not_available",
        "this release cannot do this yet",
        "use the sync of a matter",
    )
}
