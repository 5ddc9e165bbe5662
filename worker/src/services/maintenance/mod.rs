//! Maintenance: small equal tasks, each once across all workers by the `schedules` table, each safe to miss or repeat.
//! Each has a loop of its own, so that a slow one holds up no other; takeovers, which every worker tries, have one too.

mod take_over;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Moment;
use shared::db::{Database, DbError, schedules};
use shared::domain::{WorkerId, retention::Retention};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::scheduling::slots::Slots;

/// A scheduled task.
#[derive(Debug, Clone, Copy)]
enum Task {
    CleanUp,
    DeleteIdleLanes,
    JudgeBreakers,
    RefreshTokens,
    Retain,
    SetSyncStatuses,
    SweepLinks,
}

/// Whose turn a schedule's time was.
enum Turn {
    Ours,
    Others,
}

/// The schedule table: name, how often across all workers, what.
const SCHEDULES: &[(&str, Duration, Task)] = &[
    ("breaker", Duration::from_millis(900), Task::JudgeBreakers),
    ("clean_up", Duration::from_mins(1), Task::CleanUp),
    ("idle_lanes", Duration::from_secs(10), Task::DeleteIdleLanes),
    (
        "refresh_tokens",
        Duration::from_mins(1),
        Task::RefreshTokens,
    ),
    ("retention", Duration::from_secs(10), Task::Retain),
    ("sweep_links", Duration::from_mins(1), Task::SweepLinks),
    (
        "sync_statuses",
        Duration::from_millis(900),
        Task::SetSyncStatuses,
    ),
];

/// A worker looks twice in a schedule's time whether it is due, within these bounds.
const SHORTEST_TICK: Duration = Duration::from_millis(450);
const LONGEST_TICK: Duration = Duration::from_secs(2);
/// A schedule costs at most one twentieth of the time: with an old transaction in its way it may take long, and reads dead rows again
/// at each repetition. Only two slow runs in a row count: one alone (a cold start, a busy machine) says nothing about the next.
const SHARE: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(30);

pub(crate) struct Maintenance {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
    lease: Duration,
    retention: Retention,
}

impl Maintenance {
    pub(crate) fn new(
        database: Database,
        worker: WorkerId,
        slots: Arc<Slots>,
        lease: Duration,
        retention: Retention,
    ) -> Self {
        Self {
            database,
            worker,
            slots,
            lease,
            retention,
        }
    }

    /// Ends when it is stopped, or when one of its loops breaks off.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut loops = JoinSet::new();
        loops.spawn(take_over::run(this.clone(), stop.clone()));
        for (name, every, task) in SCHEDULES {
            loops.spawn(this.clone().repeat(name, *every, *task, stop.clone()));
        }
        let _ = loops.join_next().await;
        if stop.is_cancelled() {
            // What is in the middle of its work ends it.
            while loops.join_next().await.is_some() {}
        }
    }

    async fn repeat(
        self: Arc<Self>,
        name: &'static str,
        every: Duration,
        task: Task,
        stop: CancellationToken,
    ) {
        let tick = (every / 2).clamp(SHORTEST_TICK, LONGEST_TICK);
        let mut previous = Duration::ZERO;
        loop {
            let started = Moment::now();
            let ran = self.run_once(name, every, task).await;
            let took = started.elapsed();
            let rest = match ran {
                // Another worker's turn says nothing of what ours will cost.
                Ok(Turn::Others) => tick,
                Ok(Turn::Ours) => {
                    let cost = took.min(std::mem::replace(&mut previous, took));
                    tick.max((cost * SHARE).min(LONGEST_REST))
                }
                Err(error) => {
                    tracing::warn!(error = %error, schedule = name, "maintenance failed, trying again");
                    tick
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn run_once(&self, name: &str, every: Duration, task: Task) -> Result<Turn, DbError> {
        let mut db = self.database.worker().await?;
        let is_ours = schedules::claim(&mut db, name, every).await?;
        db.commit().await?;
        if !is_ours {
            return Ok(Turn::Others);
        }
        match task {
            Task::CleanUp => self.clean_up().await,
            Task::DeleteIdleLanes => self.delete_idle_lanes(name).await,
            Task::JudgeBreakers => self.judge_breakers().await,
            Task::RefreshTokens => self.refresh_tokens().await,
            Task::Retain => self.retain().await,
            Task::SetSyncStatuses => self.set_sync_statuses().await,
            Task::SweepLinks => self.sweep_links().await,
        }?;
        Ok(Turn::Ours)
    }
}
