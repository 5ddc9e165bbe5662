//! The HTTP shell: one job's calls to its provider. It owns the permit, the token, the deadlines, the limit's headers,
//! the classification of answers, and the record of calls. A provider's file is then a list of short methods.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Moment};
use crate::crypto::{KeyRing, Place};
use crate::db::{links, tokens::SealedTokens};
use crate::domain::{
    LinkId,
    link::Settled,
    outcome::{CallRecord, Waiting},
};
use crate::limit::{self, RateHeaders, clamp_retry_after, retry_after};
use crate::providers::answer::{
    Answer, ErrorBody, deadline_body, method_name, proves_no_effect, read, unanswered,
};
use crate::providers::{
    Call, CallError, Http, OAuthClient, ProviderError, redact::redact, tokens::Tokens,
};
use crate::queue::{Gate, Granted, Permit, StopReason};

const READ_TIMEOUT: Duration = Duration::from_secs(30);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a session is made of.
#[derive(Debug)]
pub struct SessionSettings {
    pub http: Http,
    pub gate: Gate,
    pub keys: KeyRing,
    pub oauth: OAuthClient,
    /// As they lay in the connection's row when it was read; nothing where it has none.
    pub tokens: Option<SealedTokens>,
    /// Ends with the worker's lease, or with its patience at shutdown.
    pub cancel: CancellationToken,
}

/// One execution's way to its provider.
#[derive(Debug)]
pub struct Session {
    pub(super) http: Http,
    gate: Gate,
    keys: KeyRing,
    tokens: Tokens,
    pub(super) cancel: CancellationToken,
    calls: Mutex<Vec<CallRecord>>,
}

impl Session {
    /// A session without calls yet.
    #[must_use]
    pub fn new(settings: SessionSettings) -> Self {
        let tokens = Tokens::new(
            settings.gate.database().clone(),
            settings.keys.clone(),
            settings.oauth,
            settings.gate.connection(),
            settings.tokens.as_ref(),
        );
        Self {
            tokens,
            http: settings.http,
            gate: settings.gate,
            keys: settings.keys,
            cancel: settings.cancel,
            calls: Mutex::default(),
        }
    }

