//! Refusals: status and code side by side, one body for all.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::db::pauses::PauseError;
use shared::db::{DbError, took_too_long, violates};
use shared::queue::admin::ActError;
use utoipa::ToSchema;

/// What every handler returns.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// One field that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Such as `[17].data.matter_id`.
    pub(crate) path: String,
    pub(crate) message: &'static str,
}

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the body is not JSON")]
    InvalidJson,
    #[error("no valid token")]
    Unauthorized,
    #[error("the role does not allow it")]
    Forbidden,
    #[error("no such record")]
    NotFound,
    #[error("no such method here")]
    MethodNotAllowed,
    #[error("not connected")]
    NotConnected,
    #[error("the platform is not configured")]
    NotConfigured,
    #[error("the body is too large")]
    TooLarge(usize),
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body must be application/json")]
    UnsupportedType,
    #[error("the record's state does not allow it")]
    WrongState,
    #[error("the request is not valid")]
    Invalid(Vec<FieldError>),
    #[error("the action is not available yet")]
    NotAvailable,
    #[error("too many requests")]
    TooMany(Duration),
    #[error("too much is being taken in")]
    Busy,
    #[error("the service cannot take it now")]
    Unavailable,
}

impl ApiError {
    /// One wrong field.
    pub(crate) fn field(path: impl Into<String>, message: &'static str) -> Self {
        Self::Invalid(vec![FieldError {
            path: path.into(),
            message,
        }])
    }

    /// The same refusal of what stands below a member.
    pub(crate) fn below(self, member: &str) -> Self {
        let Self::Invalid(fields) = self else {
            return self;
        };
        let below = |field: FieldError| FieldError {
            path: format!("{member}.{}", field.path)
                .trim_end_matches('.')
                .to_owned(),
            ..field
        };
        Self::Invalid(fields.into_iter().map(below).collect())
    }

    /// This refusal for a broken constraint of that name; anything else is the database's own trouble.
    pub(crate) fn unless(error: DbError, constraint: &str, refusal: Self) -> Self {
        if violates(&error, constraint) {
            refusal
        } else {
            error.into()
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidJson => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotConnected | Self::NotConfigured | Self::WrongState => StatusCode::CONFLICT,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::NotAvailable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotConnected => "not_connected",
            Self::NotConfigured => "not_configured",
            Self::WrongState => "wrong_state",
            Self::TooSlow => "too_slow",
            Self::TooLarge(_) => "too_large",
            Self::UnsupportedType => "unsupported_media_type",
            Self::Invalid(_) => "invalid_request",
            Self::NotAvailable => "not_available",
            Self::TooMany(_) => "too_many_requests",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    fn resolution(&self) -> &'static str {
        match self {
            Self::InvalidJson => "send a JSON object or array",
            Self::Unauthorized => "send a valid token as Authorization: Bearer",
            Self::Forbidden => "use a caller whose role may do this",
            Self::NotFound => "check the id and the address",
            Self::MethodNotAllowed => "see /openapi.json",
            Self::NotConnected => "connect the platform in Settings → Integrations",
            Self::NotConfigured => {
                "CaseHug has to be given credentials for this platform and region"
            }
            Self::WrongState => "look at its state; it may have changed meanwhile",
            Self::TooLarge(longest) if *longest < 1024 * 1024 => "send at most 16 KiB",
            Self::TooLarge(_) => "send at most 1 MiB",
            Self::TooSlow => "send the body within 20 seconds",
            Self::UnsupportedType => "send Content-Type: application/json",
            Self::Invalid(_) => "correct the named fields",
            Self::NotAvailable => "use sync_matter",
            Self::TooMany(_) | Self::Busy | Self::Unavailable => "try again after Retry-After",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(*wait),
            Self::Busy | Self::Unavailable => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// The body of every refusal; the request id is filled in on the way out (`request::identify`).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorDetail,
}

/// See [`ErrorBody`].
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) resolution: &'static str,
    pub(crate) request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<FieldError>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(wait) = self.retry_after() {
            // Rounded up, because a caller who comes back at the given second must be let in.
            let secs = wait.as_millis().div_ceil(1000).max(1);
            let secs = u64::try_from(secs).unwrap_or(u64::MAX);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if matches!(self, Self::Unauthorized) {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        let (code, message, resolution) = (self.code(), self.to_string(), self.resolution());
        let fields = if let Self::Invalid(fields) = self {
            fields
        } else {
            Vec::new()
        };
        let detail = ErrorDetail {
            code,
            message,
            resolution,
            request_id: String::new(),
            fields,
        };
        response
            .extensions_mut()
            .insert(ErrorBody { error: detail });
        response
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if took_too_long(&error) {
            return Self::Busy;
        }
        tracing::error!(error = %error, "a statement failed");
        Self::Unavailable
    }
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NotFound => Self::NotFound,
            ActError::WrongState => Self::WrongState,
            ActError::NotSuspected => Self::field(
                "external_id",
                "must be one of the records that the failure names",
            ),
            ActError::Database(error) => error.into(),
        }
    }
}

impl From<PauseError> for ApiError {
    fn from(error: PauseError) -> Self {
        match error {
            PauseError::NotFound => Self::NotFound,
            PauseError::Past => Self::field("until", "must lie ahead"),
            PauseError::Database(error) => error.into(),
        }
    }
}

impl From<shared::inbox::AppendError> for ApiError {
    fn from(_: shared::inbox::AppendError) -> Self {
        Self::Unavailable
    }
}
