//! The administration of jobs: lists, one job, what is done to it, and to many.

pub(crate) mod act;
pub(crate) mod batches;
pub(crate) mod failures;
pub(crate) mod list;
pub(crate) mod probe;
pub(crate) mod show;
