//! The API's description.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::auth::Guest;

/// `/openapi.json`, for everybody.
pub(crate) async fn get_openapi(_: Guest, text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
