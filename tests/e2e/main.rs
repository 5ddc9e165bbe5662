//! The system's rules, each as a test over real processes: Postgres, the Clio simulator, ingress and workers.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod admin_support;
mod support;

mod administration;
mod approval;
mod auditor;
mod breaker;
mod contacts;
mod crash;
mod failures;
mod health;
mod inbox;
mod limits;
mod lost_answers;
mod order;
mod other_platform;
mod outages;
mod references;
mod retention;
mod schema;
mod security;
mod structure;
mod suspects;
mod transfers;
mod trouble;
