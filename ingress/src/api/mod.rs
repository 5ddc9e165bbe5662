//! The endpoints, one file a resource.

pub(crate) mod callback;
pub(crate) mod connect;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod ops;
pub(crate) mod pauses;
pub(crate) mod rate_limits;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod sync_logs;
