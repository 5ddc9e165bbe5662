//! The API's description.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::auth::Guest;
use crate::error::ApiResult;

/// `/openapi.json`, for everybody.
pub(crate) async fn get_openapi(guest: Guest, text: Bytes) -> ApiResult<Response> {
    guest.count_reader()?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    Ok((headers, text).into_response())
}
