//! `GET /api/v1/jobs`: the jobs that match, newest first.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::domain::job::JobKind;
use shared::domain::{FirmId, MatterId, Platform, platform, time};
use shared::queue::admin::{self, JobFilter, JobPage, JobState, Seek};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::QueryOf;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

const DEFAULT_LIMIT: i32 = 50;
const MOST: i32 = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// An operator may leave it out: then all firms' jobs are meant.
    firm_id: Option<Uuid>,
    #[param(inline)]
    state: Option<JobState>,
    #[param(inline)]
    #[serde(default, deserialize_with = "platform::read_sold")]
    platform: Option<Platform>,
    /// `sync_matter`, `sync_document`, …
    #[param(value_type = Option<String>)]
    kind: Option<JobKind>,
    matter_id: Option<Uuid>,
    /// The error code.
    code: Option<String>,
    /// Made at this time or later.
    #[serde(default, deserialize_with = "time::read_bounded")]
    created_after: Option<DateTime<Utc>>,
    /// Made before this time.
    #[serde(default, deserialize_with = "time::read_bounded")]
    created_before: Option<DateTime<Utc>>,
    /// 1 to 200; 50 when nothing is said.
    limit: Option<i32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists jobs. A page looks at 5,000 jobs at most: it may be short, and even empty, while `next_cursor` says that there is more.
#[utoipa::path(get, path = "/api/v1/jobs", params(ListQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = JobPage), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn list_jobs(
    State(state): State<AppState>,
    caller: Caller,
    RawQuery(question): RawQuery,
    QueryOf(query): QueryOf<ListQuery>,
) -> ApiResult<Response> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::field("limit", "must be 1 to 200"));
    }
    let after = query
        .cursor
        .as_deref()
        .map(|text| {
            Seek::read(text)
                .ok_or_else(|| ApiError::field("cursor", "must be a next_cursor of this list"))
        })
        .transpose()?;
    let filter = JobFilter {
        firm_id: firm,
        state: query.state,
        platform: query.platform,
        kind: query.kind,
        matter_id: query.matter_id.map(MatterId),
        code: query.code,
        created_after: query.created_after,
        created_before: query.created_before,
    };
    let answer = async {
        let mut db = state.heavy(firm).await?;
        Ok(admin::list(&mut db, &filter, after, limit).await?)
    };
    match firm {
        Some(_) => Ok(Json(answer.await?).into_response()),
        None => {
            state
                .reads
                .about_all(format!("jobs?{}", question.unwrap_or_default()), answer)
                .await
        }
    }
}
