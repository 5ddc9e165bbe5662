//! Leasing the heads of ready lanes.

use std::time::Duration;

use crate::db::{Database, corrupt};
use crate::domain::{
    ConnectionId, FirmId, JobId, MatterId, RunId, UploadId, WorkerId,
    job::{JobKind, LeasedJob},
};

/// At most so many lanes of one connection in one lease, so that no connection takes a whole round.
const EACH: i32 = 16;

/// Leases up to `limit` lanes, beginning behind the connection that was served last.
///
/// # Errors
/// The database refused: nothing was leased, or the leases are nobody's and end with the worker's own.
pub async fn lease(
    database: &Database,
    worker: WorkerId,
    limit: i32,
    after: ConnectionId,
) -> Result<Vec<LeasedJob>, sqlx::Error> {
    let mut db = database.worker().await?;
    let rows = sqlx::query!(
        r#"select lane as "lane!", fence as "fence!", id as "id!", firm_id as "firm_id!", connection_id as "connection_id!", kind as "kind!",
             matter_id, upload_id, explicit as "explicit!", run_id as "run_id!", event_ids as "event_ids!", priority as "priority!",
             attempts as "attempts!", limited as "limited!", age_ms as "age_ms!", cancelled as "cancelled!"
           from queue_lease($1, $2, $3, $4)"#,
        worker.0,
        limit,
        EACH,
        after.0,
    )
    .fetch_all(&mut *db)
    .await?;
    db.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(LeasedJob {
                id: JobId(row.id),
                lane: row.lane,
                fence: row.fence,
                firm_id: FirmId(row.firm_id),
                connection_id: ConnectionId(row.connection_id),
                kind: JobKind::parse(&row.kind).ok_or_else(|| corrupt("jobs.kind"))?,
                matter_id: row.matter_id.map(MatterId),
                upload_id: row.upload_id.map(UploadId),
                explicit: row.explicit,
                run_id: RunId(row.run_id),
                event_ids: row.event_ids,
                priority: row.priority,
                attempts: row.attempts,
                limited: row.limited,
                age: Duration::from_millis(u64::try_from(row.age_ms).unwrap_or(0)),
                cancelled: row.cancelled,
            })
        })
        .collect()
}

/// When the next lane becomes due or the next pause ends, at most an hour ahead; nothing when nothing does.
///
/// # Errors
/// The database refused.
pub async fn next_due(database: &Database) -> Result<Option<Duration>, sqlx::Error> {
    let mut db = database.worker().await?;
    let ms = sqlx::query_scalar!("select queue_next_due_ms()")
        .fetch_one(&mut *db)
        .await?;
    Ok(ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
}
