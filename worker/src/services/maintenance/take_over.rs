//! Takeovers: every worker looks for dead ones, several times in a lease.

use std::sync::Arc;
use std::time::Duration;

use shared::db::DbError;
use shared::queue;
use tokio_util::sync::CancellationToken;

use super::Maintenance;

const TICK: Duration = Duration::from_millis(500);

pub(super) async fn run(maintenance: Arc<Maintenance>, stop: CancellationToken) {
    let tick = TICK.min(maintenance.lease / 4);
    loop {
        if let Err(error) = run_once(&maintenance).await {
            tracing::warn!(error = %error, "looking for dead workers failed, trying again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(tick) => {}
        }
    }
}

async fn run_once(maintenance: &Maintenance) -> Result<(), DbError> {
    let freed = queue::take_over(&maintenance.database, maintenance.worker).await?;
    if !freed.is_empty() {
        tracing::warn!(lanes = freed.len(), "took lanes over from a dead worker");
        metrics::counter!("casehug_lanes_taken_over_total").increment(freed.len() as u64);
        maintenance.slots.notify_ready(&freed);
    }
    Ok(())
}
