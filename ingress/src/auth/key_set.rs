//! The key set that callers' tokens are signed with, fetched when an unknown key id comes.

use std::time::Duration;

use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use shared::clock::Moment;
use tokio::sync::{Mutex, RwLock};
use url::Url;

use crate::error::ApiError;

const TIMEOUT: Duration = Duration::from_secs(5);
/// An unknown key id makes us fetch the set again, but not more often than this.
const REST: Duration = Duration::from_secs(30);

/// A key set and when it was fetched.
pub(crate) struct KeySet {
    url: Url,
    http: reqwest::Client,
    held: RwLock<JwkSet>,
    /// Held during a fetch: callers whose key is known do not wait for it.
    fetched: Mutex<Option<Moment>>,
}

impl KeySet {
    pub(crate) fn new(url: Url) -> Result<Self, reqwest::Error> {
        Ok(Self {
            url,
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            held: RwLock::new(JwkSet { keys: Vec::new() }),
            fetched: Mutex::new(None),
        })
    }

    /// The key of this id. A set that cannot be fetched says nothing about the token: the caller may come back.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<DecodingKey>, ApiError> {
        if let Some(key) = self.held(id).await {
            return Ok(Some(key));
        }
        let mut fetched = self.fetched.lock().await;
        if fetched.is_none_or(|at| at.elapsed() >= REST) {
            let set = self.fetch().await.map_err(|error| {
                tracing::warn!(error = %error.without_url(), "the key set could not be fetched");
                ApiError::Unavailable
            })?;
            *self.held.write().await = set;
            *fetched = Some(Moment::now());
        }
        Ok(self.held(id).await)
    }

    async fn held(&self, id: &str) -> Option<DecodingKey> {
        let held = self.held.read().await;
        held.find(id)
            .and_then(|key| DecodingKey::from_jwk(key).ok())
    }

    async fn fetch(&self) -> Result<JwkSet, reqwest::Error> {
        self.http
            .get(self.url.clone())
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }
}
