//! A connection's access token: opened from its row, refreshed five minutes before it ends, by one worker at a time.

use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Mutex;

use super::{GrantedTokens, OAuthClient, OAuthError};
use crate::clock::Moment;
use crate::crypto::{KeyRing, Place};
use crate::db::{
    Database,
    tokens::{self, Grant, SealedTokens},
};
use crate::domain::{connection::Connection, outcome::Waiting};
use crate::providers::{CallError, ProviderError};

/// A token that ends within this is refreshed first (product documents: "5 minutes before expiration").
pub const REFRESH_BEFORE: Duration = Duration::from_mins(5);
/// A refresh that has not ended by then may be taken up by another worker.
const REFRESH_AT_MOST: Duration = Duration::from_secs(40);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 20;

#[derive(Clone)]
struct Opened {
    access: SecretString,
    version: i64,
    good_until: Option<Moment>,
}

/// The tokens of one execution.
#[derive(Debug)]
pub(in crate::providers) struct Tokens {
    database: Database,
    keys: KeyRing,
    oauth: OAuthClient,
    opened: Mutex<Option<Opened>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// `sealed`: the tokens as they lay in their row just now, where the caller has read them already.
    pub(in crate::providers) fn new(
        database: Database,
        keys: KeyRing,
        oauth: OAuthClient,
        connection: &Connection,
        sealed: Option<&SealedTokens>,
    ) -> Self {
        let mut tokens = Self {
            database,
            keys,
            oauth,
            opened: Mutex::new(None),
        };
        if let Some(sealed) = sealed {
            *tokens.opened.get_mut() = tokens.open(connection, sealed).ok();
        }
        tokens
    }

    /// A token that is good for now, and its version.
    pub(in crate::providers) async fn access(
        &self,
        connection: &Connection,
    ) -> Result<(SecretString, i64), CallError> {
        let mut opened = self.opened.lock().await;
        if let Some(token) = opened.as_ref().filter(|token| is_good(token)) {
            return Ok((token.access.clone(), token.version));
        }
        let sealed = self.read(connection).await?;
        let sealed = match sealed.expires_in {
            Some(left) if left < REFRESH_BEFORE => self.refresh(connection, sealed).await?,
            _ => sealed,
        };
        let token = self.open(connection, &sealed)?;
        *opened = Some(token.clone());
        Ok((token.access, token.version))
    }

    /// The provider refused this version: get another one, or say that only a person can.
    pub(in crate::providers) async fn replace(
        &self,
        connection: &Connection,
        refused_version: i64,
    ) -> Result<(), CallError> {
        let mut opened = self.opened.lock().await;
        *opened = None;
        let sealed = self.read(connection).await?;
        if sealed.version == refused_version {
            self.refresh(connection, sealed).await?;
        }
        Ok(())
    }

    /// The application's key, where the platform asks for one beside the token.
    pub(in crate::providers) fn api_key(&self) -> Option<&SecretString> {
        self.oauth.api_key()
    }

    async fn read(&self, connection: &Connection) -> Result<SealedTokens, CallError> {
        let mut db = self.database.firm(connection.firm_id).await?;
        tokens::find(&mut db, connection.id)
            .await?
            .ok_or(CallError::NeedsReconnect)
    }

    fn open(&self, connection: &Connection, sealed: &SealedTokens) -> Result<Opened, CallError> {
        let access =
            self.keys.open(&sealed.access, place(connection, "access_token")).map_err(|error| {
                tracing::error!(error = %error, connection.id = %connection.id, "a stored token does not open");
                CallError::NeedsReconnect
            })?;
        let good_until = sealed
            .expires_in
            .map(|left| Moment::now() + left.saturating_sub(REFRESH_BEFORE));
        Ok(Opened {
            access,
            version: sealed.version,
            good_until,
        })
    }

    /// Single flight: one execution gets the right to call, the others wait for its result. No transaction is open during the call.
    async fn refresh(
        &self,
        connection: &Connection,
        old: SealedTokens,
    ) -> Result<SealedTokens, CallError> {
        let mut db = self.database.firm(connection.firm_id).await?;
        let ours =
            tokens::begin_refresh(&mut db, connection.id, old.version, REFRESH_AT_MOST).await?;
        db.commit().await?;
        if !ours {
            return self.wait_for_other(connection, old).await;
        }
        let Some(sealed_refresh) = &old.refresh else {
            return Err(CallError::NeedsReconnect);
        };
        let refresh = self
            .keys
            .open(sealed_refresh, place(connection, "refresh_token"))
            .map_err(|_| CallError::NeedsReconnect)?;
        match self.call(&refresh).await {
            Ok(granted) => self.store(connection, &old, &granted).await,
            Err(error) => {
                let mut db = self.database.firm(connection.firm_id).await?;
                tokens::end_refresh(&mut db, connection.id, old.version).await?;
                db.commit().await?;
                self.fall_back(error, old)
            }
        }
    }

    /// A lost answer is tried once more with the old token: where tokens rotate, that is the last chance.
    async fn call(&self, refresh: &SecretString) -> Result<GrantedTokens, OAuthError> {
        match self.oauth.refresh(refresh).await {
            Err(OAuthError::Unavailable) => self.oauth.refresh(refresh).await,
            other => other,
        }
    }

    /// The refresh failed: a token that is still good is used as long as it lasts.
    fn fall_back(&self, error: OAuthError, old: SealedTokens) -> Result<SealedTokens, CallError> {
        match error {
            OAuthError::Refused => Err(CallError::NeedsReconnect),
            OAuthError::Misconfigured(_) | OAuthError::Unavailable => {
                tracing::warn!(error = %error, "a token could not be refreshed");
                if old.expires_in.is_some_and(|left| !left.is_zero()) {
                    Ok(old)
                } else {
                    Err(ProviderError::Unavailable {
                        status: None,
                        retry_after: None,
                    }
                    .into())
                }
            }
        }
    }

    async fn store(
        &self,
        connection: &Connection,
        old: &SealedTokens,
        granted: &GrantedTokens,
    ) -> Result<SealedTokens, CallError> {
        let access = self
            .keys
            .seal(&granted.access, place(connection, "access_token"));
        let refresh = granted
            .refresh
            .as_ref()
            .map(|t| self.keys.seal(t, place(connection, "refresh_token")));
        let grant = Grant {
            access: &access,
            refresh: refresh.as_deref(),
            expires_in: granted.expires_in,
        };
        let mut db = self.database.firm(connection.firm_id).await?;
        let stored = tokens::set(&mut db, connection.id, old.version, &grant).await?;
        db.commit().await?;
        if !stored {
            // A reconnect came in between: its tokens are newer than ours.
            return self.read(connection).await;
        }
        metrics::counter!("casehug_token_refreshes_total").increment(1);
        Ok(SealedTokens {
            access,
            refresh,
            version: old.version + 1,
            expires_in: granted.expires_in,
        })
    }

    async fn wait_for_other(
        &self,
        connection: &Connection,
        old: SealedTokens,
    ) -> Result<SealedTokens, CallError> {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_AGAIN).await;
            let now = self.read(connection).await?;
            if now.version != old.version {
                return Ok(now);
            }
        }
        Err(CallError::Later {
            wait: Duration::from_secs(1),
            reason: Waiting::Provider,
        })
    }
}

fn is_good(token: &Opened) -> bool {
    token
        .good_until
        .is_none_or(|until| !until.remaining().is_zero())
}

fn place<'a>(connection: &Connection, column: &'a str) -> Place<'a> {
    Place {
        firm: connection.firm_id,
        connection: connection.id,
        column,
    }
}
