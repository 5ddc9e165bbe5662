//! `queue_skip`: a person decides that a failed job is not to be run again.

use super::LookedAt;
use super::queue_requeue::drop_job;
use crate::state::{JobState, LaneLock, State};
use crate::step::{Act, By, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_skip.sql",
    "6651427258c9d44a5862fb5ae43785c8a494665fc6f5c137d6783375c3500235",
)];

/// A person skips a job.
pub fn steps(state: &State, job: u8, out: &mut Steps) {
    let row = &state.jobs[job as usize];
    let is_free = state.lane(row.lane).lock == LaneLock::Free;
    if state.budget.skip > 0 && row.state == JobState::Failed && is_free {
        let mut to = *state;
        to.budget.skip -= 1;
        drop_job(&mut to, job);
        out.by(By::Person, Act::other("a person skips", On::Job(job)), to);
    }
}
