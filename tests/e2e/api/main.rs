//! Ingress's HTTP API as its callers see it: shapes, refusals, roles, limits, over real processes.
//! What is asserted is what `contract.md` and `design.md` say.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "../admin_support.rs"]
mod admin_support;
#[path = "../support.rs"]
mod support;

mod asking;
mod description;

mod callers;
mod connect;
mod events;
mod inputs;
mod jobs;
mod key_set;
mod limits;
mod memory;
mod openapi;
mod ops;
mod pauses;
mod reads;
mod refusals;
mod server;
mod settings;
mod status;
mod sync;
mod sync_logs;
