//! OAuth 2.0, authorization code: three small requests. Clio takes forms only (providers/clio.md §2).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What a platform gave our application for a region.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: SecretString,
}

/// What a token call granted.
#[derive(Debug)]
pub struct GrantedTokens {
    pub access: SecretString,
    /// Nothing when the old one stays.
    pub refresh: Option<SecretString>,
    /// Nothing when the token never ends.
    pub expires_in: Option<Duration>,
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

/// The OAuth client of one platform and region.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    http: reqwest::Client,
    base: String,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl OAuthClient {
    /// A client of the platform at `base` (scheme and host).
    #[must_use]
    pub fn new(http: reqwest::Client, base: String, credentials: Credentials) -> Self {
        Self {
            http,
            base,
            credentials,
        }
    }

    /// Where the browser is sent. `scope` is not sent: Clio takes permissions from the developer application (clio.md §2, §19).
    ///
    /// # Panics
    /// Never: the base comes from the platform's own list or was checked at start.
    #[must_use]
    pub fn authorize_url(&self, redirect_uri: &str, state: &str) -> Url {
        let mut url = Url::parse(&format!("{}/oauth/authorize", self.base))
            .expect("the base was checked when the settings were read");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.credentials.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state)
            .append_pair("redirect_on_decline", "true");
        url
    }

    /// Exchanges a code; `redirect_uri` is the one that was sent before.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> Result<GrantedTokens, OAuthError> {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
        ])
        .await
    }

    /// Trades a refresh token for a new access token.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn refresh(&self, refresh: &SecretString) -> Result<GrantedTokens, OAuthError> {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose_secret()),
        ])
        .await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Result<GrantedTokens, OAuthError> {
        let mut form = vec![
            ("client_id", self.credentials.client_id.as_str()),
            (
                "client_secret",
                self.credentials.client_secret.expose_secret(),
            ),
        ];
        form.extend_from_slice(fields);
        let answer = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .timeout(TIMEOUT)
            .form(&form)
            .send()
            .await
            .map_err(|_| OAuthError::Unavailable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| OAuthError::Unavailable)?;
        if status.is_success() {
            let granted: TokenAnswer =
                serde_json::from_slice(&body).map_err(|_| OAuthError::Unavailable)?;
            return Ok(GrantedTokens {
                access: granted.access_token,
                refresh: granted.refresh_token,
                expires_in: granted.expires_in.map(Duration::from_secs),
            });
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if refusal.error == "invalid_grant" => OAuthError::Refused,
            Ok(refusal) if status.is_client_error() => {
                OAuthError::Misconfigured(refusal.error.chars().take(40).collect())
            }
            Ok(_) | Err(_) => OAuthError::Unavailable,
        })
    }
}
