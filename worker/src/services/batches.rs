//! Batches: works off what people asked to be retried, a step at a time, while no other worker does so (`shared::queue::admin`).
//! It also ends jobs that were cancelled while they ran and came back instead of ending.

use std::sync::Arc;
use std::time::Duration;

use shared::db::{Database, DbError};
use shared::queue::admin;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::scheduling::slots::Slots;

/// Between two steps while there is a batch.
const STEP: Duration = Duration::from_millis(200);
/// Between two looks while there is none, and after a database error.
const REST: Duration = Duration::from_secs(1);

pub(crate) struct Batches {
    database: Database,
    slots: Arc<Slots>,
    /// The connection that the last step ended at: memory only, so that each gets its turn.
    after: Option<Uuid>,
}

impl Batches {
    pub(crate) fn new(database: Database, slots: Arc<Slots>) -> Self {
        Self {
            database,
            slots,
            after: None,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let rest = self.run_once().await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "a step of the batches failed, trying again");
                REST
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn run_once(&mut self) -> Result<Duration, DbError> {
        self.slots
            .notify_ready(&admin::tidy_cancelled(&self.database).await?);
        let step = admin::step(&self.database, self.after).await?;
        self.after = step.after;
        self.slots.notify_ready(&step.due);
        metrics::counter!("casehug_batch_jobs_retried_total")
            .increment(u64::try_from(step.retried).unwrap_or(0));
        Ok(if step.busy { STEP } else { REST })
    }
}
