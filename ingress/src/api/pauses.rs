//! `/api/v1/pauses`: holding work back by connection, by platform and for everything, and letting it go on.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::db::pauses::{self, Pause, PauseScope};
use shared::domain::{FirmId, time};
use shared::queue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{ObjectBody, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

const LONGEST_REASON: usize = 500;
const PAGE: i64 = 200;

/// What to hold back, why and until when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseBody {
    /// `connection:<id>`; operators also `platform:clio` and `all`.
    scope: String,
    /// 1 to 500 characters, for people.
    reason: String,
    /// The pause ends by itself then. Without it, a person has to lift the pause.
    #[serde(default, deserialize_with = "time::read_bounded")]
    until: Option<DateTime<Utc>>,
}

/// The pauses that hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PausePage {
    pauses: Vec<Pause>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PausesQuery {
    firm_id: Option<Uuid>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists the pauses that hold now, those of workers too.
#[utoipa::path(get, path = "/api/v1/pauses", params(PausesQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = PausePage), (status = 422, body = ErrorBody)))]
pub(crate) async fn list_pauses(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<PausesQuery>,
) -> ApiResult<Json<PausePage>> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let after = match query.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(
            cursor
                .split_once('|')
                .ok_or_else(|| ApiError::field("cursor", "must be a next_cursor of this list"))?,
        ),
    };
    let mut db = state.of(firm).await?;
    let pauses = pauses::list(&mut db, firm, after, PAGE).await?;
    let full = i64::try_from(pauses.len()).is_ok_and(|n| n == PAGE);
    let next_cursor = pauses.last().filter(|_| full);
    let next_cursor = next_cursor.map(|pause| format!("{}|{}", pause.scope, pause.kind));
    Ok(Json(PausePage {
        pauses,
        next_cursor,
    }))
}

/// Pauses a connection; operators also a platform, and everything. Running jobs stop at their next call and lose no attempt.
#[utoipa::path(post, path = "/api/v1/pauses", request_body = PauseBody, security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn add_pause(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody<PauseBody>,
) -> ApiResult<StatusCode> {
    let scope = read_scope(&state, &caller, &body.scope)?;
    let reason = body.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
        return Err(ApiError::field("reason", "must be 1 to 500 characters"));
    }
    let firm = caller.whose(None)?;
    let mut db = state.of(firm).await?;
    pauses::insert(&mut db, firm, scope, body.until, reason, &caller.subject).await?;
    // A pause may also have been shortened.
    queue::notify_everything(&mut db).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScopeQuery {
    /// `connection:<id>`, `platform:clio` or `all`.
    scope: String,
}

/// Lifts a person's pause. What a provider asked for, and a lost authorisation, are not lifted so.
#[utoipa::path(delete, path = "/api/v1/pauses", params(ScopeQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn remove_pause(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<ScopeQuery>,
) -> ApiResult<StatusCode> {
    let scope = read_scope(&state, &caller, &query.scope)?;
    let firm = caller.whose(None)?;
    let mut db = state.of(firm).await?;
    pauses::delete(&mut db, firm, scope, &caller.subject).await?;
    queue::notify_everything(&mut db).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Platforms and everything are for operators.
fn read_scope(state: &AppState, caller: &Caller, text: &str) -> Result<PauseScope, ApiError> {
    let scope = PauseScope::parse(text).filter(|scope| match scope {
        PauseScope::Platform(platform) => state.knows(*platform),
        PauseScope::All | PauseScope::Connection(_) => true,
    });
    let scope = scope.ok_or_else(|| {
        ApiError::field("scope", "must be all, platform:<name> or connection:<id>")
    })?;
    match scope {
        PauseScope::Connection(_) => Ok(scope),
        PauseScope::All | PauseScope::Platform(_) if caller.is_operator() => Ok(scope),
        PauseScope::All | PauseScope::Platform(_) => Err(ApiError::Forbidden),
    }
}
