//! `GET /api/v1/jobs/{id}`: one job with its attempts, and why it waits; and the provider's own words about it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::crypto::Place;
use shared::db::activity;
use shared::domain::{FirmId, JobId};
use shared::queue::admin::{self, JobDetail};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{IdPath, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FirmQuery {
    pub(crate) firm_id: Option<Uuid>,
}

/// Shows one job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", params(("id" = Uuid, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = JobDetail), (status = 404, body = ErrorBody)))]
pub(crate) async fn get_job(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
    QueryOf(query): QueryOf<FirmQuery>,
) -> ApiResult<Json<JobDetail>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let job = admin::find(&mut db, firm, JobId(id)).await?;
    Ok(Json(job.ok_or(ApiError::NotFound)?))
}

/// What the provider said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderWords {
    /// They may repeat what was sent: client data.
    words: String,
}

/// Reveals the provider's full words about a job's newest refusal. Who looked, and when, is recorded.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/provider-words", params(("id" = Uuid, Path)), security(("bearer" = ["firm_admin"])),
    responses((status = 200, body = ProviderWords), (status = 404, body = ErrorBody)))]
pub(crate) async fn reveal_provider_words(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath,
) -> ApiResult<impl IntoResponse> {
    let (firm, job) = (caller.firm(None)?, JobId(id));
    let mut db = state.firm(firm).await?;
    let (connection, sealed) = admin::find_provider_words(&mut db, firm, job)
        .await?
        .ok_or(ApiError::NotFound)?;
    let place = Place {
        firm,
        connection,
        column: "provider_words",
    };
    let words = state.keys.open(&sealed, place).map_err(|error| {
        tracing::error!(error = %error, job.id = %job, "a provider's words do not open");
        ApiError::NotFound
    })?;
    let entry = activity::Entry {
        firm_id: Some(firm),
        connection_id: Some(connection),
        act: "reveal_provider_words",
        author: &caller.subject,
        subject: Some(id),
        details: json!({}),
    };
    // Recorded first: no caller sees the words without a record of it.
    activity::insert(&mut db, &entry).await?;
    db.commit().await?;
    let words = words.expose_secret().to_owned();
    Ok((
        [(header::CACHE_CONTROL, "no-store")],
        Json(ProviderWords { words }),
    ))
}
