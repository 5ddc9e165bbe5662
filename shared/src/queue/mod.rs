//! The queue: jobs in lanes, one at a time and in order, under fenced leases.
//!
//! The steps that must lock before they read are functions of the schema, one migration each; here are their callers and
//! the runtime around them.

mod backend;
mod enqueue;
mod finish;
mod lease;
mod listen;
mod liveness;
mod permit;

pub use backend::{LaneBackend, QueueError};
pub use enqueue::{JOBS_CHANNEL, enqueue, notify_ready};
pub use finish::{Attempt, Finished, Outcome, finish, is_held};
pub use lease::{lease, next_due};
pub use listen::{Heard, Listener};
pub use liveness::{beat, delete_idle_lanes, deregister, give_back, register, take_over};
pub use permit::{Ask, Gate, GateSettings, Lease, Permit, StopReason};
