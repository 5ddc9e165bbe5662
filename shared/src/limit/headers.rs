//! What an answer's headers say of the limit. All of them may be missing.
//!
//! `Retry-After` has three effects. A 429 pauses the **bucket** for every worker (`shell::limits`) and postpones the **job**
//! (`execution::outcome`): one function decides the wait of both ([`wait_after_429`]). A server error pauses the **connection**
//! (`execution::outcome`) for as long as the header asks, an hour at most.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// A provider that asks for more than this is asked again after it, once.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The names of the headers that tell a limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitHeaders {
    pub limit: &'static str,
    pub remaining: &'static str,
    /// A Unix time in seconds.
    pub reset: &'static str,
}

/// What they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateHeaders {
    pub limit: Option<i32>,
    pub remaining: Option<i32>,
    /// Until the window is over.
    pub reset_in: Option<Duration>,
}

impl RateHeaders {
    /// Reads them; the reset time is read relative to the answer's own `Date`, so that clocks need not agree.
    #[must_use]
    pub fn read(headers: &HeaderMap, names: Option<&LimitHeaders>, now: DateTime<Utc>) -> Self {
        let Some(names) = names else {
            return Self::default();
        };
        let number = |name: &str| text(headers, name)?.parse::<i64>().ok();
        let sent = date(headers).unwrap_or(now);
        Self {
            limit: number(names.limit)
                .and_then(|n| i32::try_from(n).ok())
                .filter(|n| *n > 0),
            remaining: number(names.remaining).and_then(|n| i32::try_from(n).ok()),
            reset_in: number(names.reset)
                .and_then(|secs| DateTime::from_timestamp(secs, 0))
                .map(|at| {
                    (at - sent)
                        .to_std()
                        .unwrap_or_default()
                        .min(LONGEST_RETRY_AFTER)
                }),
        }
    }
}

/// How long an answer asks to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedWait {
    /// `Retry-After`, unclamped.
    pub by_header: Option<Duration>,
    /// Until the limit's window is over.
    pub by_reset: Option<Duration>,
}

impl AskedWait {
    /// Reads both.
    #[must_use]
    pub fn read(headers: &HeaderMap, said: &RateHeaders, now: DateTime<Utc>) -> Self {
        Self {
            by_header: retry_after(headers, now),
            by_reset: said.reset_in,
        }
    }
}

/// The wait after a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitWait {
    pub wait: Duration,
    /// It is what was asked for, or a whole window. A wait for nothing (`Retry-After: 0`, or a date that is past by a clock that goes
    /// wrong) says nothing about the job.
    pub kept: bool,
}

/// How long a 429 pauses its bucket, and its job: as long as `Retry-After` asks, else until the window is over by the limit's headers,
/// else for a whole window; and never less than a twelfth of a window, or a second.
#[must_use]
pub fn wait_after_429(asked: &AskedWait, window: Duration) -> LimitWait {
    let floor = (window / 12).max(SHORTEST_WAIT);
    let wait = asked.by_header.or(asked.by_reset).unwrap_or(window);
    LimitWait {
        wait: clamp_retry_after(wait.max(floor)),
        kept: !wait.is_zero(),
    }
}

/// How long an answer's `Retry-After` asks to wait, clamped.
#[must_use]
pub fn asked_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).map(clamp_retry_after)
}

/// `Retry-After` in seconds or as an HTTP date, the latter relative to the answer's own `Date`; unclamped.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // Whole seconds by the standard; some platforms send fractions.
    if let Ok(secs) = value.parse::<f64>() {
        return Some(Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(LONGEST_RETRY_AFTER));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    let sent = date(headers).unwrap_or(now);
    Some((at.with_timezone(&Utc) - sent).to_std().unwrap_or_default())
}

/// Nothing below zero, nothing above an hour.
#[must_use]
pub fn clamp_retry_after(wait: Duration) -> Duration {
    wait.min(LONGEST_RETRY_AFTER)
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    const NAMES: LimitHeaders = LimitHeaders {
        limit: "x-limit",
        remaining: "x-remaining",
        reset: "x-reset",
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_answers_own_clock() {
        let secs = headers(&[("retry-after", "17")]);
        let dated = headers(&[
            ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"),
        ]);

        assert_eq!(retry_after(&secs, now()), Some(Duration::from_secs(17)));
        assert_eq!(retry_after(&dated, now()), Some(Duration::from_secs(30)));
    }

    #[test]
    fn nonsense_is_nothing_and_a_negative_wait_is_none() {
        assert_eq!(
            retry_after(&headers(&[("retry-after", "soon")]), now()),
            None
        );
        assert_eq!(
            retry_after(&headers(&[("retry-after", "-3")]), now()),
            Some(Duration::ZERO)
        );
        for (text, expected) in [
            ("0.5", Some(Duration::from_millis(500))),
            ("0.0", Some(Duration::ZERO)),
            ("1e999", Some(LONGEST_RETRY_AFTER)),
            ("NaN", Some(Duration::ZERO)),
            ("2s", None),
            ("", None),
        ] {
            let read = retry_after(&headers(&[("retry-after", text)]), now());
            assert_eq!(read, expected, "{text}");
        }
        assert_eq!(
            clamp_retry_after(Duration::from_hours(7)),
            Duration::from_hours(1)
        );
    }

    #[test]
    fn missing_headers_say_nothing() {
        assert_eq!(
            RateHeaders::read(&headers(&[]), Some(&NAMES), now()),
            RateHeaders::default()
        );
    }

    #[test]
    fn a_429_waits_as_long_as_it_says_or_until_the_window_is_over() {
        let window = Duration::from_secs(1);
        let asked = |by_header, by_reset| AskedWait {
            by_header,
            by_reset,
        };
        let (long, short) = (Duration::from_secs(17), Duration::from_millis(300));

        let wait = |by_header, by_reset, window| {
            let LimitWait { wait, kept } = wait_after_429(&asked(by_header, by_reset), window);
            (wait, kept)
        };
        let (zero, minute) = (Some(Duration::ZERO), Duration::from_mins(1));

        assert_eq!(wait(Some(long), Some(short), window), (long, true));
        assert_eq!(
            wait(None, Some(short), window),
            (window, true),
            "a second at least"
        );
        assert_eq!(wait(None, None, window), (window, true));
        assert_eq!(
            wait(Some(Duration::from_hours(24)), None, window),
            (Duration::from_hours(1), true)
        );
        assert_eq!(wait(zero, None, window), (window, false));
        assert_eq!(wait(zero, None, minute), (Duration::from_secs(5), false));
        assert_eq!(
            wait(zero, Some(long), minute),
            (Duration::from_secs(5), false)
        );
    }
}
