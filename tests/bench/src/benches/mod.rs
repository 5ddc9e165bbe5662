//! The benches, one file each.

pub(crate) mod blocked;
pub(crate) mod depth;
pub(crate) mod drain;
pub(crate) mod ingress;
pub(crate) mod pickup;
