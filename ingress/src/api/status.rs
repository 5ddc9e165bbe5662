//! `GET …/status`: whether a firm is connected to a platform, to which account, and how the last sync went.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::db::{connections, sync_logs};
use shared::domain::connection::{Connection, ConnectionState, Settings};
use shared::domain::{FirmId, Platform};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{PlatformPath, QueryOf};
use crate::error::{ApiResult, ErrorBody};
use crate::state::AppState;

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct StatusQuery {
    firm_id: Option<Uuid>,
}

/// Says how a connection stands; a platform that is not connected is an answer, not an error.
#[utoipa::path(get, path = "/api/v1/integrations/{platform}/status", params(("platform" = Platform, Path), StatusQuery),
    security(("bearer" = ["firm_admin", "firm_member", "operator"])),
    responses((status = 200, body = Value), (status = 404, body = ErrorBody)))]
pub(crate) async fn get_status(
    State(state): State<AppState>,
    caller: Caller,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<StatusQuery>,
) -> ApiResult<Json<Value>> {
    let firm = caller.firm(query.firm_id.map(FirmId))?;
    let mut db = state.firm(firm).await?;
    let Some(connection) = connections::find_by_platform(&mut db, firm, platform).await? else {
        return Ok(Json(not_connected()));
    };
    let last = sync_logs::find_last(&mut db, firm, connection.id).await?;
    let last = last.map(|(id, status, at)| json!({ "at": at, "status": status, "log_id": id }));
    Ok(Json(describe(&connection, last)))
}

fn not_connected() -> Value {
    json!({ "connected": false, "account": null, "last_sync": null, "last_sync_at": null,
        "sync_status": "idle", "needs_reconnect": null, "settings": Settings::default() })
}

fn describe(connection: &Connection, last_sync: Option<Value>) -> Value {
    let needs_reconnect = match &connection.state {
        ConnectionState::NeedsReconnect { reason, .. } => Some(reason.as_str()),
        ConnectionState::Active | ConnectionState::Disconnected => None,
    };
    let mut status = json!({
        "connected": connection.state == ConnectionState::Active,
        "account": { "id": connection.account_id, "label": connection.account_label, "region": connection.region },
        "last_sync": last_sync,
        "last_sync_at": connection.last_sync_at,
        "sync_status": connection.sync_status,
        "needs_reconnect": needs_reconnect,
        "settings": connection.settings,
    });
    if connection.platform == Platform::Clio {
        status["clio_user"] = connection.account_user.clone();
    }
    status
}
