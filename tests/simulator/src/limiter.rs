//! A provider's request budget, one bucket per key, counted by sliding or fixed windows.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Sliding,
    Fixed,
    Off,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(default = "default_limit")]
    pub(crate) limit: usize,
    #[serde(default = "default_window_ms")]
    window_ms: i64,
    #[serde(default = "default_mode")]
    mode: Mode,
    /// Says this in `Retry-After` instead of the truth.
    #[serde(default)]
    retry_after_secs: Option<i64>,
}

fn default_limit() -> usize {
    50
}

fn default_window_ms() -> i64 {
    60_000
}

fn default_mode() -> Mode {
    Mode::Sliding
}

impl Limits {
    /// At most `limit` requests in any window of this length.
    pub(crate) fn of(limit: usize, window_ms: i64) -> Self {
        Self {
            limit,
            window_ms,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            limit: default_limit(),
            window_ms: default_window_ms(),
            mode: default_mode(),
            retry_after_secs: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) limit: usize,
    pub(crate) remaining: usize,
    pub(crate) reset_unix_secs: i64,
    /// Set when the request is refused.
    pub(crate) retry_after_secs: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Limiter {
    limits: Limits,
    sent: HashMap<String, VecDeque<i64>>,
}

impl Limiter {
    /// New limits, and all buckets full again.
    pub(crate) fn set(&mut self, limits: Limits) {
        *self = Self {
            limits,
            sent: HashMap::new(),
        };
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts one request, unless it is refused; `None` when nothing is limited.
    pub(crate) fn take(&mut self, key: &str, now_ms: i64) -> Option<Verdict> {
        let Limits {
            limit,
            window_ms,
            mode,
            retry_after_secs,
        } = self.limits;
        let window_ms = window_ms.max(1);
        let since = match mode {
            Mode::Off => return None,
            Mode::Sliding => now_ms - window_ms + 1,
            Mode::Fixed => now_ms - now_ms.rem_euclid(window_ms),
        };
        let sent = self.sent.entry(key.to_owned()).or_default();
        while sent.front().is_some_and(|at| *at < since) {
            sent.pop_front();
        }
        let refused = sent.len() >= limit;
        if !refused {
            sent.push_back(now_ms);
        }
        let free_at_ms = match mode {
            Mode::Fixed => since + window_ms,
            Mode::Sliding | Mode::Off => sent.front().unwrap_or(&now_ms) + window_ms,
        };
        let wait_secs = ((free_at_ms - now_ms + 999) / 1000).max(1);
        Some(Verdict {
            limit,
            remaining: limit.saturating_sub(sent.len()),
            reset_unix_secs: (free_at_ms + 999) / 1000,
            retry_after_secs: refused.then(|| retry_after_secs.unwrap_or(wait_secs)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(mode: Mode) -> Limiter {
        let limits = Limits {
            limit: 2,
            window_ms: 60_000,
            mode,
            retry_after_secs: None,
        };
        Limiter {
            limits,
            ..Limiter::default()
        }
    }

    #[test]
    fn a_sliding_window_frees_a_place_when_its_oldest_request_is_a_window_old() {
        let mut limiter = limiter(Mode::Sliding);
        limiter.take("a", 59_000);
        limiter.take("a", 60_000);

        assert_eq!(
            limiter.take("a", 61_000).unwrap().retry_after_secs,
            Some(58)
        );
        assert_eq!(
            limiter.take("a", 118_999).unwrap().retry_after_secs,
            Some(1)
        );
        assert_eq!(limiter.take("a", 119_000).unwrap().retry_after_secs, None);
        assert_eq!(limiter.take("b", 61_000).unwrap().remaining, 1);
    }

    #[test]
    fn a_fixed_window_starts_anew_at_its_boundary() {
        let mut limiter = limiter(Mode::Fixed);
        limiter.take("a", 59_000);
        limiter.take("a", 59_500);

        assert_eq!(limiter.take("a", 59_999).unwrap().retry_after_secs, Some(1));
        assert_eq!(limiter.take("a", 60_000).unwrap().retry_after_secs, None);
    }
}
