//! What the database as a whole looks like: bounded reads, for metrics.

use std::time::Duration;

use sqlx::PgConnection;

/// The queue and the service around it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    pub oldest_ready: Duration,
    pub stuck_lanes: i64,
    pub lanes_held: i64,
    pub inbox_lag: Duration,
    pub workers_alive: i64,
    /// Nothing before the first one has ended.
    pub changed_audit: Option<Duration>,
    pub full_audit: Option<Duration>,
}

/// Transaction ids: the oldest that is still needed, and the next to be given.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    pub oldest: i64,
    pub next: i64,
}

/// Reads the gauges.
pub async fn find(db: &mut PgConnection) -> Result<Gauges, sqlx::Error> {
    let row = sqlx::query!(
        r#"select oldest_ready_ms as "oldest_ready_ms!", stuck as "stuck!", held as "held!", inbox_lag_ms as "inbox_lag_ms!",
             workers_alive as "workers_alive!", changed_audit_ms, full_audit_ms
           from gauge_queue(), gauge_service()"#
    )
    .fetch_one(db)
    .await?;
    Ok(Gauges {
        oldest_ready: duration(row.oldest_ready_ms),
        stuck_lanes: row.stuck,
        lanes_held: row.held,
        inbox_lag: duration(row.inbox_lag_ms),
        workers_alive: row.workers_alive,
        changed_audit: row.changed_audit_ms.map(duration),
        full_audit: row.full_audit_ms.map(duration),
    })
}

/// Reads how far the oldest open transaction of the server lies back.
pub async fn find_horizon(db: &mut PgConnection) -> Result<Horizon, sqlx::Error> {
    sqlx::query_as!(
        Horizon,
        r#"select oldest as "oldest!", next as "next!" from gauge_oldest_xid()"#
    )
    .fetch_one(db)
    .await
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
