//! `queue_retry`: a person puts a failed job back, or joins it to its waiting duplicate.

use super::LookedAt;
use super::queue_place::{Pick, find_duplicate};
use super::queue_refresh_lanes::refresh;
use super::queue_requeue::requeue;
use crate::state::{JobState, LaneLock, State};
use crate::step::{Act, By, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_retry.sql",
    "e81fdd4365403e43b2fc027ad599ed92aa9c9ee7387c298ee45a3a29cc14192a",
)];

/// A person retries a job.
pub fn steps(state: &State, job: u8, out: &mut Steps) {
    let row = &state.jobs[job as usize];
    let is_free = state.lane(row.lane).lock == LaneLock::Free;
    if state.budget.retry == 0 || row.state != JobState::Failed || !is_free {
        return;
    }
    for to in Pick::each(|pick| {
        let mut to = *state;
        to.budget.retry -= 1;
        let duplicate = find_duplicate(state, row.lane, row.kind, pick);
        requeue(&mut to, job, duplicate, true);
        refresh(&mut to, row.lane);
        to
    }) {
        out.by(By::Person, Act::other("a person retries", On::Job(job)), to);
    }
}
