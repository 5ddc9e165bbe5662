//! Failed jobs by cause: platform, code, and the message without what differs from job to job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::JobFilter;

/// How many of the newest failures are counted, at most: about a second of work.
const MOST_LOOKED_AT: i32 = 100_000;
const MOST_CAUSES: i32 = 200;

/// One cause.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cause {
    pub platform: String,
    pub code: Option<String>,
    /// `#` stands for numbers and ids, `…` for quoted text.
    pub message: Option<String>,
    pub jobs: i64,
    pub first_failed_at: Option<DateTime<Utc>>,
    pub last_failed_at: Option<DateTime<Utc>>,
    /// The job that failed last.
    pub example_id: Uuid,
}

/// Causes, most frequent first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Failures {
    pub causes: Vec<Cause>,
    /// False when only the newest 100,000 failed jobs were counted.
    pub complete: bool,
}

/// Groups failed jobs that match (`matter_id` and times do not narrow here).
///
/// # Errors
/// The database refused.
pub async fn failures(db: &mut PgConnection, filter: &JobFilter) -> Result<Failures, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select platform as "platform!", code, message, jobs as "jobs!", first_failed_at, last_failed_at, example_id as "example_id!",
             looked_at as "looked_at!"
           from queue_failures(jsonb_populate_record(null::job_filter, $1), $2, $3)"#,
        filter.to_json()?,
        MOST_LOOKED_AT,
        MOST_CAUSES,
    )
    .fetch_all(db)
    .await?;
    let complete = rows
        .first()
        .is_none_or(|row| row.looked_at < i64::from(MOST_LOOKED_AT));
    let causes = rows
        .into_iter()
        .map(|row| Cause {
            platform: row.platform,
            code: row.code,
            message: row.message,
            jobs: row.jobs,
            first_failed_at: row.first_failed_at,
            last_failed_at: row.last_failed_at,
            example_id: row.example_id,
        })
        .collect();
    Ok(Failures { causes, complete })
}
