//! The run's only look at the clock and at chance.

use chrono::{DateTime, Utc};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "ids of events need not repeat with the seed"
)]
pub(crate) fn new_id() -> Uuid {
    Uuid::new_v4()
}