    /// The gate that this session's calls pass.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The calls made so far, for the history.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.calls
            .lock()
            .map(|calls| calls.clone())
            .unwrap_or_default()
    }

    /// Makes a call and reads its answer.
    ///
    /// # Errors
    /// See [`CallError`]. A refused token is replaced once, and the call made again.
    pub async fn call<T: for<'de> Deserialize<'de>>(&self, call: Call) -> Result<T, CallError> {
        match self.call_once(&call).await {
            Err((CallError::Provider(ProviderError::Unauthorized), version)) => {
                self.tokens.replace(self.gate.connection(), version).await?;
                self.call_once(&call).await.map_err(|(error, _)| error)
            }
            other => other.map_err(|(error, _)| error),
        }
    }

    async fn call_once<T: for<'de> Deserialize<'de>>(
        &self,
        call: &Call,
    ) -> Result<T, (CallError, i64)> {
        let (token, version) = self
            .tokens
            .access(self.gate.connection())
            .await
            .map_err(|error| (error, 0))?;
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(CallError::Stopped(StopReason::LeaseLost)),
            result = self.permitted(call, &token) => result,
        };
        let body = result.map_err(|error| (error, version))?;
        serde_json::from_slice(&body).map_err(|_| {
            let unreadable = ProviderError::Unavailable {
                status: None,
                retry_after: None,
            };
            (unreadable.into(), version)
        })
    }

    async fn permitted(&self, call: &Call, token: &SecretString) -> Result<Bytes, CallError> {
        let permit = self.gate.ask(call.ask()).await?;
        let granted = self.granted(permit).await?;
        let permit = self.gate.wait(&granted).await?;
        if let Err(withdrawn) = self.granted(permit).await {
            self.forget(call).await?;
            return Err(withdrawn);
        }
        let answer = self.send(call, token, &granted).await;
        let took = granted.due.elapsed();
        let result = match answer {
            Ok(answer) => self.heed(call, &answer, &granted).await,
            Err(error) => Err(error),
        };
        self.gate.note_answered(&granted, &call.method, took).await;
        if result.as_ref().is_err_and(proves_no_effect) {
            self.forget(call).await?;
        }
        result
    }

    async fn granted(&self, permit: Permit) -> Result<Granted, CallError> {
        match permit {
            Permit::Go(granted) => Ok(granted),
            Permit::At { wait } => Err(self.later(wait).await?),
            Permit::Stop(reason) => Err(CallError::Stopped(reason)),
        }
    }

    /// What the call was to create has not come into being, and nobody needs to look for it.
    async fn forget(&self, call: &Call) -> Result<(), CallError> {
        if let Some(link) = call.creates {
            let mut db = self.gate.database().worker().await?;
            links::found_nothing(&mut db, link, self.gate.job()).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// The bucket is used up: whoever shares it rests until then, so that nobody asks in vain.
    async fn later(&self, wait: Duration) -> Result<CallError, CallError> {
        let mut db = self.gate.database().worker().await?;
        limit::rest(&mut db, self.gate.bucket(), wait).await?;
        db.commit().await?;
        Ok(CallError::Later {
            wait,
            reason: Waiting::Limited,
        })
    }

    async fn send(
        &self,
        call: &Call,
        token: &SecretString,
        granted: &Granted,
    ) -> Result<Answer, CallError> {
        let started = Moment::now();
        let answer = self.request(call, token, granted.send_until).await;
        let (status, request_id) = match &answer {
            Ok(Answer {
                status, headers, ..
            }) => {
                let id = headers.get("x-request-id").and_then(|v| v.to_str().ok());
                (
                    Some(status.as_u16()),
                    id.map(|id| id.chars().take(64).collect()),
                )
            }
            Err(_) => (None, None),
        };
        self.record(call, started, status, request_id);
        answer
    }

    async fn heed(
        &self,
        call: &Call,
        answer: &Answer,
        granted: &Granted,
    ) -> Result<Bytes, CallError> {
        self.heed_limits(answer, granted).await?;
        if answer.status.is_success() {
            Ok(answer.body.clone())
        } else {
            Err(self.refusal(call, answer).into())
        }
    }

    async fn request(
        &self,
        call: &Call,
        token: &SecretString,
        send_until: Moment,
    ) -> Result<Answer, CallError> {
        let base = self.http.hosts.base(self.gate.connection().region);
        let request = self
            .http
            .api
            .request(call.method.clone(), format!("{base}/api/v4{}", call.path))
            .query(&call.query)
            .bearer_auth(token.expose_secret())
            .header(header::ACCEPT, "application/json");
        let (request, refused) = match &call.body {
            Some(body) => {
                let bytes = Bytes::from(body.to_string());
                let (body, refused) = deadline_body(bytes.clone(), send_until);
                let request = request
                    .timeout(WRITE_TIMEOUT)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::CONTENT_LENGTH, bytes.len())
                    .body(body);
                (request, Some(refused))
            }
            None => (request.timeout(READ_TIMEOUT), None),
        };
        let sent = request.send().await;
        if refused.is_some_and(|refused| refused.load(std::sync::atomic::Ordering::Acquire)) {
            return Err(CallError::Stopped(StopReason::LeaseLost));
        }
        let answer = sent.map_err(|error| unanswered(&error))?;
        read(answer).await
    }

    /// What the answer says of the limit corrects the bucket; a 429 pauses it for every worker at once.
    async fn heed_limits(&self, answer: &Answer, granted: &Granted) -> Result<(), CallError> {
        let now = clock::wall_now();
        let said = RateHeaders::read(&answer.headers, now);
        let bucket = self.gate.bucket();
        let pause = if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let wait = retry_after(&answer.headers, now).or(said.reset_in);
            Some(clamp_retry_after(wait.unwrap_or(bucket.budget.window)))
        } else {
            None
        };
        let used_up = said
            .reset_in
            .filter(|_| said.remaining == Some(0))
            .zip(granted.sent_at);
        let allowed = self.gate.allowed_calls();
        let corrected = said.limit.filter(|limit| *limit != allowed);
        if pause.is_none() && used_up.is_none() && corrected.is_none() {
            return Ok(());
        }
        let mut db = self.gate.database().worker().await?;
        if let Some(limit) = corrected {
            limit::correct(&mut db, bucket, limit).await?;
        }
        if let Some(pause) = pause {
            limit::pause(&mut db, bucket, pause).await?;
        } else if let Some((reset_in, sent_at)) = used_up {
            limit::used_up(&mut db, bucket, sent_at, reset_in).await?;
        }
        db.commit().await?;
        Ok(())
    }

    /// Both of Clio's error shapes, and bodies that are neither (providers/clio.md §6).
    fn refusal(&self, call: &Call, answer: &Answer) -> ProviderError {
        let now = clock::wall_now();
        let words: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        match ProviderError::of_status(answer.status.as_u16()) {
            ProviderError::RateLimited { .. } => ProviderError::RateLimited {
                retry_after: retry_after(&answer.headers, now),
            },
            ProviderError::Unavailable { status, .. } => ProviderError::Unavailable {
                status,
                retry_after: retry_after(&answer.headers, now),
            },
            ProviderError::Invalid { status, .. } => {
                let (kind, message) = words.read();
                ProviderError::Invalid {
                    status,
                    kind,
                    detail: redact(&message, call.body.as_ref()),
                    sealed: self.seal(message),
                }
            }
            other => other,
        }
    }

    /// The provider's full words, for the firm's admins alone.
    fn seal(&self, words: String) -> Option<String> {
        let connection = self.gate.connection();
        let place = Place {
            firm: connection.firm_id,
            connection: connection.id,
            column: "provider_words",
        };
        (!words.is_empty()).then(|| self.keys.seal(&words.into(), place))
    }

    pub(super) fn record(
        &self,
        call: &Call,
        started: Moment,
        status: Option<u16>,
        request_id: Option<String>,
    ) {
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let platform = self.gate.connection().platform;
        let outcome = status.map_or("none".to_owned(), |status| status.to_string());
        metrics::counter!("casehug_provider_calls_total", "platform" => platform.as_str(), "status" => outcome)
            .increment(1);
        metrics::histogram!("casehug_provider_call_seconds", "platform" => platform.as_str())
            .record(started.elapsed().as_secs_f64());
        tracing::info!(
            job.id = %self.gate.job().id, call.method = %call.method, call.path = call.template, call.status = status,
            duration_ms = ms, "called {platform}"
        );
        let record = CallRecord {
            method: method_name(&call.method),
            path: call.template,
            status,
            ms,
            request_id,
        };
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(record);
        }
    }

    /// Makes sure that there is a token that is good for more than the next minutes; calls nobody when there is.
    ///
    /// # Errors
    /// The authorisation is gone, or the provider does not answer and the token has ended.
    pub async fn authorise(&self) -> Result<(), CallError> {
        self.tokens.access(self.gate.connection()).await?;
        Ok(())
    }

    /// Writes how a creation ended, under this job's fence.
    ///
    /// # Errors
    /// The lease is gone: whoever has it now will find the record by looking.
    pub async fn settle(&self, link: LinkId, settled: Settled<'_>) -> Result<(), CallError> {
        let held = links::settle(self.gate.database(), link, self.gate.job(), settled).await?;
        if held {
            Ok(())
        } else {
            Err(CallError::Stopped(StopReason::LeaseLost))
        }
    }
}
