//! Batches: a retry of all failed jobs that match a filter. Counted first, then worked off by one worker at a time.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{JobFilter, Whose};
use crate::clock;
use crate::db::{Database, activity};
use crate::domain::{ConnectionId, FirmId};
use crate::queue::notify_ready;

/// A batch is fixed in one statement: nine seconds for as many as this, of the thirty that a statement has.
pub const MOST_IN_A_BATCH: i64 = 1_000_000;
/// Jobs that a step retries, at most: its locks are held for a moment.
const STEP: i32 = 500;

/// A batch and its progress.
#[derive(Debug, Serialize, ToSchema)]
pub struct Batch {
    pub id: Uuid,
    pub firm_id: Option<Uuid>,
    pub filter: Value,
    pub author: String,
    /// `running`, `cancelled` or `done`.
    pub state: String,
    /// All jobs of the batch; the sum of the five numbers below, until it was cancelled.
    pub counted: i32,
    /// Not made ready yet.
    pub waiting: i64,
    /// Made ready, and not ended yet.
    pub running: i64,
    pub succeeded: i32,
    pub failed: i32,
    /// Joined a waiting duplicate, were skipped or cancelled.
    pub skipped: i32,
    pub created_at: DateTime<Utc>,
    pub cancelled_by: Option<String>,
    /// When the last job that it made ready had ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// How many failed jobs match.
///
/// # Errors
/// The database refused.
pub async fn count_matching(db: &mut PgConnection, filter: &JobFilter) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select batch_count(jsonb_populate_record(null::job_filter, $1)) as "count!""#,
        filter.to_json()?
    )
    .fetch_one(db)
    .await
}

/// Fixes the failed jobs that match, and their order, and records who asked. The caller commits; a worker does the rest.
///
/// # Errors
/// The database refused.
pub async fn begin_batch(
    db: &mut PgConnection,
    filter: &JobFilter,
    author: &str,
) -> Result<Uuid, sqlx::Error> {
    let (id, shown) = (clock::new_id(), filter.to_json()?);
    let firm = filter.firm_id;
    let counted = sqlx::query_scalar!(
        r#"select batch_begin($1, $2, jsonb_populate_record(null::job_filter, $3), $3, $4) as "counted!""#,
        id,
        firm.map(|firm| firm.0),
        shown,
        author,
    )
    .fetch_one(&mut *db)
    .await?;
    let details = json!({ "filter": shown, "counted": counted });
    record(db, firm, "retry_jobs", author, id, details).await?;
    Ok(id)
}

/// One batch; nothing when there is none, or it is another firm's.
///
/// # Errors
/// The database refused.
pub async fn find_batch(
    db: &mut PgConnection,
    whose: Whose,
    id: Uuid,
) -> Result<Option<Batch>, sqlx::Error> {
    sqlx::query_as!(
        Batch,
        r#"select b.id, b.firm_id, b.filter, b.author, b.state, b.counted, w.waiting as "waiting!", w.running as "running!",
             b.succeeded, b.failed, b.skipped, b.created_at, b.cancelled_by, b.finished_at
           from batches b cross join lateral (
             select count(*) filter (where j.retried_at is null) as waiting, count(*) filter (where j.retried_at is not null) as running
             from batch_jobs j where j.batch_id = b.id) w
           where b.id = $1 and ($2::uuid is null or b.firm_id = $2)"#,
        id,
        whose.map(|firm| firm.0),
    )
    .fetch_optional(db)
    .await
}

/// Stops a batch and records who did; the caller commits. What it has made ready goes on, the rest stays failed.
/// False when it is not running.
///
/// # Errors
/// The database refused.
pub async fn cancel_batch(
    db: &mut PgConnection,
    whose: Whose,
    id: Uuid,
    author: &str,
) -> Result<bool, sqlx::Error> {
    let firm = whose.map(|firm| firm.0);
    let cancelled = sqlx::query_scalar!(
        r#"select batch_cancel($1, $2, $3) as "cancelled!""#,
        firm,
        id,
        author
    )
    .fetch_one(&mut *db)
    .await?;
    if cancelled {
        record(db, whose, "cancel_batch", author, id, json!({})).await?;
    }
    Ok(cancelled)
}

async fn record(
    db: &mut PgConnection,
    firm_id: Option<FirmId>,
    act: &'static str,
    author: &str,
    batch: Uuid,
    details: Value,
) -> Result<(), sqlx::Error> {
    let entry = activity::Entry {
        firm_id,
        connection_id: None,
        act,
        author,
        subject: Some(batch),
        details,
    };
    activity::insert(db, &entry).await
}

/// What a step did.
#[derive(Debug)]
pub struct BatchStep {
    /// There are batches that this worker may work on.
    pub busy: bool,
    /// The connection that the next step begins behind, so that each gets its turn.
    pub after: Option<Uuid>,
    pub retried: i32,
    pub ended: i32,
    pub due: Vec<ConnectionId>,
}

/// One step over all batches; does nothing while another worker is at it.
///
/// # Errors
/// The database refused: nothing was retried.
pub async fn step(database: &Database, after: Option<Uuid>) -> Result<BatchStep, sqlx::Error> {
    let mut db = database.worker().await?;
    let row = sqlx::query!(
        r#"select acted as "acted!", busy as "busy!", retried as "retried!", ended as "ended!", next_after, due from batch_step($1, $2)"#,
        after,
        STEP
    )
    .fetch_one(&mut *db)
    .await?;
    let due: Vec<_> = row.due.unwrap_or_default();
    let due: Vec<_> = due.into_iter().map(ConnectionId).collect();
    notify_ready(&mut db, &due).await?;
    db.commit().await?;
    Ok(BatchStep {
        busy: row.acted && row.busy,
        after: row.next_after,
        retried: row.retried,
        ended: row.ended,
        due,
    })
}
