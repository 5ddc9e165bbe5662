//! The drain's loop: looks at the Redis inbox when something was added, and every second anyway. While Redis or Postgres is
//! away it waits; what is in the stream stays there.

use std::time::Duration;

use shared::db::Database;
use shared::inbox::{InboxError, RedisAddress, RedisDrain};
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_secs(1);
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);

pub(crate) struct RedisDrainLoop {
    drain: RedisDrain,
    rest: Duration,
    fails: bool,
}

impl RedisDrainLoop {
    pub(crate) fn new(database: Database, address: RedisAddress) -> Self {
        Self {
            drain: RedisDrain::new(database, address),
            rest: FIRST_REST,
            fails: false,
        }
    }

    /// A pass that is cut short leaves its entries to the next one.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.step() => {}
            }
        }
    }

    async fn step(&mut self) {
        match self.take().await {
            Ok(()) => self.note_success(),
            Err(error) => {
                self.note_failure(&error);
                tokio::time::sleep(self.rest).await;
                self.rest = (self.rest * 2).min(LONGEST_REST);
            }
        }
    }

    /// Takes batches until nothing is left, and waits for more.
    async fn take(&mut self) -> Result<(), InboxError> {
        loop {
            let moved = self.drain.run_once().await?;
            metrics::counter!("casehug_redis_inbox_moved_total").increment(moved.entries as u64);
            metrics::counter!("casehug_redis_inbox_dead_total").increment(moved.dead as u64);
            if !moved.more {
                return self.drain.wait(POLL).await;
            }
        }
    }

    fn note_success(&mut self) {
        if self.fails {
            tracing::info!("moving from the Redis inbox goes on");
        }
        self.fails = false;
        self.rest = FIRST_REST;
    }

    /// Once: an outage is one story.
    fn note_failure(&mut self, error: &InboxError) {
        if !self.fails {
            tracing::warn!(error = %shared::inbox::chain(error), "moving from the Redis inbox waits");
        }
        self.fails = true;
    }
}
