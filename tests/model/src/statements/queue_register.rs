//! `queue_register`: a worker's row, and with it its first lease.

use super::LookedAt;
use crate::state::{Process, Row, State, Worker};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_register.sql",
    "ba656342f80f55dc8fb81075fcde16f33233798f8d6dae833f2c1c37023d3c33",
)];

/// A new worker starts; `alone`: it takes suspect lanes and nothing else.
pub fn register(to: &mut State, worker: u8, alone: bool) {
    to.workers[worker as usize] = Worker {
        row: Row::There,
        process: Process::Runs,
        alone,
        fresh: true,
        ..Worker::default()
    };
}
