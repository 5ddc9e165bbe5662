//! `GET /api/v1/limits`: how the rate limits stand: calls left, paused until.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::domain::FirmId;
use shared::limit::{self, BucketState};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::QueryOf;
use crate::error::{ApiResult, ErrorBody};
use crate::state::AppState;

const PAGE: i64 = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LimitsQuery {
    firm_id: Option<Uuid>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Buckets by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitPage {
    limits: Vec<BucketState>,
    next_cursor: Option<String>,
}

/// Lists the buckets that calls are taken from.
#[utoipa::path(get, path = "/api/v1/limits", params(LimitsQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = LimitPage), (status = 404, body = ErrorBody)))]
pub(crate) async fn list_limits(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<LimitsQuery>,
) -> ApiResult<Json<LimitPage>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let mut db = state.of(firm).await?;
    let after = query.cursor.unwrap_or_default();
    let limits = limit::list(&mut db, firm, &after, PAGE).await?;
    let full = i64::try_from(limits.len()).is_ok_and(|n| n == PAGE);
    let next_cursor = limits.last().filter(|_| full).map(|b| b.bucket.clone());
    Ok(Json(LimitPage {
        limits,
        next_cursor,
    }))
}
