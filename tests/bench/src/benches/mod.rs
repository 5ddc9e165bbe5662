//! The benches, one file each.

pub(crate) mod blocked;
pub(crate) mod budget;
pub(crate) mod cap;
pub(crate) mod deep;
pub(crate) mod depth;
pub(crate) mod drain;
pub(crate) mod fairness;
pub(crate) mod ingress;
pub(crate) mod pickup;
pub(crate) mod readers;
pub(crate) mod rolling;
pub(crate) mod soak;
pub(crate) mod takeover;
pub(crate) mod xmin;
