//! How long a worker stays with a lane.

use shared::domain::ConnectionId;
use shared::domain::job::{LeasedJob, Priority};

/// A run of jobs of one lane: the job that was leased, and those that the worker took directly behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneRun {
    pub(super) connection: ConnectionId,
    pub(super) is_background: bool,
    /// The fence under which the run began.
    pub(crate) fence: i64,
    jobs: u64,
}

impl LaneRun {
    pub(crate) fn new(job: &LeasedJob) -> Self {
        Self {
            connection: job.connection_id,
            is_background: job.priority > Priority::Event as i16,
            fence: job.fence,
            jobs: 1,
        }
    }

    /// The worker continues with the lane's next job.
    pub(crate) fn continue_with(&mut self, job: &LeasedJob) {
        self.is_background = job.priority > Priority::Event as i16;
        self.jobs += 1;
    }

    /// True after at most `longest` jobs. The fence staggers the first end, so that lanes leased together do not all end together:
    /// a connection that becomes ready between would wait for a slot as long as the longest run.
    pub(super) fn ends_here(&self, longest: u64) -> bool {
        (self.fence.unsigned_abs() + self.jobs).is_multiple_of(longest)
    }
}
