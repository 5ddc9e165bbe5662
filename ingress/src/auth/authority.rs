//! Checks tokens.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use shared::clock;
use shared::config::{AuthKeys, IngressConfig};
use shared::domain::FirmId;

use super::caller::Caller;
use super::key_set::KeySet;
use super::roles::Role;
use crate::error::ApiError;

/// A token lives at most this long; longer ones are refused.
const LONGEST_LIFE_SECS: i64 = 3600;
const LEEWAY_SECS: i64 = 5;

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
            AuthKeys::KeySet { url, every } => {
                let set = Keys::Set(KeySet::start(url.clone(), *every).await?);
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
    pub(super) async fn verify(&self, token: &str) -> Result<Option<Caller>, ApiError> {
        let Ok(header) = decode_header(token) else {
            return Ok(None);
        };
        if !self.validation.algorithms.contains(&header.alg) {
            return Ok(None);
        }
        let Some(key) = self.key(header.kid.as_deref(), header.alg).await? else {
            return Ok(None);
        };
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Claims>(token, &key, &validation).ok();
        Ok(claims.and_then(|decoded| read(decoded.claims)))
    }

    async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<DecodingKey>, ApiError> {
        match (&self.keys, id) {
            (Keys::Secret(key), _) => Ok(Some(key.clone())),
            (Keys::Set(_), None) => Ok(None),
            (Keys::Set(set), Some(id)) => set.find(id, algorithm).await,
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

/// A caller, when the claims fit together.
fn read(claims: Claims) -> Option<Caller> {
    let now = clock::wall_now().timestamp();
    let of_firm = matches!(claims.role, Role::FirmAdmin | Role::FirmMember);
    let good = claims.exp <= now + LONGEST_LIFE_SECS + LEEWAY_SECS
        && !claims.sub.is_empty()
        && !claims.sub.chars().any(char::is_control)
        && of_firm == claims.firm_id.is_some();
    good.then_some(Caller {
        role: claims.role,
        subject: claims.sub,
        firm: claims.firm_id,
    })
}
