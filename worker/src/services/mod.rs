//! What a worker does beside its jobs, each in a loop of its own.

pub(crate) mod relay;

pub(crate) mod redis_drain;

pub(crate) mod auditor;
pub(crate) mod batches;
pub(crate) mod gauges;
pub(crate) mod isolation;
pub(crate) mod maintenance;
