//! The requests: authorize address, code and refresh, revoke.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use crate::domain::Region;
use crate::providers::Http;
use crate::providers::profile::{OAuthProfile, Revoke, TokenRequest};

const TIMEOUT: Duration = Duration::from_secs(30);

/// What a platform gave our application for a region.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: SecretString,
    /// Sent beside each token, where the platform's dialect asks for it.
    pub api_key: Option<SecretString>,
}

/// What a token call granted.
#[derive(Debug)]
pub struct GrantedTokens {
    pub access: SecretString,
    /// Nothing when the old one stays.
    pub refresh: Option<SecretString>,
    /// Nothing when the token never ends.
    pub expires_in: Option<Duration>,
    /// Members of the answer beside the standard's, such as the account's id.
    pub extra: Map<String, Value>,
}

/// Why nothing was granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// `invalid_grant`: the code or the refresh token is no longer good; only a person can mend it.
    #[error("the grant is no longer good")]
    Refused,
    /// Anything else that is our own fault (`invalid_client`): a wrong secret, a wrong region.
    #[error("the platform refused our credentials: {0}")]
    Misconfigured(String),
    /// No usable answer.
    #[error("the platform did not answer the token call")]
    Unavailable,
}

/// A code challenge (RFC 7636, S256).
///
/// It is derived from a secret that the connecting browser keeps in its cookie, so that nothing has to be stored: the callback
/// comes from the same browser and brings the secret back.
#[derive(Debug)]
pub struct Challenge {
    verifier: SecretString,
}

impl Challenge {
    /// The challenge of a browser's secret.
    #[must_use]
    pub fn of(browser_secret: &str) -> Self {
        let digest = Sha256::new()
            .chain_update("code verifier\n")
            .chain_update(browser_secret)
            .finalize();
        Self {
            verifier: URL_SAFE_NO_PAD.encode(digest).into(),
        }
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret()))
    }
}

/// The OAuth client of one platform and region.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    http: reqwest::Client,
    base: String,
    profile: &'static OAuthProfile,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_in: Option<u64>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

type Fields<'a> = Vec<(&'static str, &'a str)>;

impl OAuthClient {
    /// The platform's client in a region.
    #[must_use]
    pub fn new(http: &Http, region: Region, credentials: Credentials) -> Self {
        Self {
            http: http.api.clone(),
            base: http.oauth_base(region),
            profile: &http.profile.oauth,
            credentials,
        }
    }

    /// The application's key, where the platform has one.
    #[must_use]
    pub fn api_key(&self) -> Option<&SecretString> {
        self.credentials.api_key.as_ref()
    }

    /// Where the browser is sent.
    ///
    /// # Panics
    /// Never: the base comes from the platform's own list or was checked at start.
    #[must_use]
    pub fn authorize_url(&self, redirect_uri: &str, state: &str, challenge: &Challenge) -> Url {
        let mut url = Url::parse(&format!("{}{}", self.base, self.profile.authorize_path))
            .expect("the base was checked when the settings were read");
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.credentials.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state);
        if let Some(scope) = self.profile.scope {
            query.append_pair("scope", scope);
        }
        if self.profile.pkce {
            query
                .append_pair("code_challenge", &challenge.challenge())
                .append_pair("code_challenge_method", "S256");
        }
        query.extend_pairs(self.profile.authorize_parameters);
        drop(query);
        url
    }

    /// Exchanges a code; `redirect_uri` and `challenge` are those of the authorize address.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        challenge: &Challenge,
    ) -> Result<GrantedTokens, OAuthError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
        ];
        if self.profile.pkce {
            fields.push(("code_verifier", challenge.verifier.expose_secret()));
        }
        self.token(fields).await
    }

    /// Trades a refresh token for a new access token.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn refresh(&self, refresh: &SecretString) -> Result<GrantedTokens, OAuthError> {
        self.token(vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose_secret()),
        ])
        .await
    }

    /// Ends a grant at the platform; does nothing where the platform has no way to.
    ///
    /// # Errors
    /// See [`OAuthError`]. A token that the platform no longer knows is as good as revoked.
    pub async fn revoke(
        &self,
        access: &SecretString,
        refresh: Option<&SecretString>,
    ) -> Result<(), OAuthError> {
        let request = match (self.profile.revoke, refresh) {
            (None, _) | (Some(Revoke::RefreshToken { .. }), None) => return Ok(()),
            (Some(Revoke::AccessToken { path }), _) => self
                .post(path)
                .bearer_auth(access.expose_secret())
                .form(&[("token", access.expose_secret())]),
            (Some(Revoke::RefreshToken { path }), Some(refresh)) => self
                .with_basic(self.post(path))
                .form(&[("token", refresh.expose_secret())]),
        };
        let answer = request.send().await.map_err(|_| OAuthError::Unavailable)?;
        match answer.status().as_u16() {
            200..=299 | 400 | 401 => Ok(()),
            _ => Err(OAuthError::Unavailable),
        }
    }

    async fn token(&self, fields: Fields<'_>) -> Result<GrantedTokens, OAuthError> {
        let request = self.post(self.profile.token_path);
        let answer = self
            .with_fields(request, fields)
            .send()
            .await
            .map_err(|_| OAuthError::Unavailable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| OAuthError::Unavailable)?;
        if status.is_success() {
            return read_grant(&body);
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if refusal.error == "invalid_grant" => OAuthError::Refused,
            Ok(refusal) if status.is_client_error() => {
                OAuthError::Misconfigured(refusal.error.chars().take(40).collect())
            }
            Ok(_) | Err(_) => OAuthError::Unavailable,
        })
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let address = format!("{}{path}", self.base);
        self.http.post(address).timeout(TIMEOUT)
    }

    fn with_fields<'a>(
        &'a self,
        request: RequestBuilder,
        mut fields: Fields<'a>,
    ) -> RequestBuilder {
        let Credentials {
            client_id,
            client_secret,
            ..
        } = &self.credentials;
        fields.push(("client_id", client_id));
        match self.profile.token_request {
            TokenRequest::FormWithBasic => self.with_basic(request).form(&fields),
            TokenRequest::Form => {
                fields.push(("client_secret", client_secret.expose_secret()));
                request.form(&fields)
            }
            TokenRequest::Json => {
                fields.push(("client_secret", client_secret.expose_secret()));
                let body: Map<String, Value> = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                request.json(&body)
            }
        }
    }

    fn with_basic(&self, request: RequestBuilder) -> RequestBuilder {
        let secret = self.credentials.client_secret.expose_secret();
        request.basic_auth(&self.credentials.client_id, Some(secret))
    }
}

fn read_grant(body: &[u8]) -> Result<GrantedTokens, OAuthError> {
    let granted: TokenAnswer = serde_json::from_slice(body).map_err(|_| OAuthError::Unavailable)?;
    Ok(GrantedTokens {
        access: granted.access_token,
        refresh: granted.refresh_token,
        expires_in: granted.expires_in.map(Duration::from_secs),
        extra: granted.extra,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_comes_back_has_the_verifier_of_its_own_challenge() {
        let (one, again, other) = (Challenge::of("a"), Challenge::of("a"), Challenge::of("b"));

        assert_eq!(one.verifier.expose_secret(), again.verifier.expose_secret());
        assert_ne!(one.challenge(), other.challenge());
        // RFC 7636, 4.1: 43 to 128 characters.
        assert_eq!(one.verifier.expose_secret().len(), 43);
    }
}
