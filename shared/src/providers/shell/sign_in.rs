//! A call's way through the sign-in: a refused token is replaced once, and a refusal that stays is asked about before anybody else is.

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::{Call, CallError, ProviderError, Session};
use crate::providers::oauth::Replaced;

impl Session {
    /// Makes a call. A 401 is answered with another token; a second one with the question whose the token is.
    pub(super) async fn answer(&self, call: &Call) -> Result<(HeaderMap, Bytes), CallError> {
        let first = self.answer_once(call).await;
        let Some(version) = refused_version(&first) else {
            return first.map_err(|(error, _)| error);
        };
        if self.tokens.replace(version).await? == Replaced::Not {
            return Err(self.ask_whose().await);
        }
        let second = self.answer_once(call).await;
        if refused_version(&second).is_none() {
            return second.map_err(|(error, _)| error);
        }
        Err(self.ask_whose().await)
    }

    /// Makes sure that there is a token that is good for more than the next minutes; calls the platform only when there is none, or when
    /// it has refused good ones.
    ///
    /// # Errors
    /// The authorisation is gone, or the platform's sign-in does not answer.
    pub async fn authorise(&self) -> Result<(), CallError> {
        self.tokens.renew().await?;
        if self.gate.connection().is_doubted() {
            self.answer(&self.who_am_i()).await?;
        }
        Ok(())
    }

    /// A token that was just given out was refused: is it the token that is refused, or this call?
    async fn ask_whose(&self) -> CallError {
        let answer = self.answer_once(&self.who_am_i()).await;
        if let Some(version) = refused_version(&answer) {
            let refused = self.tokens.refused(version).await;
            return refused.unwrap_or_else(|error| error);
        }
        match answer {
            // The sign-in stands. What was refused may be asked again.
            Ok(_) => ProviderError::Unavailable {
                status: Some(401),
                retry_after: None,
            }
            .into(),
            Err((error, _)) => error,
        }
    }

    fn who_am_i(&self) -> Call {
        let (path, query) = self.http.profile.dialect.who_am_i;
        let call = Call::get(path, path);
        query
            .iter()
            .fold(call, |call, (name, value)| call.with(name, *value))
    }
}

/// The version of the token that the platform refused.
fn refused_version<T>(answer: &Result<T, (CallError, i64)>) -> Option<i64> {
    match answer {
        Err((CallError::Provider(ProviderError::Unauthorized), version)) => Some(*version),
        _ => None,
    }
}
