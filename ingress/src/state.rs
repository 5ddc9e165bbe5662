//! What every handler can reach.

use std::sync::Arc;

use axum::extract::FromRef;
use shared::config::{IngressConfig, IpNet};
use shared::crypto::KeyRing;
use shared::db::{self, Database, Transaction};
use shared::domain::{FirmId, Platform};
use shared::inbox::Appender;
use shared::providers::{Configured, HttpSettings, Providers};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::auth::Authority;
use crate::error::ApiError;
use crate::inboxes::Inboxes;
use crate::limits::{CallerLimits, EventBodies};
use crate::reads::{HeavyRead, Reads};
use crate::waits::Waits;

/// Ingress never creates records at a provider; its calls need no send deadline of a lease.
const SEND_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// A heavy read that takes longer is broken off.
const LONGEST_READ: std::time::Duration = std::time::Duration::from_secs(3);

/// Shared by all handlers; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AppState {
    pub(crate) database: Database,
    /// Takes events while one of the inboxes is there.
    pub(crate) inbox: Appender,
    /// Takes what has to be in Postgres when it is answered.
    pub(crate) postgres_inbox: Appender,
    pub(crate) authority: Arc<Authority>,
    pub(crate) limits: CallerLimits,
    /// Whose word about a caller's address is taken.
    pub(crate) proxies: Arc<[IpNet]>,
    pub(crate) event_bodies: EventBodies,
    pub(crate) reads: Reads,
    pub(crate) waits: Waits,
    pub(crate) providers: Providers,
    pub(crate) keys: KeyRing,
    pub(crate) public_url: Url,
    pub(crate) dashboard_url: Url,
    /// Ends with the signal to stop: nothing is waited for any more.
    pub(crate) stopping: CancellationToken,
}

impl FromRef<AppState> for Arc<Authority> {
    fn from_ref(state: &AppState) -> Self {
        state.authority.clone()
    }
}

impl FromRef<AppState> for Arc<[IpNet]> {
    fn from_ref(state: &AppState) -> Self {
        state.proxies.clone()
    }
}

impl FromRef<AppState> for CallerLimits {
    fn from_ref(state: &AppState) -> Self {
        state.limits.clone()
    }
}

impl AppState {
    pub(crate) async fn new(
        config: &IngressConfig,
        database: Database,
        inboxes: &Inboxes,
        stopping: CancellationToken,
    ) -> anyhow::Result<Self> {
        let http = HttpSettings {
            allow_test_providers: config.common.allow_test_providers,
            send_deadline: SEND_DEADLINE,
        };
        Ok(Self {
            inbox: Appender::start(inboxes.both()),
            postgres_inbox: Appender::start(inboxes.postgres()),
            authority: Arc::new(Authority::new(config).await?),
            limits: CallerLimits::per_minute(config.caller_limit_per_minute),
            event_bodies: EventBodies::default(),
            reads: Reads::default(),
            waits: Waits::start(database.clone()),
            database,
            providers: Providers::new(&http, &config.common.providers)?,
            keys: config.common.token_keys.clone(),
            public_url: config.public_url.clone(),
            dashboard_url: config.dashboard_url.clone(),
            proxies: Arc::from(config.trusted_proxies.clone()),
            stopping,
        })
    }

    /// A transaction that sees this firm's rows alone.
    pub(crate) async fn firm(&self, firm: FirmId) -> Result<Transaction, ApiError> {
        Ok(self.database.firm(firm).await?)
    }

    /// The same for a heavy read.
    pub(crate) async fn heavy(&self, firm: Option<FirmId>) -> Result<HeavyRead, ApiError> {
        let places = self.reads.places(firm).await?;
        let mut db = self.of(firm).await?;
        db::limit_statements(&mut db, LONGEST_READ).await?;
        Ok(HeavyRead::new(db, places))
    }

    /// A transaction that sees this firm's rows alone, or, for an operator who names none, all firms'.
    pub(crate) async fn of(&self, firm: Option<FirmId>) -> Result<Transaction, ApiError> {
        match firm {
            Some(firm) => self.firm(firm).await,
            None => Ok(self.database.worker().await?),
        }
    }

    /// Whether callers may name this platform: it is sold, or this program's own registry has it.
    pub(crate) fn knows(&self, platform: Platform) -> bool {
        Platform::ALL.contains(&platform) || self.providers.of(platform).is_some()
    }

    /// A platform as configured.
    pub(crate) fn configured(&self, platform: Platform) -> Result<&Configured, ApiError> {
        self.providers.of(platform).ok_or(ApiError::NotConfigured)
    }

    /// Where the provider sends the browser back to.
    pub(crate) fn callback_url(&self, platform: Platform) -> String {
        self.address(&format!("api/v1/integrations/{platform}/callback"))
    }

    /// An address under `PUBLIC_URL`.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}
