//! `GET /api/v1/jobs/failures`: what failed, by cause.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared::domain::job::JobKind;
use shared::domain::{FirmId, Platform, platform};
use shared::queue::admin::{self, Failures, JobFilter};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::QueryOf;
use crate::error::{ApiResult, ErrorBody};
use crate::state::AppState;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FailuresQuery {
    /// An operator may leave it out: then all firms' jobs are meant.
    firm_id: Option<Uuid>,
    #[param(inline)]
    #[serde(default, deserialize_with = "platform::read_sold")]
    platform: Option<Platform>,
    #[param(value_type = Option<String>)]
    kind: Option<JobKind>,
    /// The error code.
    code: Option<String>,
}

/// Groups failed jobs by platform, code and message without what differs from job to job, most frequent first.
#[utoipa::path(get, path = "/api/v1/jobs/failures", params(FailuresQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = Failures), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn list_failures(
    State(state): State<AppState>,
    caller: Caller,
    RawQuery(question): RawQuery,
    QueryOf(query): QueryOf<FailuresQuery>,
) -> ApiResult<Response> {
    let firm = caller.whose(query.firm_id.map(FirmId))?;
    let filter = JobFilter {
        firm_id: firm,
        platform: query.platform,
        kind: query.kind,
        code: query.code,
        ..JobFilter::default()
    };
    let answer = async {
        let mut db = state.heavy(firm).await?;
        Ok(admin::failures(&mut db, &filter).await?)
    };
    match firm {
        Some(_) => Ok(Json(answer.await?).into_response()),
        None => {
            state
                .reads
                .about_all(format!("failures?{}", question.unwrap_or_default()), answer)
                .await
        }
    }
}
