//! The scheduled tasks.

use shared::clock;
use shared::db::breaker::{self, BreakerRules};
use shared::db::{DbError, connections, links, oauth_states, pauses, retention, schedules, tokens};
use shared::domain::job::{Priority, RunContext};
use shared::domain::{ConnectionId, FirmId, Platform, RunId};
use shared::providers::REFRESH_BEFORE;
use shared::queue;

use super::Maintenance;

impl Maintenance {
    pub(super) async fn set_sync_statuses(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        connections::set_sync_statuses(&mut db).await?;
        db.commit().await
    }

    pub(super) async fn judge_breakers(&self) -> Result<(), DbError> {
        for platform in Platform::ALL {
            self.judge_breaker(platform).await?;
        }
        Ok(())
    }

    async fn judge_breaker(&self, platform: Platform) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let judged = breaker::judge(&mut db, platform, BreakerRules::default()).await?;
        if let Some(judged) = &judged {
            // All are notified, because workers ignore a notification that names a paused connection.
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

    /// A sweep for each connection that has links to look at; one waits at a time.
    pub(super) async fn sweep_links(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let found = links::list_connections_to_sweep(&mut db).await?;
        let jobs: Vec<_> = found
            .into_iter()
            .map(|(firm, id)| background(FirmId(firm), ConnectionId(id)).sweep_links())
            .collect();
        queue::enqueue(&mut db, &jobs).await?;
        db.commit().await
    }

    /// A refresh for each connection whose token ends soon; one waits at a time.
    pub(super) async fn refresh_tokens(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let found = tokens::list_expiring(&mut db, REFRESH_BEFORE).await?;
        let jobs: Vec<_> = found
            .into_iter()
            .map(|(firm, id)| background(firm, id).refresh_token())
            .collect();
        queue::enqueue(&mut db, &jobs).await?;
        db.commit().await
    }

    /// The next part of each table.
    pub(super) async fn retain(&self) -> Result<(), DbError> {
        for walk in retention::WALKS {
            let mut db = self.database.worker().await?;
            let deleted = retention::walk(&mut db, walk, self.retention).await?;
            db.commit().await?;
            metrics::counter!("casehug_retention_deleted_total", "table" => walk).increment(
                deleted
                    .and_then(|rows| u64::try_from(rows).ok())
                    .unwrap_or(0),
            );
        }
        Ok(())
    }

    /// The next idle lanes. The schedule keeps where the next run continues, on any worker.
    pub(super) async fn delete_idle_lanes(&self, schedule: &str) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let after = schedules::find_place(&mut db, schedule).await?;
        let next = retention::delete_idle_lanes(&mut db, after).await?;
        schedules::set_place(&mut db, schedule, next).await?;
        db.commit().await
    }

    pub(super) async fn clean_up(&self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        oauth_states::delete_expired(&mut db).await?;
        pauses::delete_ended(&mut db).await?;
        retention::delete_breaches(&mut db, self.retention.activity_days).await?;
        db.commit().await
    }
}

/// A run that no person waits for.
fn background(firm_id: FirmId, connection_id: ConnectionId) -> RunContext {
    RunContext {
        firm_id,
        connection_id,
        run_id: RunId(clock::new_id()),
        priority: Priority::Background,
        explicit: false,
        event_ids: Vec::new(),
    }
}
