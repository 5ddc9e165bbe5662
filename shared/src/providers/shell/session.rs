//! One execution's way to its provider. It owns the permit, the token, the deadlines, and the record of calls. A provider's file
//! is then a list of short methods.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::request::{self, Proof};
use super::response::{Reply, Response, method_name, parse};
use super::shown::shown;
use super::{Body, Call, CallError, Http, ProviderError, Words, classify};
use crate::clock::{self, Moment};
use crate::crypto::{KeyRing, Place};
use crate::db::{authorisation, links, tokens::SealedTokens};
use crate::domain::{
    LinkId,
    digest::Digests,
    link::Completed,
    outcome::{CallRecord, Waiting},
};
use crate::limit::{self, AskedWait, RateHeaders};
use crate::providers::oauth::{OAuthClient, Refresher, Tokens};
use crate::queue::{Gate, Granted, Permit, StopReason};

/// What a session is made of.
#[derive(Debug)]
pub struct SessionSettings {
    pub http: Http,
    pub gate: Gate,
    pub keys: KeyRing,
    pub digests: Digests,
    pub oauth: OAuthClient,
    /// As they lay in the connection's row when it was read; nothing where it has none.
    pub tokens: Option<SealedTokens>,
    /// Ends with the worker's lease, or with its patience at shutdown.
    pub cancel: CancellationToken,
    /// What goes on beside the job and is waited for at the worker's end.
    pub background: TaskTracker,
}

/// Longer ids of requests are none.
const LONGEST_ID: usize = 64;

/// One execution's way to its provider.
#[derive(Debug)]
pub struct Session {
    pub(super) http: Http,
    pub(super) gate: Gate,
    pub(super) cancel: CancellationToken,
    keys: KeyRing,
    digests: Digests,
    pub(super) tokens: Tokens,
    healed: AtomicBool,
    calls: Mutex<Vec<CallRecord>>,
}

impl Session {
    /// A session without calls yet.
    #[must_use]
    pub fn new(settings: SessionSettings) -> Self {
        let refresher = Refresher {
            database: settings.gate.database().clone(),
            keys: settings.keys.clone(),
            oauth: settings.oauth,
            connection: settings.gate.shared_connection(),
            names: settings.http.profile.names(),
            background: settings.background,
        };
        Self {
            tokens: Tokens::new(refresher, settings.tokens.as_ref()),
            healed: AtomicBool::new(false),
            http: settings.http,
            gate: settings.gate,
            keys: settings.keys,
            digests: settings.digests,
            cancel: settings.cancel,
            calls: Mutex::default(),
        }
    }

