//! The benches, one file each.

pub(crate) mod drain;
pub(crate) mod pickup;
