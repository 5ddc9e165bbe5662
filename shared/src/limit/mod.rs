//! Rate limits: what a bucket is, and what a provider's answer says of it.
//!
//! The bucket itself is a row of Postgres and is taken inside the permit (`queue::permit`); here are its numbers and its corrections.

mod bucket;
mod headers;
mod local;
mod state;

pub use bucket::{Bucket, Budget, Caller, CountedBy, correct, late, open, pause, rest, used_up};
pub use headers::{AskedWait, LimitHeaders, RateHeaders, clamp_retry_after, wait_after_429};
pub use local::LocalLimits;
pub use state::{BucketState, list};
