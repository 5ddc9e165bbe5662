#![doc = include_str!("README.md")]

pub mod admin;

pub mod auditor;
mod enqueue;
mod finish;
mod lease;
mod listen;
mod liveness;
mod permit;
mod suspects;

pub use enqueue::{EVERYTHING, enqueue, notify_everything, notify_ready};
pub use finish::{Announce, Attempt, Finished, Outcome, Written, finish, is_held};
pub use lease::{
    Capacity, Found, Leased, ReadyConnection, Visit, Visited, lease, list_ready_connections,
};
pub use listen::{Listener, Notification};
pub use liveness::{
    HeldLane, Takes, begin_transfer, deregister, give_back, heartbeat, list_held, register,
    take_over,
};
pub use permit::{Ask, Gate, GateSettings, Granted, Lease, Permit, StopReason};
pub use suspects::{has_started, lacks_alone, list_suspects};
