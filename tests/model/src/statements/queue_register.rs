//! `queue_register`: a worker's row, and with it its first lease.

use super::LookedAt;
use crate::state::{Process, Row, State, Worker};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_register.sql",
    "40f1337af500dc67acb463200d19253a95431fffcaa9835f312a46836878bb10",
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
