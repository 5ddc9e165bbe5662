//! The one place that asks for the time and for randomness.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    Utc::now().timestamp_millis()
}

/// An unguessable text: tokens, codes, ids of uploads.
pub(crate) fn random_uuid() -> Uuid {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    Uuid::new_v4()
}

/// `2026-01-31T12:00:00.000Z`
pub(crate) fn rfc3339(at_ms: i64) -> String {
    moment(at_ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `Sat, 31 Jan 2026 12:00:00 GMT`, as HTTP headers want it.
pub(crate) fn http_date(at_ms: i64) -> String {
    moment(at_ms)
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// `2026-01-31`
pub(crate) fn day(at_ms: i64) -> String {
    moment(at_ms).format("%Y-%m-%d").to_string()
}

fn moment(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}
