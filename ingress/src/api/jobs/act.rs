//! `POST /api/v1/jobs/{id}/retry|skip|cancel|run-now|adopt`: what a person does to one job.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::domain::{ExternalId, FirmId, JobId};
use shared::queue::admin::{self, Act, Acted};
use utoipa::ToSchema;
use uuid::Uuid;

use super::show::FirmQuery;
use crate::auth::Caller;
use crate::body::{IdPath, ObjectBody, QueryOf};
use crate::error::{ApiResult, ErrorBody};
use crate::state::AppState;

/// Puts a failed job at its lane's end; its history goes on. A waiting job that does the same is joined.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Acted), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(crate) async fn retry_job(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Acted>> {
    act(&state, &caller, query, id, Act::Retry).await
}

/// Gives a failed job up: it becomes skipped and leaves the failures.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/skip", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Acted), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(crate) async fn skip_job(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Acted>> {
    act(&state, &caller, query, id, Act::Skip).await
}

/// Ends a waiting job as skipped; a running one stops at its next call.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Acted), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(crate) async fn cancel_job(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Acted>> {
    act(&state, &caller, query, id, Act::Cancel).await
}

/// Lets a waiting job not wait for its own time, as one that a person waits for. It passes no other job of its lane and no pause.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/run-now", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Acted), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(crate) async fn run_job_now(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<Acted>> {
    act(&state, &caller, query, id, Act::RunNow).await
}

/// Which record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdoptBody {
    /// One of `details.suspected.records`.
    external_id: String,
}

/// Says which of the suspected records is the one that was created (`duplicate_suspected`): it is linked, and the job is retried.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/adopt", request_body = AdoptBody, params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Acted), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn adopt_record(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
    ObjectBody(body): ObjectBody<AdoptBody>,
) -> ApiResult<Json<Acted>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let chosen = ExternalId(body.external_id);
    let acted = admin::adopt(&mut db, firm, JobId(id), &chosen, &caller.subject).await?;
    db.commit().await?;
    Ok(Json(acted))
}

async fn act(
    state: &AppState,
    caller: &Caller,
    query: FirmQuery,
    id: Uuid,
    act: Act,
) -> ApiResult<Json<Acted>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let acted = admin::act(&mut db, firm, act, JobId(id), &caller.subject).await?;
    db.commit().await?;
    Ok(Json(acted))
}
