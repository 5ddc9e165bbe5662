//! Jobs as people see them: where each stands, why it waits, and what was tried.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Whose;
use crate::domain::{ConnectionId, FirmId, JobId};

/// Why a waiting job does not run, and until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WaitingFor {
    /// `paused`, `operator`, `retry_after`, `breaker`, `needs_reconnect`, `behind:<job id>`, `retry`, `limited`, `provider`, `contact`, `doubt`,
    /// `shutdown`, `newer_worker` (only a newer release knows its kind), `sign_in`, `misconfigured`, `storage` (the platform's storage
    /// takes no files), or nothing but its `turn`.
    pub why: String,
    /// Null when the time is not known.
    pub until: Option<DateTime<Utc>>,
}

/// One job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobView {
    pub id: Uuid,
    pub firm_id: Uuid,
    pub connection_id: Option<Uuid>,
    pub platform: Option<String>,
    pub kind: String,
    /// `queued`, `running`, `failed`, `done` or `skipped`.
    pub state: String,
    pub matter_id: Option<Uuid>,
    pub upload_id: Option<Uuid>,
    pub run_id: Option<Uuid>,
    /// 0: a person waits for it; 1: an event; 2: background.
    pub priority: Option<i16>,
    pub created_at: DateTime<Utc>,
    pub run_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Attempts that count towards the limit.
    pub attempts: i32,
    /// It runs and will stop at its next call.
    pub cancel_requested: bool,
    pub code: Option<String>,
    pub message: Option<String>,
    pub resolution: Option<String>,
    pub external_id: Option<String>,
    pub waiting: Option<WaitingFor>,
}

/// One job with its history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobDetail {
    #[serde(flatten)]
    pub job: JobView,
    pub details: Value,
    /// All that was tried, oldest first; retries go on counting.
    pub executions: Vec<ExecutionView>,
    /// What people did to it, oldest first.
    pub acts: Vec<ActTaken>,
}

/// One execution of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExecutionView {
    pub number: i32,
    pub started_at: DateTime<Utc>,
    pub duration_ms: i32,
    /// `done`, `skipped`, `snooze`, `retry`, `fail`, `needs_reconnect` or `lost`.
    pub outcome: String,
    /// The error's code; of a snooze, what it waited for.
    pub code: Option<String>,
    /// Method, path template, status, milliseconds and request id of each call; no bodies.
    pub calls: Value,
}

/// What a person did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActTaken {
    pub at: DateTime<Utc>,
    pub author: String,
    pub act: String,
}

pub(super) struct Row {
    id: Uuid,
    firm_id: Uuid,
    connection_id: Option<Uuid>,
    platform: Option<String>,
    kind: String,
    state: String,
    matter_id: Option<Uuid>,
    upload_id: Option<Uuid>,
    run_id: Option<Uuid>,
    priority: Option<i16>,
    created_at: DateTime<Utc>,
    run_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    attempts: i32,
    cancel_requested: bool,
    code: Option<String>,
    message: Option<String>,
    details: Value,
    external_id: Option<String>,
    why: Option<String>,
    until: Option<DateTime<Utc>>,
}

impl From<Row> for JobView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            firm_id: row.firm_id,
            connection_id: row.connection_id,
            platform: row.platform,
            kind: row.kind,
            state: row.state,
            matter_id: row.matter_id,
            upload_id: row.upload_id,
            run_id: row.run_id,
            priority: row.priority,
            created_at: row.created_at,
            run_at: row.run_at,
            finished_at: row.finished_at,
            attempts: row.attempts,
            cancel_requested: row.cancel_requested,
            code: row.code,
            message: row.message,
            resolution: row.details["resolution"].as_str().map(str::to_owned),
            external_id: row.external_id,
            waiting: row.why.map(|why| WaitingFor {
                why,
                until: row.until,
            }),
        }
    }
}

pub(super) async fn describe(
    db: &mut PgConnection,
    whose: Whose,
    jobs: &[Uuid],
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"select id as "id!", firm_id as "firm_id!", connection_id, platform, kind as "kind!", state as "state!", matter_id, upload_id, run_id,
             priority, created_at as "created_at!", run_at, finished_at, attempts as "attempts!",
             coalesce(cancel_requested, false) as "cancel_requested!", code, message, details as "details!", external_id, why, until
           from queue_describe($1, $2)"#,
        whose.map(|firm| firm.0),
        jobs
    )
    .fetch_all(db)
    .await
}

/// One job with its history; nothing when there is none, or it is another firm's.
///
/// # Errors
/// The database refused.
pub async fn find(
    db: &mut PgConnection,
    whose: Whose,
    id: JobId,
) -> Result<Option<JobDetail>, sqlx::Error> {
    let Some(mut row) = describe(db, whose, &[id.0]).await?.pop() else {
        return Ok(None);
    };
    let executions = sqlx::query_as!(
        ExecutionView,
        "select number, started_at, duration_ms, outcome, code, calls from attempts where job_id = $1 order by number",
        id.0
    )
    .fetch_all(&mut *db)
    .await?;
    let acts = sqlx::query_as!(
        ActTaken,
        r#"select created_at as at, author as "author!", kind as act from activity
           where subject_id = $1 and author is not null order by created_at, id"#,
        id.0
    )
    .fetch_all(db)
    .await?;
    // Sealed words are for those who ask for them by name.
    if let Some(details) = row.details.as_object_mut() {
        details.remove("provider_words");
    }
    Ok(Some(JobDetail {
        details: row.details.clone(),
        job: row.into(),
        executions,
        acts,
    }))
}

/// A provider's sealed words about a job's newest refusal, and what they were sealed for.
///
/// # Errors
/// The database refused.
pub async fn find_provider_words(
    db: &mut PgConnection,
    firm: FirmId,
    id: JobId,
) -> Result<Option<(ConnectionId, String)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select integration_id, details->'provider_words'->>'sealed' as "sealed!" from integration_sync_logs
           where firm_id = $1 and id = $2 and details->'provider_words'->>'sealed' is not null"#,
        firm.0,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (ConnectionId(row.integration_id), row.sealed)))
}
