//! The benches' only look at the clock and at chance.

use std::time::Instant;

use chrono::{DateTime, Utc};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn wall_now() -> DateTime<Utc> {
    Utc::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "ids of events need not repeat from run to run"
)]
pub(crate) fn new_id() -> Uuid {
    Uuid::new_v4()
}
