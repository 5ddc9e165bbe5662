//! `POST /api/v1/jobs/probe`: jobs that do nothing, for operators who want to see a worker turn.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared::domain::{ConnectionId, FirmId};
use shared::queue::admin::{self, MOST_PROBES, Probes};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::ObjectBody;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

/// How many probes, in how many lanes of which connection.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ProbeBody {
    firm_id: Uuid,
    connection_id: Uuid,
    count: Option<u32>,
    lanes: Option<u32>,
}

/// Enqueues probes.
#[utoipa::path(post, path = "/api/v1/jobs/probe", request_body = ProbeBody, security(("bearer" = ["operator"])),
    responses((status = 202, body = Probes), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn enqueue_probes(
    State(state): State<AppState>,
    _: Caller,
    ObjectBody(body): ObjectBody<ProbeBody>,
) -> ApiResult<(StatusCode, Json<Probes>)> {
    let (count, lanes) = (body.count.unwrap_or(1), body.lanes.unwrap_or(1));
    if !(1..=MOST_PROBES).contains(&count) || !(1..=MOST_PROBES).contains(&lanes) {
        return Err(ApiError::field("count", "and lanes must be 1 to 10000"));
    }
    let (firm, connection) = (FirmId(body.firm_id), ConnectionId(body.connection_id));
    let mut db = state.database.worker().await?;
    let probes = admin::enqueue_probes(&mut db, firm, connection, count, lanes)
        .await?
        .ok_or(ApiError::NotFound)?;
    db.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(probes)))
}
