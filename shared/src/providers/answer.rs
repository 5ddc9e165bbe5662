//! What goes over the wire and what comes back, below the session: a body with a deadline, an answer read up to a limit,
//! and both of Clio's error shapes.

use bytes::Bytes;
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Moment;
use crate::providers::{CallError, ProviderError};

/// No answer of a provider that we need is longer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: header::HeaderMap,
    pub(super) body: Bytes,
}

pub(super) async fn read(mut answer: reqwest::Response) -> Result<Answer, CallError> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            let too_long = ProviderError::Unavailable {
                status: Some(status.as_u16()),
                retry_after: None,
            };
            return Err(too_long.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        headers,
        body: body.into(),
    })
}

/// A body that leaves in one piece before its deadline or not at all: a process that was frozen between permit and send
/// must not send. Without its body a request is incomplete, and a server does nothing with it.
pub(super) fn deadline_body(
    bytes: Bytes,
    send_until: Moment,
) -> (reqwest::Body, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    use std::sync::atomic::{AtomicBool, Ordering};
    let refused = std::sync::Arc::new(AtomicBool::new(false));
    let seen = refused.clone();
    let stream = futures::stream::once(async move {
        if send_until.remaining().is_zero() {
            seen.store(true, Ordering::Release);
            return Err(std::io::Error::other("the send deadline has passed"));
        }
        Ok(bytes)
    });
    (reqwest::Body::wrap_stream(stream), refused)
}

/// No answer came. A connection that was never made carried nothing.
pub(super) fn unanswered(error: &reqwest::Error) -> CallError {
    if error.is_connect() {
        ProviderError::Unreachable.into()
    } else {
        ProviderError::Unavailable {
            status: None,
            retry_after: None,
        }
        .into()
    }
}

/// True when a failed creation certainly left nothing behind.
pub(super) fn proves_no_effect(error: &CallError) -> bool {
    match error {
        CallError::Provider(error) => error.proves_no_effect(),
        // Refused by our own deadline, before anything was sent.
        CallError::Stopped(_) => true,
        CallError::Later { .. }
        | CallError::NeedsReconnect
        | CallError::Database(_)
        | CallError::Decided(_) => false,
    }
}

pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ErrorBody {
    error: Value,
    error_description: Option<String>,
}

impl ErrorBody {
    /// The error's type and words.
    pub(super) fn read(self) -> (Option<String>, String) {
        let kind = self
            .error
            .get("type")
            .or(Some(&self.error))
            .and_then(Value::as_str);
        let message = self.error.get("message").and_then(Value::as_str);
        let words = message
            .map(str::to_owned)
            .or(self.error_description)
            .unwrap_or_default();
        (kind.map(|kind| kind.chars().take(60).collect()), words)
    }
}
