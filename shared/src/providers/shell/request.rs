//! From a call to what goes over the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, header};
use secrecy::{ExposeSecret, SecretString};

use super::response::{Response, read, unanswered};
use super::{Body, Call, CallError, Http};
use crate::clock::Moment;
use crate::domain::Region;
use crate::providers::profile::TokenStyle;
use crate::queue::StopReason;

const READ_TIMEOUT: Duration = Duration::from_secs(30);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a call proves itself with.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    pub(super) token: &'a SecretString,
    /// The application's key, where the platform's dialect asks for one.
    pub(super) key: Option<&'a SecretString>,
}

/// Sends a call and reads its answer. The bytes of a write leave before `send_until`, or never.
pub(super) async fn send(
    http: &Http,
    region: Region,
    call: &Call,
    proof: Proof<'_>,
    send_until: Moment,
) -> Result<Response, CallError> {
    let address = format!("{}{}", http.api_base(region), call.path);
    let dialect = &http.profile.dialect;
    let mut request = http
        .api
        .request(call.method.clone(), address)
        .query(&call.query)
        .header(header::ACCEPT, "application/json");
    for (name, value) in dialect.headers {
        request = request.header(*name, *value);
    }
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    request = prove(request, dialect.token, proof);
    let (request, refused) = with_body(request, call, send_until);
    let sent = request.send().await;
    if refused.is_some_and(|refused| refused.load(Ordering::Acquire)) {
        return Err(CallError::Stopped(StopReason::LeaseLost));
    }
    let answer = sent.map_err(|error| unanswered(&error))?;
    read(answer).await
}

fn prove(request: RequestBuilder, style: TokenStyle, proof: Proof<'_>) -> RequestBuilder {
    let request = request.bearer_auth(proof.token.expose_secret());
    match (style, proof.key) {
        (TokenStyle::Bearer, _) | (TokenStyle::BearerAndKey(_), None) => request,
        (TokenStyle::BearerAndKey(name), Some(key)) => request.header(name, key.expose_secret()),
    }
}

/// A write without a body has nothing to hold back: it is refused here once its deadline has passed.
fn with_body(
    request: RequestBuilder,
    call: &Call,
    send_until: Moment,
) -> (RequestBuilder, Option<Arc<AtomicBool>>) {
    let (content_type, bytes) = match &call.body {
        Body::Empty if call.method == reqwest::Method::GET => {
            return (request.timeout(READ_TIMEOUT), None);
        }
        Body::Empty => (None, Bytes::new()),
        Body::Json(body) => (Some("application/json"), Bytes::from(body.to_string())),
        Body::Form(fields) => (
            Some("application/x-www-form-urlencoded"),
            form(fields).into(),
        ),
    };
    let length = bytes.len();
    let (body, refused) = deadline_body(bytes, send_until);
    let mut request = request
        .timeout(WRITE_TIMEOUT)
        .header(header::CONTENT_LENGTH, length)
        .body(body);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    (request, Some(refused))
}

fn form(fields: &[(&'static str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A body that leaves in one piece before its deadline or not at all: a process that was frozen between permit and send
/// must not send. Without its body a request is incomplete, and a server does nothing with it.
fn deadline_body(bytes: Bytes, send_until: Moment) -> (reqwest::Body, Arc<AtomicBool>) {
    let refused = Arc::new(AtomicBool::new(false));
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
