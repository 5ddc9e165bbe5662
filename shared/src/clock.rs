//! Time and randomness: the one place that asks the machine for either.
//!
//! The database's clock (`app_now()`) decides leases, run times, pauses and limits; what is here only measures durations
//! and stamps what no decision hangs on.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that the rule points to"
)]

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng;
use uuid::Uuid;

/// The wall clock of this machine, in UTC.
#[must_use]
pub fn wall_now() -> DateTime<Utc> {
    Utc::now()
}

/// A random id (version 7: new rows land at the end of their indexes).
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// `N` bytes of the operating system's randomness, for tokens and nonces.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill(&mut bytes[..]);
    bytes
}

/// A number in `0.0..1.0`, for jitter.
#[must_use]
pub fn random_fraction() -> f64 {
    rand::rng().random()
}

/// A point on this machine's monotonic clock that goes on while the machine or the process sleeps.
///
/// A worker judges its own lease by it: a process that was frozen past its lease must see that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(MONOTONIC);
        Self(Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        ))
    }

    /// How long ago this was; zero when it lies ahead.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    /// So much earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }

    /// How far ahead this lies; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0 + rhs)
    }
}

#[cfg(target_os = "linux")]
const MONOTONIC: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// macOS counts suspended time in its plain monotonic clock.
#[cfg(not(target_os = "linux"))]
const MONOTONIC: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
