//! Maintenance: small equal tasks, each once across all workers by the `schedules` table, each safe to miss or repeat.

use std::sync::Arc;
use std::time::Duration;

use shared::clock;
use shared::db::breaker::{self, BreakerRules};
use shared::db::{Database, DbError, connections, links, oauth_states, schedules};
use shared::domain::job::{Priority, RunContext};
use shared::domain::{ConnectionId, FirmId, Platform, RunId, WorkerId};
use shared::queue;
use tokio_util::sync::CancellationToken;

use crate::slots::Slots;

const TICK: Duration = Duration::from_millis(500);

/// The schedule table: name, and how often.
const SYNC_STATUSES: (&str, Duration) = ("sync_statuses", Duration::from_millis(900));
const BREAKER: (&str, Duration) = ("breaker", Duration::from_millis(900));
const SWEEP_LINKS: (&str, Duration) = ("sweep_links", Duration::from_mins(1));
const CLEAN_UP: (&str, Duration) = ("clean_up", Duration::from_mins(1));

pub(crate) struct Maintenance {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
    lease: Duration,
}

impl Maintenance {
    pub(crate) fn new(
        database: Database,
        worker: WorkerId,
        slots: Arc<Slots>,
        lease: Duration,
    ) -> Self {
        Self {
            database,
            worker,
            slots,
            lease,
        }
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        let tick = TICK.min(self.lease / 4);
        loop {
            if let Err(error) = self.run_once().await {
                tracing::warn!(error = %error, "maintenance failed, trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    async fn run_once(&self) -> Result<(), DbError> {
        self.take_over().await?;
        if self.claim(SYNC_STATUSES).await? {
            let mut db = self.database.worker().await?;
            connections::set_sync_statuses(&mut db).await?;
            db.commit().await?;
        }
        if self.claim(BREAKER).await? {
            for platform in Platform::ALL {
                self.judge_breaker(platform).await?;
            }
        }
        if self.claim(SWEEP_LINKS).await? {
            self.enqueue_sweeps().await?;
        }
        if self.claim(CLEAN_UP).await? {
            self.clean_up().await?;
        }
        Ok(())
    }

    async fn claim(&self, (name, every): (&str, Duration)) -> Result<bool, DbError> {
        let mut db = self.database.worker().await?;
        let ours = schedules::claim(&mut db, name, every).await?;
        db.commit().await?;
        Ok(ours)
    }

    async fn take_over(&self) -> Result<(), DbError> {
        let freed = queue::take_over(&self.database, self.worker).await?;
        if !freed.is_empty() {
            tracing::warn!(lanes = freed.len(), "took lanes over from a dead worker");
            metrics::counter!("casehug_lanes_taken_over_total").increment(freed.len() as u64);
            self.slots.hear(&freed);
        }
        Ok(())
    }

    async fn judge_breaker(&self, platform: Platform) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let judged = breaker::judge(&mut db, platform, BreakerRules::default()).await?;
        if let Some(judged) = &judged {
            // Paused connections heed no notification that names them.
            queue::notify_everything(&mut db).await?;
            tracing::warn!(
                platform = platform.as_str(),
                change = judged.change,
                troubled = judged.troubled,
                called = judged.called,
                wait_ms = judged.wait.as_millis(),
                "the platform's breaker changed"
            );
            metrics::counter!("casehug_breaker_changes_total", "platform" => platform.as_str(), "change" => judged.change.clone())
                .increment(1);
        }
        db.commit().await
    }

    async fn enqueue_sweeps(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let jobs: Vec<_> = links::list_connections_to_sweep(&mut db)
            .await?
            .into_iter()
            .map(|(firm, connection)| {
                RunContext {
                    firm_id: FirmId(firm),
                    connection_id: ConnectionId(connection),
                    run_id: RunId(clock::new_id()),
                    priority: Priority::Background,
                    explicit: false,
                    event_ids: Vec::new(),
                }
                .sweep_links()
            })
            .collect();
        if jobs.is_empty() {
            return Ok(());
        }
        queue::enqueue(&mut db, &jobs).await?;
        db.commit().await
    }

    async fn clean_up(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        oauth_states::delete_expired(&mut db).await?;
        connections::delete_ended_pauses(&mut db).await?;
        db.commit().await?;
        queue::delete_idle_lanes(&self.database).await?;
        Ok(())
    }
}
