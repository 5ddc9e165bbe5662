//! The queue: jobs in lanes, one at a time and in order, under fenced leases.
//!
//! The steps that must lock before they read are functions of the schema, one migration each; here are their callers and
//! the runtime around them.

pub mod admin;

pub mod auditor;
mod enqueue;
mod finish;
mod lease;
mod listen;
mod liveness;
mod permit;

pub use enqueue::{EVERYTHING, enqueue, notify_everything, notify_ready};
pub use finish::{Announce, Attempt, Finished, Outcome, Written, finish, is_held};
pub use lease::{
    Capacity, Found, Leased, ReadyConnection, Visit, Visited, lease, list_ready_connections,
};
pub use listen::{Listener, Notification};
pub use liveness::{
    HeldLane, beat, begin_transfer, deregister, give_back, list_held, register, take_over,
};
pub use permit::{Ask, Gate, GateSettings, Granted, Lease, Permit, StopReason};
