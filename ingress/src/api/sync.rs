//! `POST …/sync`: a person's request for one matter. It becomes an event; a caller who likes waits for its run.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock;
use shared::crypto::{hex, token_hash};
use shared::db::sync_logs::RunResult;
use shared::db::{connections, events, matters};
use shared::domain::event::{NewEvent, SYNC_REQUESTED, SyncAction, SyncRequest};
use shared::domain::{FirmId, JobId, MatterId, Platform, RunId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{ObjectBody, PlatformPath, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

const LONGEST_WAIT_SECS: u64 = 30;
const LONGEST_KEY: usize = 128;
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is wished for.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; a member that is missing is named by the handler"
)]
pub(crate) struct SyncBody {
    matter_id: Uuid,
    /// `sync_matter` when nothing is said.
    action: Option<SyncAction>,
}

/// The same, as far as it is said.
#[derive(Debug, Deserialize)]
pub(crate) struct SaidSync {
    matter_id: Option<Uuid>,
    action: Option<SyncAction>,
}

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct SyncQuery {
    firm_id: Option<Uuid>,
}

/// Wishes for the sync of one matter, whatever the automatic settings. `Prefer: wait=N` (at most 30) waits for its end;
/// the same `Idempotency-Key` answers with the same run.
#[utoipa::path(post, path = "/api/v1/integrations/{platform}/sync", request_body = SyncBody,
    params(("platform" = Platform, Path), SyncQuery, ("Prefer" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    security(("bearer" = ["firm_admin", "firm_member", "operator"])),
    responses((status = 200, body = Value), (status = 202, body = Value), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn request_sync(
    State(state): State<AppState>,
    caller: Caller,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<SyncQuery>,
    headers: HeaderMap,
    ObjectBody(body): ObjectBody<SaidSync>,
) -> ApiResult<Response> {
    let firm = caller.firm(query.firm_id.map(FirmId))?;
    let (matter_id, action) = read_body(&body)?;
    check_records(&state, firm, platform, matter_id).await?;
    let request = SyncRequest {
        platform,
        action,
        matter_id,
        run_id: RunId(clock::new_id()),
        log_id: JobId(clock::new_id()),
        actor: caller.subject.clone(),
    };
    let request = append(&state, firm, request, &headers).await?;
    match wait_secs(&headers) {
        Some(secs) => wait(&state, firm, &request, secs).await,
        None => Ok(accepted(&request)),
    }
}

fn read_body(body: &SaidSync) -> Result<(MatterId, SyncAction), ApiError> {
    let action = body.action.unwrap_or(SyncAction::SyncMatter);
    if action == SyncAction::PullMatters {
        return Err(ApiError::NotAvailable);
    }
    let matter_id = body.matter_id.map(MatterId);
    let matter_id = matter_id.ok_or_else(|| ApiError::field("matter_id", "must be a UUID"))?;
    Ok((matter_id, action))
}

async fn check_records(
    state: &AppState,
    firm: FirmId,
    platform: Platform,
    matter: MatterId,
) -> Result<(), ApiError> {
    let mut db = state.firm(firm).await?;
    if !matters::exists(&mut db, firm, matter).await? {
        return Err(ApiError::NotFound);
    }
    let connection = connections::find_by_platform(&mut db, firm, platform).await?;
    connection.map(|_| ()).ok_or(ApiError::NotConnected)
}

/// Appends the request; a repeated key answers with the request that was first.
async fn append(
    state: &AppState,
    firm: FirmId,
    request: SyncRequest,
    headers: &HeaderMap,
) -> Result<SyncRequest, ApiError> {
    let id = event_id(&request, headers)?;
    let event = NewEvent {
        firm_id: firm,
        id: id.clone(),
        event_type: SYNC_REQUESTED.into(),
        data: json!(request),
        created_at: None,
        requested_by_person: true,
    };
    // A request needs Postgres for its records anyway, and a repeated key has to be known at once.
    let appended = state.postgres_inbox.append(vec![event]).await?;
    if appended.duplicates == 0 {
        return Ok(request);
    }
    let mut db = state.firm(firm).await?;
    let stored = events::find(&mut db, firm, &id).await?;
    let first: Option<SyncRequest> =
        stored.and_then(|event| serde_json::from_value(event.data).ok());
    first
        .filter(|first| {
            (first.matter_id, first.action, first.platform)
                == (request.matter_id, request.action, request.platform)
        })
        .ok_or_else(|| ApiError::field("Idempotency-Key", "was used for another request"))
}

fn event_id(request: &SyncRequest, headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(format!("sync:{}", request.run_id));
    };
    match key.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) => Ok(format!(
            "sync:key:{}",
            hex(&token_hash(&format!("{}\n{key}", request.actor)))
        )),
        _ => Err(ApiError::field(
            "Idempotency-Key",
            "must be 1 to 128 plain characters",
        )),
    }
}

/// `Prefer: wait=N`, at most half a minute. Names of preferences are case-blind, and values may be quoted (RFC 7240).
fn wait_secs(headers: &HeaderMap) -> Option<u64> {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .find_map(|(_, secs)| secs.trim().trim_matches('"').trim().parse().ok())
        .map(|secs: u64| secs.min(LONGEST_WAIT_SECS))
}

fn accepted(request: &SyncRequest) -> Response {
    let status_url = format!(
        "/api/v1/integrations/{}/sync?run_id={}",
        request.platform, request.run_id
    );
    let body = json!({ "success": true, "run_id": request.run_id, "log_id": request.log_id, "status_url": status_url });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

async fn wait(
    state: &AppState,
    firm: FirmId,
    request: &SyncRequest,
    secs: u64,
) -> Result<Response, ApiError> {
    tokio::select! {
        result = state.waits.result(firm, request.log_id) => Ok(finished(request, &result, secs)),
        () = tokio::time::sleep(Duration::from_secs(secs)) => Ok(accepted(request)),
        () = state.stopping.cancelled() => Ok(accepted(request)),
    }
}

fn finished(request: &SyncRequest, result: &RunResult, secs: u64) -> Response {
    let body = if result.status == "success" {
        synced(request, result)
    } else {
        json!({ "success": false, "log_id": request.log_id, "error": result.failure })
    };
    let mut response = Json(body).into_response();
    if let Ok(applied) = HeaderValue::from_str(&format!("wait={secs}")) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    response
}

/// The matter stands. Where a document of the run has failed, it is no success: the answer names how many, and the first one's error.
fn synced(request: &SyncRequest, result: &RunResult) -> Value {
    let id = result.external_matter_id.as_deref();
    // Clio's ids are numbers, and published as such.
    let own: Value = match id.map(str::parse::<i64>) {
        Some(Ok(number)) => json!(number),
        _ => json!(id),
    };
    let mut body = json!({ "success": true, "externalMatterId": id,
        "documentsUploaded": result.documents_uploaded, "log_id": request.log_id });
    body[request.platform.matter_id_member()] = own;
    if result.documents_failed > 0 {
        body["success"] = json!(false);
        body["documentsFailed"] = json!(result.documents_failed);
        body["error"] = json!(result.first_failed_document);
    }
    body
}
