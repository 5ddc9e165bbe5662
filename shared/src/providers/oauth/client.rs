//! The requests: authorize address, code and refresh, revoke.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock;
use crate::domain::Region;
use crate::limit;
use crate::providers::Http;
use crate::providers::profile::{OAuthProfile, Revoke, TokenRequest};
use crate::providers::shell::read_bounded;

/// A call whose answer is lost is made twice within the time that a refresh may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// No token answer is longer.
const LONGEST_ANSWER: usize = 64 * 1024;
/// A longer lifetime is a mistake: the time at which it ends could not be stored.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 366 * 10);
/// A lifetime that cannot be read counts as this: the token is good, and is renewed before it can have ended.
const UNREADABLE_LIFETIME: Duration = Duration::from_mins(10);

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
    /// The platform's final word (`invalid_grant`): the code or the refresh token is no longer good; only a person can mend it.
    #[error("the grant is no longer good")]
    Refused,
    /// The platform does not know CaseHug itself (`invalid_client`): a wrong secret, a wrong region. No firm can mend it.
    #[error("the platform refused our credentials: {0}")]
    Misconfigured(&'static str),
    /// Anything else: no answer, or one that grants and refuses nothing. It is the platform's trouble, and passes.
    #[error("the platform's sign-in did not answer (status {status:?})")]
    Unavailable {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
}

impl OAuthError {
    const UNANSWERED: Self = Self::Unavailable {
        status: None,
        retry_after: None,
    };
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
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Value,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Error codes by which a platform says that it does not know the application.
const OURS: [&str; 2] = ["invalid_client", "unauthorized_client"];

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

    pub(super) fn gives_refresh_tokens(&self) -> bool {
        self.profile.refresh_tokens
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
        let answer = request.send().await;
        let status = answer.map_err(|_| OAuthError::UNANSWERED)?.status();
        match status.as_u16() {
            200..=299 | 400 | 401 => Ok(()),
            status => Err(OAuthError::Unavailable {
                status: Some(status),
                retry_after: None,
            }),
        }
    }

    async fn token(&self, fields: Fields<'_>) -> Result<GrantedTokens, OAuthError> {
        let request = self.post(self.profile.token_path);
        let sent = self.with_fields(request, fields).send().await;
        let answer = sent.map_err(|_| OAuthError::UNANSWERED)?;
        let status = answer.status();
        let retry_after = limit::asked_wait(answer.headers(), clock::wall_now());
        let body = read_bounded(answer, LONGEST_ANSWER).await;
        let body = body.map_err(|_| OAuthError::UNANSWERED)?;
        let granted = status.is_success().then(|| read_grant(&body)).flatten();
        granted.ok_or_else(|| {
            self.final_word(status, &body)
                .unwrap_or(OAuthError::Unavailable {
                    status: Some(status.as_u16()),
                    retry_after,
                })
        })
    }

    /// What the platform says for good: of the grant, or of our own credentials. Only an answer of RFC 6749's shape under a status of
    /// its own (400, 401) says anything: an edge's page, a limit or a server's error is no word about a grant.
    fn final_word(&self, status: StatusCode, body: &[u8]) -> Option<OAuthError> {
        if status != StatusCode::BAD_REQUEST && status != StatusCode::UNAUTHORIZED {
            return None;
        }
        let refusal: Refusal = serde_json::from_slice(body).ok()?;
        if self
            .profile
            .refresh_refused
            .contains(&refusal.error.as_str())
        {
            return Some(OAuthError::Refused);
        }
        let ours = OURS.into_iter().find(|code| *code == refusal.error);
        ours.map(OAuthError::Misconfigured)
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

fn read_grant(body: &[u8]) -> Option<GrantedTokens> {
    let granted: TokenAnswer = serde_json::from_slice(body).ok()?;
    Some(GrantedTokens {
        access: granted.access_token,
        refresh: granted.refresh_token,
        expires_in: read_lifetime(&granted.expires_in),
        extra: granted.extra,
    })
}

/// A token's lifetime: seconds as a number or as text, with a fraction or without; nothing where it is left out or null.
///
/// The grant is kept whatever its lifetime says: where refresh tokens rotate, the old one may be gone by now.
fn read_lifetime(said: &Value) -> Option<Duration> {
    let seconds = match said {
        Value::Null => return None,
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let lifetime = seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.floor()).ok())
        .filter(|lifetime| *lifetime <= LONGEST_LIFETIME);
    Some(lifetime.unwrap_or(UNREADABLE_LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_read_from_any_form_and_an_odd_one_is_short() {
        use serde_json::json;
        for (said, seconds) in [
            (json!(3600), Some(3600)),
            (json!(3600.0), Some(3600)),
            (json!(3599.9), Some(3599)),
            (json!("3600"), Some(3600)),
            (json!(" 3600.0 "), Some(3600)),
            (json!("3.6e3"), Some(3600)),
            (json!(null), None),
            (json!(0), Some(600)),
            (json!(-5), Some(600)),
            (json!("-5"), Some(600)),
            (json!(""), Some(600)),
            (json!("soon"), Some(600)),
            (json!("NaN"), Some(600)),
            (json!("inf"), Some(600)),
            (json!(1e300), Some(600)),
            (json!(u64::MAX), Some(600)),
            (json!(true), Some(600)),
            (json!([3600]), Some(600)),
            (json!({ "seconds": 3600 }), Some(600)),
        ] {
            let read = read_lifetime(&said);
            assert_eq!(read.map(|lifetime| lifetime.as_secs()), seconds, "{said}");
        }
    }

    #[test]
    fn a_browser_that_comes_back_has_the_verifier_of_its_own_challenge() {
        let (one, again, other) = (Challenge::of("a"), Challenge::of("a"), Challenge::of("b"));

        assert_eq!(one.verifier.expose_secret(), again.verifier.expose_secret());
        assert_ne!(one.challenge(), other.challenge());
        // RFC 7636, 4.1: 43 to 128 characters.
        assert_eq!(one.verifier.expose_secret().len(), 43);
    }
}
