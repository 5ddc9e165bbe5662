//! The access token of one execution: opened from its row, and refreshed before it ends or after the platform refused it.

use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Mutex;

use super::refresh::{REFRESH_BEFORE, Refresher, Standing};
use crate::clock::Moment;
use crate::db::authorisation::{self, REFUSALS, Used};
use crate::db::tokens::SealedTokens;
use crate::domain::connection::Lost;
use crate::providers::{CallError, ProviderError};

/// A token that is being refreshed beside the work is looked up again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// A job whose only purpose is the refresh waits this long for it: its connection may run no other beside it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between a refusal of a token that was just given out and the next question.
const PAUSES: [Duration; REFUSALS as usize - 1] = [
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(3),
];

#[derive(Clone)]
struct Opened {
    access: SecretString,
    version: i64,
    good_until: Option<Moment>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What became of a token that the platform refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) enum Replaced {
    ByAnother,
    /// The platform gives no refresh tokens: there is no other.
    Not,
}

/// The tokens of one execution.
#[derive(Debug)]
pub(in crate::providers) struct Tokens {
    refresher: Refresher,
    opened: Mutex<Option<Opened>>,
}

impl Tokens {
    /// `sealed`: the tokens as they lay in their row just now, where the caller has read them already.
    pub(in crate::providers) fn new(refresher: Refresher, sealed: Option<&SealedTokens>) -> Self {
        let fresh = sealed.filter(|sealed| refresher.standing(sealed) == Standing::Fresh);
        // One that does not open is met again by the first call, which says so.
        let opened = fresh.and_then(|sealed| open(&refresher, sealed).ok());
        Self {
            refresher,
            opened: Mutex::new(opened),
        }
    }

    /// A token that is good for now, and its version.
    pub(in crate::providers) async fn access(&self) -> Result<(SecretString, i64), CallError> {
        let mut opened = self.opened.lock().await;
        if let Some(token) = opened.as_ref().filter(|token| is_good(token)) {
            return Ok((token.access.clone(), token.version));
        }
        let sealed = self.refresher.read().await?;
        let sealed = match self.refresher.standing(&sealed) {
            Standing::Fresh => sealed,
            Standing::EndsSoon => {
                self.refresher.refresh_beside(sealed.clone()).await?;
                sealed
            }
            Standing::Ended => self.refresher.refresh(sealed).await?,
        };
        let token = match open(&self.refresher, &sealed) {
            Ok(token) => token,
            Err(error) => return Err(self.refresher.misconfigured(&error.to_string()).await?),
        };
        *opened = Some(token.clone());
        Ok((token.access, token.version))
    }

    /// Makes sure that the token is good for more than the next minutes.
    pub(in crate::providers) async fn renew(&self) -> Result<(), CallError> {
        let sealed = self.refresher.read().await?;
        let beside = match self.refresher.standing(&sealed) {
            Standing::Fresh => return Ok(()),
            Standing::EndsSoon => self.refresher.refresh_beside(sealed).await?,
            Standing::Ended => return self.refresher.refresh(sealed).await.map(|_| ()),
        };
        let Some(beside) = beside else {
            return Ok(());
        };
        match tokio::time::timeout(PATIENCE, beside).await {
            Ok(Ok(refreshed)) => refreshed.map(|_| ()),
            // It goes on; this job looks again later.
            Ok(Err(_)) | Err(_) => Err(ProviderError::SignIn {
                status: None,
                retry_after: None,
            }
            .into()),
        }
    }

    /// The platform refused this version, which is never used again: gets another one.
    pub(in crate::providers) async fn replace(&self, version: i64) -> Result<Replaced, CallError> {
        *self.opened.lock().await = None;
        let refresher = &self.refresher;
        if !refresher.oauth.gives_refresh_tokens() {
            return Ok(Replaced::Not);
        }
        let mut db = refresher.database.worker().await?;
        authorisation::refuse_token(&mut db, Used::of(&refresher.connection, version)).await?;
        db.commit().await?;
        let sealed = refresher.read().await?;
        if sealed.version == version {
            refresher.refresh(sealed).await?;
        }
        Ok(Replaced::ByAnother)
    }

    /// The platform refuses a token that it has just given out, for every call. It is asked again after growing pauses before
    /// a person is: the trouble may be the platform's own.
    pub(in crate::providers) async fn refused(&self, version: i64) -> Result<CallError, CallError> {
        let refresher = &self.refresher;
        let used = Used::of(&refresher.connection, version);
        let mut db = refresher.database.worker().await?;
        if refresher.oauth.gives_refresh_tokens() {
            authorisation::refuse_token(&mut db, used).await?;
        }
        let refusals = authorisation::count_refusal(&mut db, used).await?;
        db.commit().await?;
        let refusals = refusals.and_then(|refusals| usize::try_from(refusals).ok());
        match refusals.map(|refusals| PAUSES.get(refusals.saturating_sub(1))) {
            Some(None) => refresher.park(version, Lost::Refusals).await,
            pause => Ok(ProviderError::SignIn {
                status: Some(401),
                retry_after: pause.flatten().copied(),
            }
            .into()),
        }
    }

    /// The application's key, where the platform asks for one beside the token.
    pub(in crate::providers) fn api_key(&self) -> Option<&SecretString> {
        self.refresher.oauth.api_key()
    }
}

fn open(refresher: &Refresher, sealed: &SealedTokens) -> Result<Opened, crate::crypto::OpenError> {
    let access = refresher
        .keys
        .open(&sealed.access, refresher.place("access_token"))?;
    let left = sealed
        .expires_in
        .map(|left| match left.checked_sub(REFRESH_BEFORE) {
            Some(fresh) => fresh,
            None => LOOK_AGAIN.min(left / 2),
        });
    Ok(Opened {
        access,
        version: sealed.version,
        good_until: left.map(|left| Moment::now() + left),
    })
}

fn is_good(token: &Opened) -> bool {
    token
        .good_until
        .is_none_or(|until| !until.remaining().is_zero())
}
