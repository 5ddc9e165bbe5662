//! The system's rules, each as a test over real processes: Postgres, the Clio simulator, ingress and workers.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod support;

mod approval;
mod auditor;
mod breaker;
mod buckets;
mod contacts;
mod crash;
mod failures;
mod health;
mod lanes;
mod limits;
mod order;
mod retention;
mod security;
mod transfers;
