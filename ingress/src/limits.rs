//! How often one caller may ask, and how much all of them may send at a time: limits of this process, so that no caller keeps the others
//! out, and memory stays bounded.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, QuantaInstant};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota};
use shared::domain::FirmId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

const SWEEP: Duration = Duration::from_mins(5);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CallerKey {
    /// A verified token's subject.
    Subject(Option<FirmId>, String),
    /// All of a firm's own callers together ([`CallerLimits::check_firm`]).
    Firm(FirmId),
    /// The address of a caller without a valid token.
    Address(IpAddr),
    /// The address of one who reads the API's description.
    Reader(IpAddr),
}

/// The limits of all callers.
#[derive(Debug, Clone)]
pub(crate) struct CallerLimits {
    limiter: Arc<DefaultKeyedRateLimiter<CallerKey>>,
    firms: Arc<DefaultKeyedRateLimiter<CallerKey>>,
}

/// All callers of a firm together may ask as often as this number of them.
const CALLERS_OF_A_FIRM: u32 = 5;

impl CallerLimits {
    /// At most this number of requests a minute of one caller, who may send them all at once.
    pub(crate) fn per_minute(requests: u32) -> Self {
        Self {
            limiter: limiter(requests),
            firms: limiter(requests.saturating_mul(CALLERS_OF_A_FIRM)),
        }
    }

    /// Counts a request of one of a firm's own callers.
    pub(crate) fn check_firm(&self, firm: FirmId) -> Result<(), ApiError> {
        refused(self.firms.check_key(&CallerKey::Firm(firm)))
    }

    /// Counts a request.
    pub(crate) fn check(&self, key: &CallerKey) -> Result<(), ApiError> {
        refused(self.limiter.check_key(key))
    }
}

fn limiter(requests: u32) -> Arc<DefaultKeyedRateLimiter<CallerKey>> {
    let quota = Quota::per_minute(NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN));
    let limiter = Arc::new(DefaultKeyedRateLimiter::keyed(quota));
    tokio::spawn(forget(Arc::downgrade(&limiter)));
    limiter
}

fn refused(checked: Result<(), NotUntil<QuantaInstant>>) -> Result<(), ApiError> {
    checked.map_err(|until| {
        let now = governor::clock::DefaultClock::default().now();
        ApiError::TooMany(until.wait_time_from(now))
    })
}

/// All bodies of events that may be in flight at a time, from their first byte until their events are committed.
#[derive(Debug, Clone)]
pub(crate) struct EventBodies(Arc<Semaphore>);

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(crate) struct CountedBytes(OwnedSemaphorePermit);

const KIB: usize = 1024;
/// With as much again for what 600 connections and the allocator hold, a process stays within 128 MiB.
const MOST_EVENT_BYTES: usize = 32 * 1024 * KIB;

impl Default for EventBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_EVENT_BYTES / KIB)))
    }
}

impl EventBodies {
    /// Counts a body; nothing where it would be too many.
    pub(crate) fn count(&self, bytes: usize) -> Option<CountedBytes> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).ok()?;
        let counted = self.0.clone().try_acquire_many_owned(kib).ok()?;
        note_in_flight(&self.0);
        Some(CountedBytes(counted))
    }
}

impl CountedBytes {
    /// The body is shorter than was expected.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let unused = self.0.num_permits().saturating_sub(bytes.div_ceil(KIB));
        drop(self.0.split(unused));
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        let bodies = self.0.semaphore().clone();
        drop(self.0.split(self.0.num_permits()));
        note_in_flight(&bodies);
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn note_in_flight(bodies: &Semaphore) {
    let in_flight = MOST_EVENT_BYTES - bodies.available_permits() * KIB;
    metrics::gauge!("casehug_event_bodies_bytes").set(in_flight as f64);
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
