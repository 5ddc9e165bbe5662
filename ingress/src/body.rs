//! Bodies and queries, refused in the shape of every refusal.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use futures::StreamExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use shared::domain::Platform;
use shared::domain::event::MAX_ID_CHARS;
use uuid::Uuid;

use crate::error::ApiError;
use crate::limits::CountedBytes;
use crate::state::AppState;

/// The longest body but for events: the largest of them names a handful of fields.
const LONGEST_OBJECT: usize = 16 * 1024;
/// The longest body of events.
const LONGEST_EVENTS: usize = 1024 * 1024;
/// A body has to come within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// A refused body is read on up to here, and then the connection is closed.
const MOST_DROPPED: usize = 16 * 1024 * 1024;

/// A JSON object, read into its type: what is not asked for is never kept. No body stands for an empty object.
#[derive(Debug)]
pub(crate) struct ObjectBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for ObjectBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, ApiError> {
        let json = is_json(&request);
        let bytes = read(request.into_body(), LONGEST_OBJECT).await?;
        if bytes.is_empty() {
            return read_object(b"{}").map(Self);
        }
        if !json {
            return Err(ApiError::UnsupportedType);
        }
        read_object(&bytes).map(Self)
    }
}

/// Reads an object; serde would take an array for a struct as well.
pub(crate) fn read_object<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        let is_json = serde_json::from_slice::<IgnoredAny>(text).is_ok();
        return Err(if is_json {
            ApiError::field("", "must be an object")
        } else {
            ApiError::InvalidJson
        });
    }
    if holds_null(text) {
        return Err(ApiError::field("", "must not hold a null character"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            let path = error.path().to_string();
            ApiError::field(path.trim_start_matches('.'), "has a wrong form")
        } else {
            ApiError::InvalidJson
        }
    })?;
    deserializer.end().map_err(|_| ApiError::InvalidJson)?;
    Ok(read)
}

/// Whether a text of this JSON holds a null character, which no text of the database can: `\u0000` behind an even number of backslashes.
fn holds_null(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        match rest.get(at + 1) {
            Some(b'u') if rest[at..].starts_with(b"\\u0000") => return true,
            Some(_) => rest = &rest[at + 2..],
            None => return false,
        }
    }
    false
}

/// The body of `POST /events`: it counts among all such bodies until this is dropped.
#[derive(Debug)]
pub(crate) struct EventsText {
    pub(crate) text: Bytes,
    _counted: CountedBytes,
}

impl FromRequest<AppState> for EventsText {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let json = is_json(&request);
        let body = request.into_body();
        // A body that does not say how long it is may be as long as any.
        let announced = body.size_hint().exact();
        let expected = announced.and_then(|length| usize::try_from(length).ok());
        let expected = expected.unwrap_or(LONGEST_EVENTS).min(LONGEST_EVENTS);
        let Some(mut counted) = state.event_bodies.count(expected) else {
            let _ = read(body, 0).await;
            return Err(ApiError::Busy);
        };
        let text = read(body, LONGEST_EVENTS).await?;
        if !json && !text.is_empty() {
            return Err(ApiError::UnsupportedType);
        }
        counted.shrink(text.len());
        Ok(Self {
            text,
            _counted: counted,
        })
    }
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads a body up to its limit. What is longer is read on and dropped for a while: a caller who is still writing when the
/// connection closes would see a broken pipe and not the refusal.
async fn read(body: Body, longest: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIMEOUT, read_all(body, longest));
    read.await.unwrap_or(Err(ApiError::TooSlow))
}

async fn read_all(body: Body, longest: usize) -> Result<Bytes, ApiError> {
    // Never more than is needed: a vector that grows by itself may be twice as large as what it holds.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let (mut bytes, mut length) = (Vec::with_capacity(announced.min(longest)), 0);
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::InvalidJson)?;
        length += chunk.len();
        if length > MOST_DROPPED {
            return Err(ApiError::TooLarge(longest));
        }
        if length <= longest {
            bytes.reserve_exact(chunk.len());
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
    }
    if length > longest {
        Err(ApiError::TooLarge(longest))
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
        // No text of the database can hold it. A browser that comes back is landed, and what it brings is only hashed.
        let lands = ["/connect", "/callback"];
        let is_landed = lands.iter().any(|end| parts.uri.path().ends_with(end));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !is_landed && (name.contains('\0') || value.contains('\0')) {
                let name = name.replace('\0', "");
                return Err(ApiError::field(name, "must not hold a null character"));
            }
        }
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
