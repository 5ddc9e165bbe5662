//! The refresh of a connection's tokens: by one caller at a time across all workers, without a transaction open during the call.
//!
//! What the platform's sign-in says is sorted here. Only its final word (`OAuthError::Refused`), or a missing refresh token, parks the
//! connection, and only with the tokens that were used. A refusal of CaseHug's own credentials pauses the connection and alarms
//! operators. Everything else is the platform's trouble: the job is tried again.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::{GrantedTokens, OAuthClient, OAuthError};
use crate::clock::Moment;
use crate::crypto::{KeyRing, Place};
use crate::db::{
    Database, DbError,
    authorisation::{self, Used},
    connections,
    tokens::{self, Grant, SealedTokens},
};
use crate::domain::{
    connection::{Connection, Lost},
    outcome::Waiting,
};
use crate::providers::{CallError, Names, ProviderError};

/// A token that ends within this is refreshed (product documents: "5 minutes before expiration").
pub const REFRESH_BEFORE: Duration = Duration::from_mins(5);
/// A token that ends within this is not used any more: a call could meet its end.
const LAST_MOMENT: Duration = Duration::from_secs(30);
/// A refresh that has not ended by then may be taken up by another worker.
const REFRESH_AT_MOST: Duration = Duration::from_secs(40);
/// Granted tokens are stored within this, or lost: the platform may have ended the old ones.
const STORE_WITHIN: Duration = Duration::from_mins(5);
const STORE_AGAIN: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 20;
/// How often CaseHug's credentials are tried while a platform refuses them.
pub(super) const MISCONFIGURED_REST: Duration = Duration::from_mins(1);

/// Where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Fresh,
    /// Good, and to be refreshed beside the work.
    EndsSoon,
    /// Refused by the platform, or at its end.
    Ended,
}

/// What refreshes the tokens of one connection.
#[derive(Debug, Clone)]
pub(in crate::providers) struct Refresher {
    pub(in crate::providers) database: Database,
    pub(in crate::providers) keys: KeyRing,
    pub(in crate::providers) oauth: OAuthClient,
    pub(in crate::providers) connection: Arc<Connection>,
    pub(in crate::providers) names: Names,
    /// Refreshes that go on beside the work: a worker waits for them at its end, for an answer may carry the only good refresh token.
    pub(in crate::providers) background: TaskTracker,
}

impl Refresher {
    pub(super) fn standing(&self, sealed: &SealedTokens) -> Standing {
        if sealed.refused && self.oauth.gives_refresh_tokens() {
            return Standing::Ended;
        }
        match sealed.expires_in {
            Some(left) if left < LAST_MOMENT => Standing::Ended,
            Some(left) if left < REFRESH_BEFORE && sealed.refresh.is_some() => Standing::EndsSoon,
            _ => Standing::Fresh,
        }
    }

    pub(super) async fn read(&self) -> Result<SealedTokens, CallError> {
        let mut db = self.database.firm(self.connection.firm_id).await?;
        tokens::find(&mut db, self.connection.id)
            .await?
            .ok_or(CallError::NeedsReconnect)
    }

    /// Refreshes, or waits for the caller that does. A refresh goes on when its caller is gone: the job's time may end first.
    pub(super) async fn refresh(&self, old: SealedTokens) -> Result<SealedTokens, CallError> {
        let version = old.version;
        match self.refresh_beside(old).await? {
            Some(ours) => ours.await.unwrap_or_else(|_| {
                Err(ProviderError::SignIn {
                    status: None,
                    retry_after: None,
                }
                .into())
            }),
            None => self.wait_for_other(version).await,
        }
    }

    /// Refreshes beside the work; nothing where another caller does it.
    pub(super) async fn refresh_beside(
        &self,
        old: SealedTokens,
    ) -> Result<Option<JoinHandle<Result<SealedTokens, CallError>>>, CallError> {
        if !self.begin(&old).await? {
            return Ok(None);
        }
        let this = self.clone();
        let beside = async move { this.carry_out(old).await };
        Ok(Some(self.background.spawn(beside)))
    }

    async fn begin(&self, old: &SealedTokens) -> Result<bool, CallError> {
        let mut db = self.database.firm(self.connection.firm_id).await?;
        let id = self.connection.id;
        let ours = tokens::begin_refresh(&mut db, id, old.version, REFRESH_AT_MOST).await?;
        db.commit().await?;
        Ok(ours)
    }

