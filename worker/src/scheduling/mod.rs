//! Which lanes this worker takes, and its right to them: slots, scheduler, leaser, the listener's loop, the heartbeat.

pub(crate) mod scheduler;
pub(crate) mod slots;

pub(crate) mod heartbeat;
pub(crate) mod leaser;
pub(crate) mod listening;
pub(crate) mod suspects;
