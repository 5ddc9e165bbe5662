//! The breaker of the platform's storage of files: who may send bytes, and what came of it.
//!
//! It is asked before the first call: a job that waits for the storage makes none.

use std::time::Duration;

use shared::clock;
use shared::db::storages::{self, StorageTurn};
use shared::domain::outcome::Waiting;
use shared::domain::{Platform, Region};
use shared::providers::{CallError, ProviderError};

use crate::context::Context;

/// Jobs that wait for the storage look again after this time, up to twice: each look is an execution.
const SHORTEST_LOOK: Duration = Duration::from_secs(30);

impl Context<'_> {
    fn storage(&self) -> (Platform, Region) {
        (self.account.platform, self.account.region)
    }

    /// Later, while the storage takes no bytes of anybody.
    pub(super) async fn turn_at_storage(&self) -> Result<StorageTurn, CallError> {
        let database = &self.execution.environment.database;
        match storages::ask(database, self.storage()).await? {
            StorageTurn::Closed(wait) => Err(later(wait.max(SHORTEST_LOOK))),
            turn => Ok(turn),
        }
    }

    /// Notes what the storage did. A job that tried in vain has made no attempt of its own.
    pub(super) async fn note_storage<T>(
        &self,
        turn: StorageTurn,
        sent: Result<T, CallError>,
    ) -> Result<T, CallError> {
        let database = &self.execution.environment.database;
        let (storage, platform) = (self.storage(), self.account.platform);
        match &sent {
            Ok(_) => {
                if storages::note_answer(database, storage).await? {
                    report(platform, "closed");
                }
            }
            Err(CallError::Provider(ProviderError::Storage { status })) => {
                let connection = self.execution.job.connection_id;
                let changed = storages::note_failure(database, storage, connection, turn).await?;
                if let Some(change) = changed {
                    report(platform, &change);
                }
                // A refusal of these bytes is an attempt of their own: it may be about them.
                let is_refused = status.is_some_and(|status| status < 500);
                if turn == StorageTurn::Try && !is_refused {
                    return Err(later(SHORTEST_LOOK));
                }
            }
            // It says nothing about the storage.
            Err(_) => {}
        }
        sent
    }
}

fn later(shortest: Duration) -> CallError {
    CallError::Later {
        wait: shortest.mul_f64(1.0 + clock::random_fraction()),
        reason: Waiting::Storage,
    }
}

fn report(platform: Platform, change: &str) {
    tracing::warn!(
        platform = platform.as_str(),
        change,
        "the breaker of the platform's storage changed"
    );
    metrics::counter!("casehug_storage_breaker_changes_total", "platform" => platform.as_str(), "change" => change.to_owned())
        .increment(1);
}
