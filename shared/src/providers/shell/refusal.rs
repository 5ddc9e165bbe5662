//! What an error answer means: its status and headers, read with the platform's own error shapes.

use std::time::Duration;

use reqwest::StatusCode;

use super::response::Response;
use super::{ProviderError, Words};
use crate::limit::{self, AskedWait};
use crate::providers::Profile;

/// What an error answer says in the platform's own shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The error's type, as the platform names it.
    pub kind: Option<String>,
    /// For people. It may repeat what we sent.
    pub message: String,
}

/// The class of an error answer. `window` is the bucket's; `words` prepares a message for people.
///
/// A 403 or 404 in another shape than the platform's own is an edge's or a proxy's answer: it says nothing about a right or a
/// record, so it counts as no answer at all.
pub(super) fn classify(
    profile: &Profile,
    response: &Response,
    asked: &AskedWait,
    window: Duration,
    words: impl FnOnce(String) -> Words,
) -> ProviderError {
    let refusal = (profile.dialect.read_refusal)(&response.body);
    let status = response.status.as_u16();
    let unavailable = ProviderError::Unavailable {
        status: Some(status),
        retry_after: asked.by_header,
    };
    match ProviderError::of_status(status) {
        ProviderError::RateLimited { .. } => ProviderError::RateLimited {
            wait: limit::wait_after_429(asked, window),
        },
        ProviderError::Unavailable { .. } => unavailable,
        ProviderError::Forbidden | ProviderError::NotFound if refusal.is_none() => unavailable,
        ProviderError::Invalid { status, .. } => {
            let refusal = refusal.unwrap_or_default();
            ProviderError::Invalid {
                status,
                kind: refusal.kind.map(|kind| kind.chars().take(60).collect()),
                words: words(refusal.message),
            }
        }
        other => other,
    }
}

/// Whether the answer is a limit's.
pub(super) fn is_limit(response: &Response) -> bool {
    response.status == StatusCode::TOO_MANY_REQUESTS
}
