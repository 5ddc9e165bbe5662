//! How long a worker may stay with a lane.

use shared::domain::ConnectionId;
use shared::domain::job::{LeasedJob, Priority};

/// A turn at a lane: the job that was leased, and those with which the worker went on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneTurn {
    pub(super) connection: ConnectionId,
    pub(super) is_background: bool,
    /// Under which it began.
    pub(crate) fence: i64,
    jobs: u64,
}

impl LaneTurn {
    pub(crate) fn new(job: &LeasedJob) -> Self {
        Self {
            connection: job.connection_id,
            is_background: job.priority > Priority::Event as i16,
            fence: job.fence,
            jobs: 1,
        }
    }

    /// The worker went on with the lane's next job.
    pub(crate) fn go_on(&mut self, job: &LeasedJob) {
        self.is_background = job.priority > Priority::Event as i16;
        self.jobs += 1;
    }

    /// Whether it ends with its present job where it may have `longest` jobs at most. It has fewer where its fence says so: turns that
    /// begin together must not end together, or whoever comes between waits for a slot as long as the longest.
    pub(super) fn ends_here(&self, longest: u64) -> bool {
        (self.fence.unsigned_abs() + self.jobs).is_multiple_of(longest)
    }
}
