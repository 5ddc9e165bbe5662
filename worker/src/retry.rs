//! When a failed job runs again: the one place that computes it, and the only one that sees the `backoff` crate.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// A job is tried this often; the attempt that fails then is its last.
pub(crate) const MAX_ATTEMPTS: i32 = 8;
/// A job that still fails this long after its first attempt is given up.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_hours(24);
/// Answers of 429 in a row, each after a full `Retry-After` had been kept, that fail a job (published: "up to 3 retries").
pub(crate) const MAX_LIMITED: i32 = 3;

const FIRST_DELAY: Duration = Duration::from_secs(5);
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The delay before attempt `failed_attempts + 1`: exponential from 5 s to 15 min, with full jitter.
///
/// `fraction` is a random number in `0.0..1.0`. The crate's own jitter is a band around the interval and not full jitter,
/// so its randomisation is off.
#[must_use]
pub(crate) fn delay(failed_attempts: i32, fraction: f64) -> Duration {
    let mut backoff: ExponentialBackoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(FIRST_DELAY)
        .with_multiplier(2.0)
        .with_randomization_factor(0.0)
        .with_max_interval(LONGEST_DELAY)
        .with_max_elapsed_time(None)
        .build();
    let mut ceiling = FIRST_DELAY;
    for _ in 0..failed_attempts.clamp(1, MAX_ATTEMPTS) {
        ceiling = backoff.next_backoff().unwrap_or(LONGEST_DELAY);
    }
    ceiling.mul_f64(fraction.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_five_seconds_to_a_quarter_of_an_hour() {
        let ceilings: Vec<u64> = (1..=9)
            .map(|attempt| delay(attempt, 1.0).as_secs())
            .collect();

        assert_eq!(ceilings, [5, 10, 20, 40, 80, 160, 320, 640, 640]);
    }

    #[test]
    fn jitter_is_full_from_nothing_to_the_ceiling() {
        assert_eq!(delay(4, 0.0), Duration::ZERO);
        assert_eq!(delay(4, 0.5), Duration::from_secs(20));
    }
}
