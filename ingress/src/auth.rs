//! Callers: who they are by their token, and what their role allows.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::{header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use shared::clock;
use shared::config::{AuthKeys, IngressConfig};
use shared::domain::FirmId;
use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::error::ApiError;
use crate::key_set::KeySet;
use crate::limits::CallerKey;
use crate::state::AppState;

/// A token lives at most this long; longer ones are refused.
const LONGEST_LIFE_SECS: i64 = 3600;
const LEEWAY_SECS: i64 = 5;

/// What a caller may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    FirmAdmin,
    FirmMember,
    Operator,
    Service,
}

/// Who may call what: every route that asks for a caller, with its roles. The description says the same, and a test walks both.
const MAY: &[(&str, &str, &[Role])] = {
    use Role::{FirmAdmin, FirmMember, Operator, Service};
    &[
        ("POST", "/api/v1/events", &[Service]),
        (
            "GET",
            "/api/v1/events/{id}",
            &[Service, Operator, FirmAdmin],
        ),
        (
            "POST",
            "/api/v1/integrations/{platform}/connect",
            &[FirmAdmin, Operator],
        ),
        (
            "GET",
            "/api/v1/integrations/{platform}/status",
            &[FirmAdmin, FirmMember, Operator],
        ),
        (
            "POST",
            "/api/v1/integrations/{platform}/sync",
            &[FirmAdmin, FirmMember, Operator],
        ),
        (
            "GET",
            "/api/v1/integrations/{platform}/sync",
            &[FirmAdmin, FirmMember, Operator],
        ),
        ("GET", "/api/v1/jobs", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/failures", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/probe", &[Operator]),
        ("POST", "/api/v1/jobs/retry", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/{id}", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/{id}/provider-words", &[FirmAdmin]),
        ("POST", "/api/v1/jobs/{id}/retry", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/skip", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/cancel", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/run-now", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/batches/{id}", &[FirmAdmin, Operator]),
        (
            "POST",
            "/api/v1/batches/{id}/cancel",
            &[FirmAdmin, Operator],
        ),
        ("GET", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("DELETE", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/limits", &[FirmAdmin, Operator]),
    ]
};

/// A verified caller, whose role may call this route: checked before anything else of the request is read.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    role: Role,
    pub(crate) subject: String,
    firm: Option<FirmId>,
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

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    role: Role,
    firm_id: Option<FirmId>,
}

/// Checks tokens. The algorithms are fixed by the kind of key: a token cannot choose a weaker one.
pub(crate) struct Authority {
    keys: Keys,
    validation: Validation,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

enum Keys {
    Secret(DecodingKey),
    Set(KeySet),
}

impl Authority {
    pub(crate) async fn new(config: &IngressConfig) -> anyhow::Result<Self> {
        let (keys, algorithms) = match &config.auth_keys {
            AuthKeys::Secret(secret) => (
                Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes())),
                vec![Algorithm::HS256],
            ),
            AuthKeys::KeySet(url) => {
                let set = Keys::Set(KeySet::new(url.clone())?);
                (
                    set,
                    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
                )
            }
        };
        let mut validation = Validation::new(algorithms[0]);
        validation.algorithms = algorithms;
        validation.set_issuer(&[&config.auth_issuer]);
        validation.set_audience(&[&config.auth_audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_SECS.unsigned_abs();
        Ok(Self { keys, validation })
    }

    /// The caller that a token stands for; nothing when it is no good.
    async fn verify(&self, token: &str) -> Result<Option<Caller>, ApiError> {
        let Ok(header) = decode_header(token) else {
            return Ok(None);
        };
        if !self.validation.algorithms.contains(&header.alg) {
            return Ok(None);
        }
        let Some(key) = self.key(header.kid.as_deref()).await? else {
            return Ok(None);
        };
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Claims>(token, &key, &validation).ok();
        Ok(claims.and_then(|decoded| read(decoded.claims)))
    }

    async fn key(&self, id: Option<&str>) -> Result<Option<DecodingKey>, ApiError> {
        match (&self.keys, id) {
            (Keys::Secret(key), _) => Ok(Some(key.clone())),
            (Keys::Set(_), None) => Ok(None),
            (Keys::Set(set), Some(id)) => set.find(id).await,
        }
    }
}

/// A caller, when the claims fit together.
fn read(claims: Claims) -> Option<Caller> {
    let now = clock::wall_now().timestamp();
    let of_firm = matches!(claims.role, Role::FirmAdmin | Role::FirmMember);
    let good = claims.exp <= now + LONGEST_LIFE_SECS + LEEWAY_SECS
        && !claims.sub.is_empty()
        && of_firm == claims.firm_id.is_some();
    good.then_some(Caller {
        role: claims.role,
        subject: claims.sub,
        firm: claims.firm_id,
    })
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = match bearer(parts) {
            Some(token) => state.authority.verify(token).await?,
            None => None,
        };
        let Some(caller) = caller else {
            Guest::from_request_parts(parts, state).await?;
            return Err(ApiError::Unauthorized);
        };
        state
            .limits
            .check(&CallerKey::Subject(caller.firm, caller.subject.clone()))?;
        if may(parts, caller.role) {
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

fn may(parts: &Parts, role: Role) -> bool {
    let path = parts
        .extensions
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    MAY.iter().any(|(method, route, roles)| {
        parts.method == *method && path == *route && roles.contains(&role)
    })
}

/// Somebody without a token, counted by address.
#[derive(Debug)]
pub(crate) struct Guest;

impl FromRequestParts<AppState> for Guest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::Unavailable)?;
        state.limits.check(&CallerKey::Address(address.ip()))?;
        Ok(Self)
    }
}

/// The bearer scheme in the API's description; a route's scopes there are the roles that may call it.
#[derive(Debug)]
pub(crate) struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
