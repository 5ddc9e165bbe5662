//! The key set that callers' tokens are signed with: fetched in the background, never for a request.
//!
//! A set is fetched again every 5 minutes (`AUTH_JWKS_REFRESH_SECONDS`), so a key that was taken out is trusted no longer than that, and 10 to 60 s after a failure.
//! A set that could not be fetched for an hour is not trusted any more. A token with an unknown key id makes nothing happen: anybody can
//! send one.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect::Policy;
use shared::clock::Moment;
use tokio::sync::RwLock;
use url::Url;

use crate::error::ApiError;

const TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_mins(1);
const TRUSTED_FOR: Duration = Duration::from_hours(1);
const LARGEST: usize = 256 * 1024;

/// A key set, and when it was fetched.
#[derive(Clone)]
pub(crate) struct KeySet {
    held: Arc<RwLock<Option<(JwkSet, Moment)>>>,
}

/// Fetches a set again and again.
struct Fetcher {
    url: Url,
    http: reqwest::Client,
    every: Duration,
}

impl KeySet {
    /// Fetches the set once, and goes on in the background while a handle is held.
    pub(crate) async fn start(url: Url, every: Duration) -> Result<Self, reqwest::Error> {
        let set = Self {
            held: Arc::default(),
        };
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let fetcher = Fetcher { url, http, every };
        let mut failures = set.refresh(&fetcher, 0).await;
        let kept = set.clone();
        tokio::spawn(async move {
            // The last handle but this one is gone with the program's state.
            while Arc::strong_count(&kept.held) > 1 {
                tokio::time::sleep(fetcher.rest(failures)).await;
                failures = kept.refresh(&fetcher, failures).await;
            }
        });
        Ok(set)
    }

    /// Fetches the set; returns how often in a row that has failed by now.
    async fn refresh(&self, fetcher: &Fetcher, failures: u32) -> u32 {
        match fetcher.fetch().await {
            Ok(set) => {
                *self.held.write().await = Some((set, Moment::now()));
                0
            }
            Err(error) => {
                tracing::warn!(error = %error, "the key set could not be fetched, trying again");
                failures + 1
            }
        }
    }

    /// The key of this id, if it is made for this algorithm. Without a set nothing can be said of a token: the caller may come back.
    pub(crate) async fn find(
        &self,
        id: &str,
        algorithm: Algorithm,
    ) -> Result<Option<DecodingKey>, ApiError> {
        let held = self.held.read().await;
        let trusted = held.as_ref().filter(|(_, at)| at.elapsed() < TRUSTED_FOR);
        let (set, _) = trusted.ok_or(ApiError::Unavailable)?;
        let key = set.find(id).filter(|key| signs(key, algorithm));
        Ok(key.and_then(|key| DecodingKey::from_jwk(key).ok()))
    }
}

/// Whether the set says that a key is for signatures of this algorithm. What it does not say is left open.
fn signs(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|named| *named == PublicKeyUse::Signature);
    let named = common.key_algorithm.map(|named| named.to_string());
    for_signatures && named.is_none_or(|named| named == format!("{algorithm:?}"))
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(String),
    #[error("its server answered {0}")]
    Status(u16),
    #[error("it is larger than 256 KiB")]
    TooLarge,
    #[error("it is no key set")]
    Unreadable,
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url().to_string())
    }
}

impl Fetcher {
    fn rest(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.every,
            Some(doublings) => (FIRST_REST * 2_u32.pow(doublings.min(8)))
                .min(LONGEST_REST)
                .min(self.every),
        }
    }

    async fn fetch(&self) -> Result<JwkSet, FetchError> {
        let mut answer = self.http.get(self.url.clone()).send().await?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| FetchError::Unreadable)
    }
}
