//! Acts: retry, skip, cancel, run now, adopt. Each is recorded with who and when in the commit that does it.

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Whose;
use crate::db::{Database, activity};
use crate::domain::{ConnectionId, ExternalId, FirmId, JobId};
use crate::queue::notify_ready;

/// The most cancelled jobs that are tidied away at once.
const TIDY: i32 = 500;

/// What is done to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A failed job goes to its lane's end, with its history; a waiting duplicate is joined.
    Retry,
    /// A failed job is given up.
    Skip,
    /// A waiting job ends; a running one stops at its next call.
    Cancel,
    /// A waiting job does not wait for its own time.
    RunNow,
}

impl Act {
    /// The name in the activity log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry_job",
            Self::Skip => "skip_job",
            Self::Cancel => "cancel_job",
            Self::RunNow => "run_job_now",
        }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("no such job")]
    NotFound,
    #[error("the job's state does not allow it")]
    WrongState,
    #[error("this record is not among those that may be the one that was created")]
    NotSuspected,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Acted {
    /// `queued`, `joined`, `skipped`, `cancelled`, `cancelling` or `hurried`.
    pub outcome: String,
    /// The waiting job that a retry joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<Uuid>,
}

struct Row {
    outcome: Option<String>,
    firm_id: Option<Uuid>,
    connection_id: Option<Uuid>,
    duplicate: Option<Uuid>,
    due: Option<Vec<Uuid>>,
}

/// Does it, records it, and tells the workers; the caller commits.
///
/// # Errors
/// See [`ActError`].
pub async fn act(
    db: &mut PgConnection,
    whose: Whose,
    act: Act,
    job: JobId,
    author: &str,
) -> Result<Acted, ActError> {
    let row = change(db, whose, act, job).await?;
    record(db, row, act.as_str(), job, author, None).await
}

/// Links the record that a person has chosen among those that may be the one that a job has created, and retries the job; the caller
/// commits.
///
/// # Errors
/// See [`ActError`].
pub async fn adopt(
    db: &mut PgConnection,
    whose: Whose,
    job: JobId,
    external_id: &ExternalId,
    author: &str,
) -> Result<Acted, ActError> {
    let row = sqlx::query_as!(
        Row,
        "select outcome, firm_id, connection_id, duplicate, due from queue_adopt($1, $2, $3)",
        whose.map(|firm| firm.0),
        job.0,
        external_id.0
    )
    .fetch_one(&mut *db)
    .await?;
    record(db, row, "adopt_record", job, author, Some(external_id)).await
}

async fn record(
    db: &mut PgConnection,
    row: Row,
    act: &'static str,
    job: JobId,
    author: &str,
    adopted: Option<&ExternalId>,
) -> Result<Acted, ActError> {
    let (Some(outcome), Some(firm)) = (row.outcome, row.firm_id) else {
        return Err(ActError::NotFound);
    };
    match outcome.as_str() {
        "wrong_state" => return Err(ActError::WrongState),
        "not_suspected" => return Err(ActError::NotSuspected),
        _ => {}
    }
    let entry = activity::Entry {
        firm_id: Some(FirmId(firm)),
        connection_id: row.connection_id.map(ConnectionId),
        act,
        author,
        subject: Some(job.0),
        details: json!({ "outcome": outcome, "joined": row.duplicate, "external_id": adopted }),
    };
    activity::insert(db, &entry).await?;
    let due: Vec<_> = row.due.unwrap_or_default();
    let due: Vec<_> = due.into_iter().map(ConnectionId).collect();
    notify_ready(db, &due).await?;
    Ok(Acted {
        outcome,
        joined: row.duplicate,
    })
}

async fn change(
    db: &mut PgConnection,
    whose: Whose,
    act: Act,
    job: JobId,
) -> Result<Row, sqlx::Error> {
    let firm = whose.map(|firm| firm.0);
    match act {
        Act::Retry => {
            sqlx::query_as!(
                Row,
                "select outcome, firm_id, connection_id, duplicate, due from queue_retry($1, $2)",
                firm,
                job.0
            )
            .fetch_one(db)
            .await
        }
        Act::Skip => {
            sqlx::query_as!(
                Row,
                "select outcome, firm_id, connection_id, duplicate, due from queue_skip($1, $2)",
                firm,
                job.0
            )
            .fetch_one(db)
            .await
        }
        Act::Cancel => {
            sqlx::query_as!(
                Row,
                "select outcome, firm_id, connection_id, duplicate, due from queue_cancel($1, $2)",
                firm,
                job.0
            )
            .fetch_one(db)
            .await
        }
        Act::RunNow => {
            sqlx::query_as!(
                Row,
                "select outcome, firm_id, connection_id, duplicate, due from queue_run_now($1, $2)",
                firm,
                job.0
            )
            .fetch_one(db)
            .await
        }
    }
}

pub(super) async fn end_cancelled(database: &Database) -> Result<Vec<ConnectionId>, sqlx::Error> {
    let mut db = database.worker().await?;
    let due = sqlx::query_scalar!(r#"select queue_end_cancelled($1) as "due!""#, TIDY)
        .fetch_one(&mut *db)
        .await?;
    let due: Vec<_> = due.into_iter().map(ConnectionId).collect();
    notify_ready(&mut db, &due).await?;
    db.commit().await?;
    Ok(due)
}
