//! Retention: each call walks the next part of one table, or of the idle lanes, and deletes what is too old there.

use sqlx::PgConnection;

use crate::domain::retention::Retention;

/// The tables that are walked, by the names of their walks.
pub const WALKS: [&str; 5] = [
    "activity",
    "events",
    "failed_jobs",
    "logs",
    "webhook_events",
];

/// Parts in which a whole table is walked: at one part in ten seconds, about six hours.
const PARTS: i32 = 2_160;
/// Pages of one part: at least enough to be worth a transaction, at most some thousand rows.
const LEAST_PAGES: i32 = 64;
const MOST_PAGES: i32 = 512;
/// Idle lanes that are looked at in one call.
const IDLE_LANES: i32 = 1_000;

/// Walks the next part of a table, and returns how many rows went; nothing when its time has not come.
pub async fn walk(
    db: &mut PgConnection,
    walk: &'static str,
    retention: Retention,
) -> Result<Option<i64>, sqlx::Error> {
    let days = match walk {
        "activity" => retention.activity_days,
        "events" => retention.events_days,
        "failed_jobs" => retention.failed_jobs_days,
        "webhook_events" => retention.webhook_events_days,
        _ => retention.logs_days,
    };
    sqlx::query_scalar!(
        "select retention_walk($1, $2, $3, $4, $5, $6)",
        walk,
        i32::from(days),
        i32::from(retention.sealed_days),
        PARTS,
        LEAST_PAGES,
        MOST_PAGES,
    )
    .fetch_one(db)
    .await
}

/// Deletes lanes that have been idle for a day, among the next ones behind `after`. Returns where the next look begins.
pub async fn delete_idle_lanes(db: &mut PgConnection, after: i64) -> Result<i64, sqlx::Error> {
    let next = sqlx::query_scalar!("select retention_idle_lanes($1, $2)", after, IDLE_LANES)
        .fetch_one(db)
        .await?;
    Ok(next.unwrap_or(0))
}

/// Deletes recorded breaches that are too old.
pub async fn delete_breaches(db: &mut PgConnection, days: u16) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "delete from audit_breaches where found_at < app_now() - $1::integer * interval '1 day'",
        i32::from(days)
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
