//! How often one caller may ask: a limiter of this process, so that no caller keeps the others out.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota};
use shared::domain::FirmId;

use crate::error::ApiError;

const SWEEP: Duration = Duration::from_mins(5);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CallerKey {
    /// A verified token's subject.
    Subject(Option<FirmId>, String),
    /// The address of a caller without a valid token.
    Address(IpAddr),
}

/// The limits of all callers.
#[derive(Debug, Clone)]
pub(crate) struct CallerLimits {
    limiter: Arc<DefaultKeyedRateLimiter<CallerKey>>,
}

impl CallerLimits {
    /// At most this number of requests a minute of one caller, who may send them all at once.
    pub(crate) fn per_minute(requests: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN));
        let limiter = Arc::new(DefaultKeyedRateLimiter::keyed(quota));
        tokio::spawn(forget(Arc::downgrade(&limiter)));
        Self { limiter }
    }

    /// Counts a request.
    pub(crate) fn check(&self, key: &CallerKey) -> Result<(), ApiError> {
        self.limiter.check_key(key).map_err(|until| {
            let now = governor::clock::DefaultClock::default().now();
            ApiError::TooMany(until.wait_time_from(now))
        })
    }
}

/// Callers that have not asked for a while are forgotten, so that memory stays bounded.
async fn forget(limiter: std::sync::Weak<DefaultKeyedRateLimiter<CallerKey>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(limiter) = limiter.upgrade() else {
            return;
        };
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}
