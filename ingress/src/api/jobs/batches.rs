//! `POST /api/v1/jobs/retry`: the retry of all failed jobs that match, counted first; and its progress.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::db::matters;
use shared::domain::FirmId;
use shared::queue::admin::{self, Batch, JobFilter, JobState};
use utoipa::ToSchema;

use super::show::FirmQuery;
use crate::auth::Caller;
use crate::body::{IdPath, ObjectBody, QueryOf, read_object};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

const LONGEST_CODE: usize = 64;

/// Which failed jobs, and whether they are only counted.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; serde alone would take an array for the filter"
)]
pub(crate) struct RetryBody {
    #[serde(default)]
    filter: JobFilter,
    #[serde(default)]
    dry_run: bool,
}

/// The same as it came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidRetry {
    #[serde(default)]
    filter: Option<Box<RawValue>>,
    #[serde(default)]
    dry_run: bool,
}

fn read_filter(said: Option<&RawValue>) -> Result<JobFilter, ApiError> {
    let text = said.map_or("{}", RawValue::get);
    let filter: JobFilter = read_object(text.as_bytes()).map_err(|error| error.below("filter"))?;
    let is_code = |code: &str| code.chars().count() <= LONGEST_CODE && !code.contains('\0');
    if filter.code.as_deref().is_some_and(|code| !is_code(code)) {
        return Err(ApiError::field(
            "filter.code",
            "must be at most 64 characters",
        ));
    }
    Ok(filter)
}

/// How many failed jobs match.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counted {
    counted: i64,
}

/// Retries all failed jobs that match, in their original order and within their connections' budgets. `dry_run` only counts.
#[utoipa::path(post, path = "/api/v1/jobs/retry", request_body = RetryBody, params(FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Counted), (status = 202, body = Batch), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn retry_jobs(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<FirmQuery>,
    ObjectBody(body): ObjectBody<SaidRetry>,
) -> ApiResult<Response> {
    let mut filter = read_filter(body.filter.as_deref())?;
    if filter.state.is_some_and(|state| state != JobState::Failed) {
        return Err(ApiError::field("filter.state", "must be failed"));
    }
    let firm = caller.whose(filter.firm_id.or(query.firm_id.map(FirmId)))?;
    filter.firm_id = firm;
    let mut db = state.heavy(firm).await?;
    if let Some(firm) = firm
        && !matters::firm_exists(&mut db, firm).await?
    {
        return Err(ApiError::NotFound);
    }
    let counted = admin::count_matching(&mut db, &filter).await?;
    if body.dry_run {
        return Ok(Json(Counted { counted }).into_response());
    }
    if counted > admin::MOST_IN_A_BATCH {
        return Err(ApiError::field("filter", "fits more than 1000000 jobs"));
    }
    let id = admin::begin_batch(&mut db, &filter, &caller.subject).await?;
    let batch = admin::find_batch(&mut db, firm, id).await?;
    db.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(batch.ok_or(ApiError::NotFound)?)).into_response())
}

/// Shows a batch and its progress.
#[utoipa::path(get, path = "/api/v1/batches/{id}", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Batch), (status = 404, body = ErrorBody)))]
pub(crate) async fn get_batch(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Batch>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let batch = admin::find_batch(&mut db, firm, id).await?;
    Ok(Json(batch.ok_or(ApiError::NotFound)?))
}

/// Stops a batch: what it has made ready goes on, the rest stays failed.
#[utoipa::path(post, path = "/api/v1/batches/{id}/cancel", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Batch), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(crate) async fn cancel_batch(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Batch>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let cancelled = admin::cancel_batch(&mut db, firm, id, &caller.subject).await?;
    let batch = admin::find_batch(&mut db, firm, id)
        .await?
        .ok_or(ApiError::NotFound)?;
    if !cancelled {
        return Err(ApiError::WrongState);
    }
    db.commit().await?;
    Ok(Json(batch))
}
