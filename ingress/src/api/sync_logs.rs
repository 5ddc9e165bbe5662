//! `GET …/sync`: the sync log of a connection, newest first.

use axum::Json;
use axum::extract::State;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::db::sync_logs::{self, Filter, SyncLog};
use shared::domain::{FirmId, MatterId, Platform, RunId};
use shared::queue::admin::WaitingFor;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{PlatformPath, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

const DEFAULT_LIMIT: i64 = 50;
const MOST: i64 = 200;

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct LogQuery {
    firm_id: Option<Uuid>,
    matter_id: Option<Uuid>,
    run_id: Option<Uuid>,
    /// 1 to 200; 50 when nothing is said.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogRow {
    id: Uuid,
    firm_id: Uuid,
    integration_id: Uuid,
    matter_id: Option<Uuid>,
    upload_id: Option<Uuid>,
    action: String,
    status: String,
    external_id: Option<String>,
    error_message: Option<String>,
    details: Value,
    run_id: Uuid,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    attempts: i32,
    code: Option<String>,
    waiting: Option<WaitingFor>,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogPage {
    logs: Vec<LogRow>,
    next_cursor: Option<String>,
}

/// Lists the sync log.
#[utoipa::path(get, path = "/api/v1/integrations/{platform}/sync", params(("platform" = Platform, Path), LogQuery),
    security(("bearer" = ["firm_admin", "firm_member", "operator"])),
    responses((status = 200, body = LogPage), (status = 422, body = ErrorBody)))]
pub(crate) async fn list_sync_logs(
    State(state): State<AppState>,
    caller: Caller,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<LogQuery>,
) -> ApiResult<Json<LogPage>> {
    let firm = caller.firm(query.firm_id.map(FirmId))?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::field("limit", "must be 1 to 200"));
    }
    let before = query.cursor.as_deref().map(read_cursor).transpose()?;
    let mut db = state.firm(firm).await?;
    let filter = Filter {
        platform: Some(platform),
        matter: query.matter_id.map(MatterId),
        run: query.run_id.map(RunId),
        before,
        limit,
    };
    let rows = sync_logs::list(&mut db, firm, &filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|n| n == limit);
    let next_cursor = rows.last().filter(|_| full).map(cursor);
    Ok(Json(LogPage {
        logs: rows.into_iter().map(LogRow::from).collect(),
        next_cursor,
    }))
}

fn cursor(row: &SyncLog) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", row.created_at.timestamp_micros(), row.id))
}

fn read_cursor(text: &str) -> Result<(DateTime<Utc>, Uuid), ApiError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (micros, id) = text.split_once(' ')?;
        Some((
            DateTime::from_timestamp_micros(micros.parse().ok().filter(|at| *at >= 0)?)?,
            id.parse().ok()?,
        ))
    };
    read().ok_or_else(|| ApiError::field("cursor", "must be a next_cursor of this list"))
}

impl From<SyncLog> for LogRow {
    fn from(row: SyncLog) -> Self {
        let waiting = row.waiting_why.map(|why| WaitingFor {
            why,
            until: row.waiting_until,
        });
        Self {
            id: row.id,
            firm_id: row.firm_id,
            integration_id: row.integration_id,
            matter_id: row.matter_id,
            upload_id: row.upload_id,
            action: row.action,
            status: row.status,
            external_id: row.external_id,
            error_message: row.error_message,
            details: row.details,
            run_id: row.run_id,
            created_at: row.created_at,
            finished_at: row.finished_at,
            attempts: row.attempts,
            code: row.code,
            waiting,
        }
    }
}
