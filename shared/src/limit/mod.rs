#![doc = include_str!("README.md")]

mod bucket;
mod headers;
mod local;
mod state;

pub use bucket::{Bucket, Budget, Caller, CountedBy, correct, late, open, pause, rest, used_up};
pub use headers::{
    AskedWait, LimitHeaders, LimitWait, RateHeaders, asked_wait, clamp_retry_after, wait_after_429,
};
pub use local::LocalLimits;
pub use state::{BucketState, list};