    /// The gate that this session's calls pass.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How what was sent is compared with what is found.
    #[must_use]
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The calls made so far, for the history.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.calls
            .lock()
            .map(|calls| calls.clone())
            .unwrap_or_default()
    }

    /// Makes a call and reads its answer's JSON.
    ///
    /// # Errors
    /// See [`CallError`]. A refused token is replaced once, and the call made again.
    pub async fn call<T: for<'de> Deserialize<'de>>(&self, call: Call) -> Result<T, CallError> {
        let (_, body) = self.answer(&call).await?;
        parse(&body)
    }

    /// Makes a call whose answer says nothing but that it was carried out (201, 202, 204 without a body).
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn call_empty(&self, call: Call) -> Result<(), CallError> {
        self.answer(&call).await?;
        Ok(())
    }

    /// Makes a call and reads its answer's JSON and headers.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn call_with_headers<T: for<'de> Deserialize<'de>>(
        &self,
        call: Call,
    ) -> Result<Reply<T>, CallError> {
        let (headers, body) = self.answer(&call).await?;
        let body = parse(&body)?;
        Ok(Reply { body, headers })
    }

    /// With an error comes the version of the token that was used.
    pub(super) async fn answer_once(
        &self,
        call: &Call,
    ) -> Result<(HeaderMap, Bytes), (CallError, i64)> {
        let token = self.tokens.access().await;
        let (token, version) = token.map_err(|error| (error, 0))?;
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(CallError::Stopped(StopReason::LeaseLost)),
            result = self.permitted(call, &token) => result,
        };
        let response = result.map_err(|error| (error, version))?;
        Ok((response.headers, response.body))
    }

    async fn permitted(&self, call: &Call, token: &SecretString) -> Result<Response, CallError> {
        let sent = call.creates.as_ref().map(|creation| &creation.sent);
        let permit = self.gate.ask(call.ask(), sent).await?;
        let granted = self.granted(permit).await?;
        let permit = self.gate.wait(&granted).await?;
        if let Err(withdrawn) = self.granted(permit).await {
            self.forget(call).await?;
            return Err(withdrawn);
        }
        let answer = self.send(call, token, &granted).await;
        let took = granted.due.elapsed();
        let result = match answer {
            Ok(response) => self.check_status(call, response, &granted).await,
            Err(error) => Err(error),
        };
        self.gate.note_answered(&granted, &call.method, took).await;
        if result.as_ref().is_err_and(CallError::proves_no_effect) {
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

    /// The record that the call was to create did not exist when the provider was asked: no look is needed.
    async fn forget(&self, call: &Call) -> Result<(), CallError> {
        if let Some(creation) = &call.creates {
            let mut db = self.gate.database().worker().await?;
            links::not_sent(&mut db, creation.link, self.gate.job()).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// The bucket is used up: everything that shares it rests until then, so that nothing asks in vain.
    async fn later(&self, wait: std::time::Duration) -> Result<CallError, CallError> {
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
    ) -> Result<Response, CallError> {
        let started = Moment::now();
        let region = self.gate.connection().region;
        let proof = Proof {
            token,
            key: self.tokens.api_key(),
        };
        let answer = request::send(&self.http, region, call, proof, granted.send_until).await;
        let (status, request_id) = match &answer {
            Ok(response) => (Some(response.status.as_u16()), self.request_id(response)),
            Err(_) => (None, None),
        };
        self.record(call, started, status, request_id);
        answer
    }

    fn request_id(&self, response: &Response) -> Option<String> {
        let id = response.headers.get(self.http.profile.dialect.request_id)?;
        let id = id.to_str().ok()?;
        // Anything could stand there: an id is kept, and nothing else.
        let is_id = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (is_id && (1..=LONGEST_ID).contains(&id.len())).then(|| id.to_owned())
    }

    async fn check_status(
        &self,
        call: &Call,
        response: Response,
        granted: &Granted,
    ) -> Result<Response, CallError> {
        let now = clock::wall_now();
        let names = self.http.profile.dialect.limit_headers.as_ref();
        let said = RateHeaders::read(&response.headers, names, now);
        let asked = AskedWait::read(&response.headers, &said, now);
        self.apply_limit_headers(&response, &said, &asked, granted)
            .await?;
        if response.status.is_success() {
            self.heal().await?;
            return Ok(response);
        }
        let words = |message, kind: Option<&str>| self.words(message, kind, json_of(&call.body));
        let window = self.gate.bucket().budget.window;
        let error = classify(self.http.profile, &response, &asked, window, words);
        if error == ProviderError::Retired {
            let platform = self.gate.connection().platform.as_str();
            tracing::error!(
                platform,
                call.path = call.template,
                "the platform has retired this version of its API: jobs wait"
            );
            metrics::counter!("casehug_misconfigured_total", "platform" => platform).increment(1);
        }
        Err(error.into())
    }

    /// An answer is the proof that the sign-in stands: what the platform refused before has passed.
    async fn heal(&self) -> Result<(), CallError> {
        let connection = self.gate.connection();
        if !connection.is_doubted() || self.healed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mut db = self.gate.database().worker().await?;
        authorisation::heal(&mut db, connection).await?;
        db.commit().await?;
        Ok(())
    }

    /// A provider's words, prepared for people. `sent` is what CaseHug sent.
    #[must_use]
    pub fn words(&self, message: String, kind: Option<&str>, sent: Option<&Value>) -> Words {
        Words {
            detail: shown(kind, &message, sent),
            sealed: self.seal(message),
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

    /// Writes how a creation ended, under this job's fence.
    ///
    /// # Errors
    /// The lease is gone: the worker that has it now finds the record by looking.
    pub async fn complete(&self, link: LinkId, completed: Completed<'_>) -> Result<(), CallError> {
        let held = links::complete(self.gate.database(), link, self.gate.job(), completed).await?;
        if held {
            Ok(())
        } else {
            Err(CallError::Stopped(StopReason::LeaseLost))
        }
    }
}

fn json_of(body: &Body) -> Option<&Value> {
    match body {
        Body::Json(value) => Some(value),
        Body::Empty | Body::Form(_) => None,
    }
}
