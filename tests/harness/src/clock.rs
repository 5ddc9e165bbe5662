//! The harness's only look at the clock and at chance.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// 32 hexadecimal digits that cannot be guessed.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one source of chance"
)]
pub(crate) fn random_hex() -> String {
    Uuid::new_v4().simple().to_string()
}

/// An id that was never used before.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one source of chance"
)]
pub(crate) fn new_id() -> Uuid {
    Uuid::new_v4()
}
