//! The registry: all jobs, one line each, alphabetical. Nothing is registered elsewhere.
//! A kind's lane stands in `shared::domain::job::RunContext`, its time limit in `JobKind::time_limit`.

use std::time::Duration;

use shared::domain::job::JobKind;
use shared::domain::outcome::{Failure, Instruction, Report, SkipReason, Waiting};

use crate::jobs::{self, Execution};

/// A job that only a newer release knows is left to a worker of that release: after this it is offered again, to whoever comes.
const NEWER_WORKER: Duration = Duration::from_secs(30);

/// The large ones are boxed: a job is moved into its task, and no kind need be as large as the largest.
pub(crate) async fn run(execution: &Execution) -> Instruction {
    match execution.job.kind {
        JobKind::Probe => Instruction::Done(Report::default()),
        // Both arrive with inbound changes; until then nothing enqueues them.
        JobKind::ProcessWebhook => Instruction::Skipped(SkipReason::RecordGone),
        JobKind::PullMatters => Instruction::Fail(not_available()),
        JobKind::RefreshToken => Box::pin(jobs::refresh_token::run(execution)).await,
        JobKind::SweepLinks => Box::pin(jobs::sweep_links::run(execution)).await,
        JobKind::SyncDocument => Box::pin(jobs::sync_document::run(execution)).await,
        JobKind::SyncMatter => Box::pin(jobs::sync_matter::run(execution)).await,
        JobKind::Unknown => Instruction::Snooze {
            wait: NEWER_WORKER,
            reason: Waiting::NewerWorker,
        },
    }
}

fn not_available() -> Failure {
    Failure::new(
        "not_available",
        "pulling matters is not available yet",
        "use the sync of a matter",
    )
}
