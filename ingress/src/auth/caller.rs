//! Callers: who they are by their token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts, MatchedPath};
use axum::http::{header, request::Parts};
use shared::domain::FirmId;

use super::authority::Authority;
use super::roles::{Role, may};
use crate::error::ApiError;
use crate::limits::{CallerKey, CallerLimits};

/// A verified caller, whose role may call this route: checked before anything else of the request is read.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) role: Role,
    pub(crate) subject: String,
    pub(super) firm: Option<FirmId>,
}

impl Caller {
    /// The firm that is asked about: a firm's own caller has one; operators and services name it.
    pub(crate) fn firm(&self, named: Option<FirmId>) -> Result<FirmId, ApiError> {
        match (self.firm, named) {
            (Some(own), Some(named)) if own != named => Err(ApiError::NotFound),
            (Some(own), _) => Ok(own),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(ApiError::field("firm_id", "is missing")),
        }
    }

    /// Whose records are meant: a firm's own caller's, or those that an operator names; all firms' when he names none.
    pub(crate) fn whose(&self, named: Option<FirmId>) -> Result<Option<FirmId>, ApiError> {
        match (self.role, named) {
            (Role::Operator, None) => Ok(None),
            _ => self.firm(named).map(Some),
        }
    }

    /// Operators alone act for all firms.
    pub(crate) fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
}

/// Not for `AppState` by name: the state holds the authority, and nothing here needs to know more of it.
impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Authority>: FromRef<S>,
    CallerLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = match bearer(parts) {
            Some(token) => Arc::<Authority>::from_ref(state).verify(token).await?,
            None => None,
        };
        let Some(caller) = caller else {
            Guest::from_request_parts(parts, state).await?;
            return Err(ApiError::Unauthorized);
        };
        CallerLimits::from_ref(state)
            .check(&CallerKey::Subject(caller.firm, caller.subject.clone()))?;
        let template = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        if may(caller.role, &parts.method, template) {
            Ok(caller)
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

/// The token of `Authorization: Bearer`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A caller without a token, counted by address.
#[derive(Debug)]
pub(crate) struct Guest;

impl<S> FromRequestParts<S> for Guest
where
    S: Send + Sync,
    CallerLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::Unavailable)?;
        CallerLimits::from_ref(state).check(&CallerKey::Address(address.ip()))?;
        Ok(Self)
    }
}
