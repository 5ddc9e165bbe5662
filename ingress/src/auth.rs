//! Callers: who they are by their token, and what their role allows.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::{header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use secrecy::ExposeSecret;
use serde::Deserialize;
use shared::clock;
use shared::config::{AuthKeys, IngressConfig};
use shared::domain::FirmId;
use tokio::sync::RwLock;
use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::error::ApiError;
use crate::limits::CallerKey;
use crate::state::AppState;

/// A token lives at most this long; longer ones are refused.
const LONGEST_LIFE_SECS: i64 = 3600;
const LEEWAY_SECS: i64 = 5;
const KEY_SET_TIMEOUT: Duration = Duration::from_secs(5);
/// An unknown key id makes us ask for the key set again, but not more often than this.
const KEY_SET_REST_SECS: i64 = 30;

/// What a caller may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    FirmAdmin,
    FirmMember,
    Operator,
    Service,
}

/// A verified caller.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) subject: String,
    firm: Option<FirmId>,
}

impl Caller {
    /// Refuses every other role.
    pub(crate) fn allow(&self, roles: &[Role]) -> Result<(), ApiError> {
        if roles.contains(&self.role) {
            Ok(())
        } else {
            Err(ApiError::Forbidden)
        }
    }

    /// The firm that is asked about: a firm's own caller has one; operators and services name it.
    pub(crate) fn firm(&self, named: Option<FirmId>) -> Result<FirmId, ApiError> {
        match (self.firm, named) {
            (Some(own), Some(named)) if own != named => Err(ApiError::NotFound),
            (Some(own), _) => Ok(own),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(ApiError::field("firm_id", "is missing")),
        }
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
    Set {
        url: url::Url,
        http: reqwest::Client,
        held: RwLock<(i64, JwkSet)>,
    },
}

impl Authority {
    pub(crate) async fn new(config: &IngressConfig) -> anyhow::Result<Self> {
        let (keys, algorithms) = match &config.auth_keys {
            AuthKeys::Secret(secret) => (
                Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes())),
                vec![Algorithm::HS256],
            ),
            AuthKeys::KeySet(url) => {
                let http = reqwest::Client::builder()
                    .timeout(KEY_SET_TIMEOUT)
                    .build()?;
                let held = RwLock::new((0, JwkSet { keys: Vec::new() }));
                let set = Keys::Set {
                    url: url.clone(),
                    http,
                    held,
                };
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

    async fn verify(&self, token: &str) -> Option<Caller> {
        let header = decode_header(token).ok()?;
        if !self.validation.algorithms.contains(&header.alg) {
            return None;
        }
        let key = self.key(header.kid.as_deref()).await?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Claims>(token, &key, &validation).ok()?.claims;
        let now = clock::wall_now().timestamp();
        if claims.exp > now + LONGEST_LIFE_SECS + LEEWAY_SECS || claims.sub.is_empty() {
            return None;
        }
        let of_firm = matches!(claims.role, Role::FirmAdmin | Role::FirmMember);
        if of_firm != claims.firm_id.is_some() {
            return None;
        }
        Some(Caller {
            role: claims.role,
            subject: claims.sub,
            firm: claims.firm_id,
        })
    }

    async fn key(&self, id: Option<&str>) -> Option<DecodingKey> {
        match &self.keys {
            Keys::Secret(key) => Some(key.clone()),
            Keys::Set { url, http, held } => {
                let id = id?;
                if let Some(key) = held.read().await.1.find(id) {
                    return DecodingKey::from_jwk(key).ok();
                }
                let mut held = held.write().await;
                let now = clock::wall_now().timestamp();
                if now - held.0 >= KEY_SET_REST_SECS {
                    held.0 = now;
                    let fetched = http.get(url.clone()).send().await.ok()?;
                    held.1 = serde_json::from_slice(&fetched.bytes().await.ok()?).ok()?;
                }
                held.1
                    .find(id)
                    .and_then(|key| DecodingKey::from_jwk(key).ok())
            }
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let caller = match token {
            Some(token) => state.authority.verify(token).await,
            None => None,
        };
        match caller {
            Some(caller) => {
                let key = CallerKey::Subject(caller.firm, caller.subject.clone());
                state.limits.check(&key)?;
                Ok(caller)
            }
            None => {
                Guest::from_request_parts(parts, state).await?;
                Err(ApiError::Unauthorized)
            }
        }
    }
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
