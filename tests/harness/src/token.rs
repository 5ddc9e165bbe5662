//! The callers' JWTs, as the CaseHug application would sign them.

use anyhow::{Context, Result};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::clock;

/// The longest that ingress accepts is an hour.
const LIFE_SECONDS: u64 = 50 * 60;

#[derive(Clone)]
pub struct Tokens {
    pub secret: String,
    pub issuer: String,
    pub audience: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn firm_admin(&self, firm_id: Uuid) -> Result<String> {
        self.signed(&self.claims("firm_admin", Some(firm_id)))
    }

    pub fn firm_member(&self, firm_id: Uuid) -> Result<String> {
        self.signed(&self.claims("firm_member", Some(firm_id)))
    }

    pub fn operator(&self) -> Result<String> {
        self.signed(&self.claims("operator", None))
    }

    pub fn service(&self) -> Result<String> {
        self.signed(&self.claims("service", None))
    }

    /// Right claims, for tests that make one of them wrong before [`Tokens::signed`].
    pub fn claims(&self, role: &str, firm_id: Option<Uuid>) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(self.issuer));
        claims.insert("aud".into(), json!(self.audience));
        claims.insert("sub".into(), json!(format!("test-{role}")));
        claims.insert("exp".into(), json!(clock::unix_seconds() + LIFE_SECONDS));
        claims.insert("role".into(), json!(role));
        if let Some(firm_id) = firm_id {
            claims.insert("firm_id".into(), json!(firm_id));
        }
        claims
    }

    pub fn signed(&self, claims: &Map<String, Value>) -> Result<String> {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key).context("sign a token")
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn a_firm_admins_token_carries_the_claims_of_the_contract() {
        let tokens = Tokens {
            secret: "0123456789abcdef0123456789abcdef".into(),
            issuer: "casehug".into(),
            audience: "sync".into(),
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["casehug"]);
        validation.set_audience(&["sync"]);

        let token = tokens.firm_admin(Uuid::nil()).unwrap();
        let key = DecodingKey::from_secret(tokens.secret.as_bytes());
        let claims = decode::<Value>(&token, &key, &validation).unwrap().claims;

        assert_eq!(claims["role"], "firm_admin");
        assert_eq!(claims["firm_id"], json!(Uuid::nil()));
        assert!(tokens.claims("service", None).get("firm_id").is_none());
    }
}