    /// The caller has the right to refresh.
    async fn carry_out(&self, old: SealedTokens) -> Result<SealedTokens, CallError> {
        let Some(sealed) = &old.refresh else {
            return Err(self.park(old.version, Lost::Grant).await?);
        };
        let opened = self.keys.open(sealed, self.place("refresh_token"));
        let refresh = match opened {
            Ok(refresh) => refresh,
            Err(error) => return Err(self.misconfigured(&error.to_string()).await?),
        };
        let error = match self.call(&refresh).await {
            Ok(granted) => return self.store(&old, granted).await,
            Err(error) => error,
        };
        let mut db = self.database.firm(self.connection.firm_id).await?;
        tokens::end_refresh(&mut db, self.connection.id, old.version).await?;
        db.commit().await?;
        tracing::warn!(error = %error, connection.id = %self.connection.id, "a token could not be refreshed");
        Err(match error {
            OAuthError::Refused => self.park(old.version, Lost::Grant).await?,
            OAuthError::Misconfigured(code) => self.misconfigured(code).await?,
            OAuthError::Unavailable {
                status,
                retry_after,
            } => ProviderError::SignIn {
                status,
                retry_after,
            }
            .into(),
        })
    }

    /// A lost answer is tried once more with the old token: where tokens rotate, that is the last chance.
    async fn call(&self, refresh: &SecretString) -> Result<GrantedTokens, OAuthError> {
        match self.oauth.refresh(refresh).await {
            Err(OAuthError::Unavailable { status: None, .. }) => self.oauth.refresh(refresh).await,
            other => other,
        }
    }

    /// Parks the connection, unless a grant or a token came meanwhile. Returns what the job is told.
    pub(super) async fn park(
        &self,
        token_version: i64,
        lost: Lost,
    ) -> Result<CallError, CallError> {
        let mut db = self.database.worker().await?;
        let used = Used::of(&self.connection, token_version);
        let reason = format!("{} refused our access", self.names.title);
        let parked = authorisation::park(&mut db, used, lost, &reason).await?;
        db.commit().await?;
        if parked {
            let platform = self.connection.platform.as_str();
            metrics::counter!("casehug_connections_parked_total", "platform" => platform, "by" => lost.as_str())
                .increment(1);
            tracing::warn!(connection.id = %self.connection.id, by = lost.as_str(), "a connection was parked");
        }
        Ok(CallError::NeedsReconnect)
    }

    /// No firm can mend this: the connection rests for a minute, and operators are alarmed.
    pub(super) async fn misconfigured(&self, what: &str) -> Result<CallError, CallError> {
        let platform = self.connection.platform.as_str();
        tracing::error!(
            connection.id = %self.connection.id, platform, what, "CaseHug's own credentials or keys are refused: jobs wait"
        );
        metrics::counter!("casehug_misconfigured_total", "platform" => platform).increment(1);
        let mut db = self.database.worker().await?;
        let Connection { id, firm_id, .. } = *self.connection;
        connections::pause(&mut db, firm_id, id, "misconfigured", MISCONFIGURED_REST).await?;
        db.commit().await?;
        Ok(CallError::Later {
            wait: Duration::ZERO,
            reason: Waiting::Misconfigured,
        })
    }

    /// Tries until the tokens are stored: a platform that gives a new refresh token with each answer has ended the old one.
    async fn store(
        &self,
        old: &SealedTokens,
        granted: GrantedTokens,
    ) -> Result<SealedTokens, CallError> {
        let refresh = granted.refresh.as_ref();
        let refresh = refresh.map(|token| self.keys.seal(token, self.place("refresh_token")));
        let new = SealedTokens {
            access: self.keys.seal(&granted.access, self.place("access_token")),
            refresh: refresh.or_else(|| old.refresh.clone()),
            version: old.version + 1,
            expires_in: granted.expires_in,
            refused: false,
        };
        let began = Moment::now();
        loop {
            match self.set(old.version, &new).await {
                Ok(true) => break,
                // A reconnect came in between, or a commit whose answer was lost: what is stored is newer than the old tokens.
                Ok(false) => return self.read().await,
                Err(error) if began.elapsed() >= STORE_WITHIN => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(error = %error, connection.id = %self.connection.id, "granted tokens are not stored yet");
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            }
        }
        metrics::counter!("casehug_token_refreshes_total").increment(1);
        Ok(new)
    }

    async fn set(&self, version: i64, new: &SealedTokens) -> Result<bool, DbError> {
        let grant = Grant {
            access: &new.access,
            refresh: new.refresh.as_deref(),
            expires_in: new.expires_in,
        };
        let mut db = self.database.firm(self.connection.firm_id).await?;
        let stored = tokens::set(&mut db, self.connection.id, version, &grant).await?;
        db.commit().await?;
        Ok(stored)
    }

    async fn wait_for_other(&self, version: i64) -> Result<SealedTokens, CallError> {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_AGAIN).await;
            let now = self.read().await?;
            if now.version != version {
                return Ok(now);
            }
        }
        Err(CallError::Later {
            wait: Duration::from_secs(1),
            reason: Waiting::SignIn,
        })
    }

    pub(super) fn place<'a>(&self, column: &'a str) -> Place<'a> {
        Place {
            firm: self.connection.firm_id,
            connection: self.connection.id,
            column,
        }
    }
}
