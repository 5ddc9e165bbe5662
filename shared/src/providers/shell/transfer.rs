//! Signed transfers: a file's bytes to the address that a provider signed for them. No token, no budget, no send deadline;
//! a transfer ends with the lease.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use super::{Call, CallError, ProviderError, Session, Words};
use crate::clock::Moment;
use crate::domain::outcome::Waiting;
use crate::queue::{Ask, Permit, StopReason};

/// Headers that a provider may ask us to send; they are part of its signature.
const KNOWN_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "content-md5",
    "cache-control",
];
const KNOWN_PREFIX: &str = "x-amz-";

/// A signed address and the headers that go with it.
#[derive(Clone)]
pub struct Target {
    pub url: String,
    pub headers: Vec<(String, String)>,
}

/// The address is a secret: it gives the right to write.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

/// Why bytes did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The signature is refused or has expired: ask for a fresh address.
    #[error("the signed address was refused")]
    Expired,
    /// Anything else.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Session {
    /// Streams `length` bytes to a signed address. Repeating it is harmless.
    ///
    /// # Errors
    /// See [`TransferError`]; an address outside the platform's storage is refused as the provider's bad answer.
    pub async fn transfer(
        &self,
        target: &Target,
        bytes: BoxStream<'static, std::io::Result<Bytes>>,
        length: u64,
        limit: Duration,
    ) -> Result<(), TransferError> {
        self.may_go_on().await?;
        let rules = self.http.profile.transfers.as_ref();
        let suffixes = rules.map_or(&[][..], |rules| rules.host_suffixes);
        let url =
            check(&target.url, suffixes, self.http.allow_test_providers).ok_or_else(refused)?;
        let progress = Progress::begin();
        let moved = progress.clone();
        let bytes = bytes.inspect(move |_| moved.note());
        let mut request = self
            .http
            .storage
            .put(url)
            .timeout(limit)
            .body(reqwest::Body::wrap_stream(bytes));
        for (name, value) in &target.headers {
            let (name, value) = header(name, value).ok_or_else(refused)?;
            if name != CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        // With an explicit length the body goes out unchunked: storage refuses chunks.
        let request = request.header(CONTENT_LENGTH, length);
        let started = Moment::now();
        let sent = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(CallError::Stopped(StopReason::LeaseLost).into()),
            sent = request.send() => Some(sent),
            () = progress.stops() => None,
        };
        let status = sent.as_ref().and_then(|sent| sent.as_ref().ok());
        let status = status.map(reqwest::Response::status);
        let call = Call {
            method: Method::PUT,
            ..Call::get("(signed transfer)", "")
        };
        self.record(&call, started, status.map(|status| status.as_u16()), None);
        match status {
            Some(status) if status.is_success() => Ok(()),
            Some(StatusCode::FORBIDDEN | StatusCode::GONE | StatusCode::NOT_FOUND) => {
                Err(TransferError::Expired)
            }
            status => Err(CallError::from(ProviderError::Storage {
                status: status.map(|status| status.as_u16()),
            })
            .into()),
        }
    }

    /// Asked before each part: a job that was cancelled or paused, or whose connection changed, sends no more.
    async fn may_go_on(&self) -> Result<(), CallError> {
        match self.gate.ask(Ask::Authorise, None).await? {
            Permit::Go(_) => Ok(()),
            Permit::At { wait } => Err(CallError::Later {
                wait,
                reason: Waiting::Limited,
            }),
            Permit::Stop(reason) => Err(CallError::Stopped(reason)),
        }
    }
}

/// A storage that takes no byte and gives no answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a transfer last moved.
#[derive(Debug, Clone)]
struct Progress(Arc<Mutex<Moment>>);

impl Progress {
    fn begin() -> Self {
        Self(Arc::new(Mutex::new(Moment::now())))
    }

    fn note(&self) {
        if let Ok(mut last) = self.0.lock() {
            *last = Moment::now();
        }
    }

    /// Ends when nothing has moved for a while.
    async fn stops(&self) {
        loop {
            let last = self.0.lock().map_or_else(|_| Moment::now(), |last| *last);
            let left = (last + PATIENCE).remaining();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

fn refused() -> TransferError {
    CallError::from(ProviderError::Invalid {
        status: 200,
        kind: None,
        own_shape: true,
        words: Words {
            detail: "a signed address that is not the platform's storage".into(),
            sealed: None,
        },
    })
    .into()
}

/// The address, when it is https on 443 at the platform's storage; or loopback, where tests are allowed.
fn check(url: &str, suffixes: &[&str], allow_test_providers: bool) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let real = url.scheme() == "https"
        && url.port_or_known_default() == Some(443)
        && suffixes.iter().any(|suffix| host.ends_with(suffix));
    let test = allow_test_providers && url.scheme() == "http" && host == "127.0.0.1";
    (url.username().is_empty() && (real || test)).then_some(url)
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let known = KNOWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with(KNOWN_PREFIX);
    Some((name, HeaderValue::from_str(value).ok()?)).filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORAGE: &[&str] = &[".amazonaws.com"];

    #[test]
    fn only_the_platforms_own_storage_is_written_to() {
        assert!(check("https://bucket.s3.amazonaws.com/x?sig=1", STORAGE, false).is_some());
        for url in [
            "http://bucket.s3.amazonaws.com/x",
            "https://bucket.s3.amazonaws.com:8443/x",
            "https://amazonaws.com.evil.example/x",
            "https://user@bucket.s3.amazonaws.com/x",
            "http://127.0.0.1:9/x",
            "file:///etc/passwd",
        ] {
            assert!(check(url, STORAGE, false).is_none(), "{url}");
        }
    }

    #[test]
    fn headers_that_no_provider_signs_are_not_sent() {
        assert!(header("x-amz-server-side-encryption", "AES256").is_some());
        assert!(header("Content-Type", "application/pdf").is_some());
        assert!(header("authorization", "Bearer x").is_none());
        assert!(header("host", "elsewhere").is_none());
    }
}
