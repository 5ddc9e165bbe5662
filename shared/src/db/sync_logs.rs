//! `integration_sync_logs`: what happened, for people.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{ConnectionId, FirmId, JobId, MatterId, Platform, RunId};

/// One row, with why it waits when it does.
#[derive(Debug, Clone)]
pub struct SyncLog {
    pub id: Uuid,
    pub firm_id: Uuid,
    pub integration_id: Uuid,
    pub matter_id: Option<Uuid>,
    pub upload_id: Option<Uuid>,
    pub action: String,
    pub status: String,
    pub external_id: Option<String>,
    pub error_message: Option<String>,
    pub details: Value,
    pub run_id: Uuid,
    pub code: Option<String>,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub waiting_why: Option<String>,
    pub waiting_until: Option<DateTime<Utc>>,
}

/// Which rows, and from where on.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of all connections that the firm has or had to it.
    pub platform: Option<Platform>,
    pub matter: Option<MatterId>,
    pub run: Option<RunId>,
    /// Rows older than this one.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    pub limit: i64,
}

/// A firm's rows, newest first. A pending row says what its job waits for: behind another job, a pause, its own time.
pub async fn list(
    db: &mut PgConnection,
    firm: FirmId,
    filter: &Filter,
) -> Result<Vec<SyncLog>, sqlx::Error> {
    sqlx::query_as!(
        SyncLog,
        r#"select g.id, g.firm_id, g.integration_id, g.matter_id, g.upload_id, g.action, g.status, g.external_id, g.error_message,
             g.details, g.run_id, g.code, g.attempts, g.created_at, g.finished_at, w.why as "waiting_why?", w.until as "waiting_until?"
           from integration_sync_logs g
           left join lateral (select e.why, e.until from queue_explain(array[g.id]) e) w on g.status = 'pending'
           where g.firm_id = $1
             and ($2::text is null or g.integration_id = any(array(
               select c.id from firm_integrations c where c.firm_id = $1 and c.platform = $2)))
             and ($3::uuid is null or g.matter_id = $3)
             and ($4::uuid is null or g.run_id = $4)
             and ($5::timestamptz is null or (g.created_at, g.id) < ($5, $6))
           order by g.created_at desc, g.id desc limit $7"#,
        firm.0,
        filter.platform.map(Platform::as_str),
        filter.matter.map(|id| id.0),
        filter.run.map(|id| id.0),
        filter.before.map(|(at, _)| at),
        filter.before.map(|(_, id)| id),
        filter.limit,
    )
    .fetch_all(db)
    .await
}

/// The newest finished row of a connection, whatever its status.
pub async fn find_last(
    db: &mut PgConnection,
    firm: FirmId,
    connection: ConnectionId,
) -> Result<Option<(Uuid, String, DateTime<Utc>)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, status, finished_at as "finished_at!" from integration_sync_logs
           where firm_id = $1 and integration_id = $2 and finished_at is not null order by finished_at desc limit 1"#,
        firm.0,
        connection.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.id, row.status, row.finished_at)))
}

/// How a run stands, seen from the row that a caller was given.
#[derive(Debug, Clone)]
pub struct RunResult {
    pub status: String,
    /// Of the matter's own row.
    pub failure: RunFailure,
    pub external_matter_id: Option<String>,
    pub documents_uploaded: i64,
    pub documents_failed: i64,
    pub first_failed_document: RunFailure,
}

/// What a row of a run says of its failure.
#[derive(Debug, Clone, Serialize)]
pub struct RunFailure {
    pub code: Option<String>,
    pub message: Option<String>,
    pub resolution: Option<String>,
}

/// The results of runs, each seen from the row that a caller was given; of a run that has a pending row there is none. A row that joined
/// a waiting duplicate stands for the duplicate's run, which may have joined another in its turn.
pub async fn find_run_results(
    db: &mut PgConnection,
    asked: &[(FirmId, JobId)],
) -> Result<Vec<(JobId, RunResult)>, sqlx::Error> {
    let (firms, logs): (Vec<_>, Vec<_>) = asked.iter().map(|(firm, log)| (firm.0, log.0)).unzip();
    let rows = sqlx::query!(
        r#"select asked.log as "log!", result.status as "status!", result.code as "code?", result.error_message as "error_message?",
             result.resolution as "resolution?", result.external_id as "external_matter_id?", result.uploaded as "documents_uploaded!",
             coalesce(result.failed, 0) as "documents_failed!", result.failed_code as "failed_code?",
             result.failed_message as "failed_message?", result.failed_resolution as "failed_resolution?"
           from unnest($1::uuid[], $2::uuid[]) asked(firm, log)
           cross join lateral (
             with recursive chain as (
               select g.*, 1 as hops from integration_sync_logs g where g.firm_id = asked.firm and g.id = asked.log
               union all
               select g.*, chain.hops + 1 from chain
               join integration_sync_logs g on g.firm_id = asked.firm and g.id = (chain.details->>'joined')::uuid
               where chain.status = 'skipped' and chain.hops < 100),
             head as (select * from chain order by hops desc limit 1),
             -- Those of the run, those that its success brought back, and the duplicates that stand for any of them.
             rows as (
               (select g.id, g.status, g.action, g.details, g.code, g.error_message from head
                join integration_sync_logs g on g.run_id = head.run_id and g.firm_id = asked.firm
                union all
                select g.id, g.status, g.action, g.details, g.code, g.error_message from head
                join integration_sync_logs g on g.requeued_by = head.run_id and g.firm_id = asked.firm)
               union
               select g.id, g.status, g.action, g.details, g.code, g.error_message from rows
               join integration_sync_logs g on g.firm_id = asked.firm and g.id = (rows.details->>'joined')::uuid
               where rows.status = 'skipped')
             select head.status, head.code, head.error_message, head.details->>'resolution' as resolution, head.external_id,
               (select count(*) from rows where action = 'sync_document' and details->>'uploaded' = 'true') as uploaded,
               bad.failed, bad.code as failed_code, bad.error_message as failed_message, bad.resolution as failed_resolution
             from head
             left join lateral (
               select count(*) over () as failed, rows.code, rows.error_message, rows.details->>'resolution' as resolution
               from rows where rows.action = 'sync_document' and rows.status = 'failed' order by rows.id limit 1) bad on true
             where not exists (select 1 from rows where status = 'pending')) result"#,
        &firms,
        &logs,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let result = RunResult {
                status: row.status,
                failure: RunFailure {
                    code: row.code,
                    message: row.error_message,
                    resolution: row.resolution,
                },
                external_matter_id: row.external_matter_id,
                documents_uploaded: row.documents_uploaded,
                documents_failed: row.documents_failed,
                first_failed_document: RunFailure {
                    code: row.failed_code,
                    message: row.failed_message,
                    resolution: row.failed_resolution,
                },
            };
            (JobId(row.log), result)
        })
        .collect())
}
