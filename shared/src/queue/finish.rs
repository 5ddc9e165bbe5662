//! Finishing: outcomes of many jobs in one commit, each only where its fence still holds.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::db::Database;
use crate::domain::{ExternalId, JobId, WorkerId, job::NewJob, outcome::CallRecord};

/// What the database is told about one execution. The shape is that of `queue_finish` in the schema.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub lane: String,
    pub fence: i64,
    pub job_id: JobId,
    /// `delete`, `fail` or `later`.
    pub effect: &'static str,
    pub delay_ms: u64,
    pub waiting_for: Option<&'static str>,
    /// The attempt counts towards the limit.
    pub counted: bool,
    /// Answers of 429 in a row by now.
    pub limited: i32,
    pub log_status: &'static str,
    pub code: Option<String>,
    pub message: Option<String>,
    pub external_id: Option<ExternalId>,
    pub details: Value,
    pub attempt: Attempt,
    pub follow_ups: Vec<NewJob>,
    pub requeue_code: Option<&'static str>,
    /// A probe says nothing about its connection.
    pub probe: bool,
}

/// One execution for the history.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub duration_ms: u64,
    pub outcome: &'static str,
    pub calls: Vec<CallRecord>,
}

/// What a commit did.
#[derive(Debug, Default)]
pub struct Finished {
    /// Lane and fence of the outcomes that were written.
    pub written: HashSet<(String, i64)>,
    /// Some lane has its next job ready.
    pub ready: bool,
}

/// Commits outcomes. What is not among the written was locked by somebody, or has another fence.
///
/// # Errors
/// The database refused: none of them is written.
pub async fn finish(
    database: &Database,
    worker: WorkerId,
    outcomes: &[&Outcome],
) -> Result<Finished, sqlx::Error> {
    let outcomes =
        serde_json::to_value(outcomes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut db = database.worker().await?;
    let rows = sqlx::query!(
        r#"select lane as "lane!", fence as "fence!", ready from queue_finish($1, $2)"#,
        worker.0,
        outcomes
    )
    .fetch_all(&mut *db)
    .await?;
    db.commit().await?;
    Ok(Finished {
        ready: rows.iter().any(|row| row.ready == Some(true)),
        written: rows.into_iter().map(|row| (row.lane, row.fence)).collect(),
    })
}

/// Whether a lane is still held by this worker under this fence. What is not, was finished or taken over.
///
/// # Errors
/// The database refused.
pub async fn is_held(
    database: &Database,
    worker: WorkerId,
    lane: &str,
    fence: i64,
) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    sqlx::query_scalar!(
        r#"select exists (select 1 from lanes where key = $1 and fence = $2 and worker = $3) as "held!""#,
        lane,
        fence,
        worker.0
    )
    .fetch_one(&mut *db)
    .await
}
