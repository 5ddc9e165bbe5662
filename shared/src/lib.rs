//! What ingress and worker share: the domain's words, the tables, the inbox, the queue, the limits and the providers.
//!
//! Dependencies point one way: `domain` uses none of the others; `db`, `inbox`, `queue`, `limit` and `providers` use `domain`;
//! no module here uses axum; only `db`, `inbox`, `queue` and `limit` use sqlx.

pub mod clock;
pub mod config;
pub mod crypto;
pub mod schema;
pub mod telemetry;

pub mod domain;

pub mod db;

pub mod inbox;
pub mod limit;
pub mod queue;

pub mod providers;
