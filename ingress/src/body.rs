//! Bodies and queries, refused in the shape of every refusal.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::domain::Platform;
use shared::domain::event::MAX_ID_CHARS;
use uuid::Uuid;

use crate::error::ApiError;
use crate::state::AppState;

/// A body longer than this is refused.
const LONGEST_BODY: usize = 1024 * 1024;
/// A refused body is read on up to here, and then the connection is closed.
const MOST_DROPPED: usize = 16 * 1024 * 1024;

/// A JSON body as it came.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl FromRequest<AppState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, ApiError> {
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
        let bytes = read(request.into_body()).await?;
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

/// Reads a body up to its limit. What is longer is read on and dropped for a while: a caller who is still writing when the
/// connection closes would see a broken pipe and not the refusal.
async fn read(body: Body) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::InvalidJson)?;
        length += chunk.len();
        if length > MOST_DROPPED {
            return Err(ApiError::TooLarge);
        }
        if length <= LONGEST_BODY {
            bytes.extend_from_slice(&chunk);
        }
    }
    if length > LONGEST_BODY {
        Err(ApiError::TooLarge)
    } else {
        Ok(bytes.into())
    }
}

/// A query string, refused as `invalid_request`.
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs =
            serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs)
            .map(Self)
            .map_err(|error| ApiError::field(error.path().to_string(), "has a wrong form"))
    }
}

/// An event's id in the path; one that no event can have is not there.
#[derive(Debug)]
pub(crate) struct EventId(pub(crate) String);

impl FromRequestParts<AppState> for EventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.ok()
            .map(|path| path.0)
            .filter(|id| id.chars().count() <= MAX_ID_CHARS && !id.contains('\0'))
            .map(Self)
            .ok_or(ApiError::NotFound)
    }
}

/// A record's id in the path; one that no record can have is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdPath(pub(crate) Uuid);

impl FromRequestParts<AppState> for IdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<Uuid>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|_| ApiError::NotFound)
    }
}

/// The platform in the path; an unknown one is not found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlatformPath(pub(crate) Platform);

impl FromRequestParts<AppState> for PlatformPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let platform = path.ok().and_then(|path| path.0.parse().ok());
        let known = platform.filter(|platform| state.knows(*platform));
        known.map(Self).ok_or(ApiError::NotFound)
    }
}
