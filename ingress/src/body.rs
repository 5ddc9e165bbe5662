//! Bodies and queries, refused in the shape of every refusal.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::domain::Platform;

use crate::error::ApiError;
use crate::state::AppState;

/// A JSON body as it came.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl FromRequest<AppState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(';')
                    .next()
                    .is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
            });
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| match error {
                BytesRejection::FailedToBufferBody(_) => ApiError::TooLarge,
                _ => ApiError::InvalidJson,
            })?;
        if !json && !bytes.is_empty() {
            return Err(ApiError::UnsupportedType);
        }
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|_| ApiError::InvalidJson)
    }
}

/// A query string, refused as `invalid_request`.
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|_| ApiError::field("(query)", "has a parameter of the wrong form"))
    }
}

/// The platform in the path; an unknown one is no address of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlatformPath(pub(crate) Platform);

impl FromRequestParts<AppState> for PlatformPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let platform = path.ok().and_then(|path| path.0.parse().ok());
        platform.map(Self).ok_or(ApiError::NotFound)
    }
}
