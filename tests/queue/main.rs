//! The queue's own steps in SQL, without the programs around them.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod support;
mod test_queue;

mod auditor;
mod buckets;
mod lane_model;
mod lanes;
mod lists;
mod relay;
mod retention;
