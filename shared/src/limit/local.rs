//! The local half of a limit: a worker does not ask the database for what it knows to be used up.
//!
//! It never refuses what the bucket would allow: a token bucket of the same numbers lets every sequence pass that a sliding
//! window lets pass, and questions asked in vain have as many tokens again. The database alone decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Instant;

use reqwest::Method;

use super::Bucket;
use crate::clock::Moment;
use crate::domain::{Platform, Region};

/// The most buckets that are remembered. Then all are forgotten, which costs one question to the database for each.
const MOST: usize = 10_000;

/// The answers of a method that must be known before the quickest of them counts as the time for the way there and back.
const ENOUGH: u32 = 50;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

#[derive(Debug)]
struct Known {
    calls: i32,
    limiter: Arc<Limiter>,
    used_up_until: Option<Moment>,
}

/// Where a call goes: the way there and back is the same for all firms.
type Way = (Platform, Region, Method);

/// The quickest answer that came on a way.
#[derive(Debug, Clone, Copy)]
struct Quickest {
    took: Duration,
    of: u32,
}

/// What one worker knows of the buckets it asks.
#[derive(Debug, Default)]
pub struct LocalLimits {
    known: Mutex<HashMap<String, Known>>,
    quickest: Mutex<HashMap<Way, Quickest>>,
}

impl LocalLimits {
    /// How long asking for this bucket is in vain; nothing when it may be asked. Counts as a question.
    #[must_use]
    pub fn wait(&self, bucket: &Bucket) -> Option<Duration> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let known = known
            .entry(bucket.key.clone())
            .or_insert_with(|| Known::new(bucket, bucket.budget.calls));
        if let Some(until) = known.used_up_until {
            let left = until.remaining();
            if !left.is_zero() {
                return Some(left);
            }
            known.used_up_until = None;
        }
        let now = MonotonicClock.now();
        known
            .limiter
            .check()
            .err()
            .map(|refused| refused.wait_time_from(now))
    }

    /// How many calls the bucket allows, as the database last answered; what is configured where it never did.
    #[must_use]
    pub fn calls(&self, bucket: &Bucket) -> i32 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&bucket.key)
            .map_or(bucket.budget.calls, |known| known.calls)
    }

    /// What the database answered: how many calls the bucket allows now, and how long it is used up.
    pub fn learn(&self, bucket: &Bucket, calls: i32, used_up_for: Option<Duration>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = known.get_mut(&bucket.key) else {
            return;
        };
        if calls > 0 && calls != entry.calls {
            // A quota is fixed for life: another budget is another limiter.
            *entry = Known::new(bucket, calls);
        }
        entry.used_up_until = used_up_for.map(|wait| Moment::now() + wait);
    }

    /// How much longer a call took, from its permit to its answer, than the quickest call of the same platform, region and method.
    /// The call may have waited this long, on its way or at the provider's door, before the provider counted it. For the first calls
    /// this is all the time that they took, because a worker that starts under load has seen no quick call yet.
    #[must_use]
    pub fn lateness(
        &self,
        (platform, region): (Platform, Region),
        method: &Method,
        took: Duration,
    ) -> Duration {
        let way = (platform, region, method.clone());
        let mut quickest = self.quickest.lock().unwrap_or_else(PoisonError::into_inner);
        let quickest = quickest.entry(way).or_insert(Quickest { took, of: 0 });
        quickest.took = took.min(quickest.took);
        quickest.of += 1;
        if quickest.of > ENOUGH {
            took - quickest.took
        } else {
            took
        }
    }
}

impl Known {
    fn new(bucket: &Bucket, calls: i32) -> Self {
        let questions = u32::try_from(calls).unwrap_or(1).saturating_mul(2);
        let burst = NonZeroU32::new(questions).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(bucket.budget.window / burst.get())
            .unwrap_or_else(|| Quota::per_second(burst))
            .allow_burst(burst);
        Self {
            calls,
            limiter: Arc::new(RateLimiter::direct_with_clock(quota, MonotonicClock)),
            used_up_until: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConnectionId, FirmId};
    use crate::limit::{Budget, Caller, CountedBy};
    use uuid::Uuid;

    fn bucket() -> Bucket {
        let caller = Caller {
            platform: Platform::Mycase,
            region: Region::Us,
            firm: FirmId(Uuid::nil()),
            connection: ConnectionId(Uuid::nil()),
        };
        Bucket::of(caller, CountedBy::Token, Budget::parse("3/3600s").unwrap())
    }

    #[test]
    fn a_whole_budget_may_be_asked_for_twice_and_no_more() {
        let limits = LocalLimits::default();
        let bucket = bucket();

        for _ in 0..6 {
            assert_eq!(limits.wait(&bucket), None);
        }
        assert!(limits.wait(&bucket).unwrap() > Duration::from_secs(500));
    }

    #[test]
    fn what_the_database_said_is_not_asked_again_until_then() {
        let limits = LocalLimits::default();
        let bucket = bucket();
        assert_eq!(limits.wait(&bucket), None);

        limits.learn(&bucket, 3, Some(Duration::from_secs(60)));
        assert!(limits.wait(&bucket).unwrap() <= Duration::from_secs(60));

        limits.learn(&bucket, 3, None);
        assert_eq!(limits.wait(&bucket), None);
    }

    #[test]
    fn late_is_what_took_longer_than_the_quickest_on_its_way() {
        let limits = LocalLimits::default();
        let ms = Duration::from_millis;
        let to = (Platform::Clio, Region::Us);

        let late = |method: &Method, took| limits.lateness(to, method, ms(took));
        for _ in 0..ENOUGH {
            assert_eq!(late(&Method::GET, 70), ms(70));
        }
        assert_eq!(late(&Method::GET, 70), ms(0));
        assert_eq!(late(&Method::GET, 100), ms(30));
        assert_eq!(late(&Method::GET, 50), ms(0));
        assert_eq!(late(&Method::GET, 100), ms(50));
        assert_eq!(late(&Method::POST, 400), ms(400));
        let elsewhere = (Platform::Clio, Region::Eu);
        assert_eq!(limits.lateness(elsewhere, &Method::GET, ms(70)), ms(70));
    }

    #[test]
    fn a_budget_that_was_raised_is_asked_for_in_full() {
        let limits = LocalLimits::default();
        let bucket = bucket();
        assert_eq!(limits.wait(&bucket), None);

        limits.learn(&bucket, 10, None);
        for _ in 0..20 {
            assert_eq!(limits.wait(&bucket), None);
        }
        assert!(limits.wait(&bucket).is_some());
    }
}
