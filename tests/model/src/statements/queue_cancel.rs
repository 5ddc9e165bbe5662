//! `queue_cancel`: a waiting job ends at once, a running one is marked.

use super::LookedAt;
use super::queue_refresh_lanes::refresh;
use super::queue_requeue::drop_job;
use crate::state::{JobState, LaneLock, State};
use crate::step::{Act, By, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_begin_act.sql",
        "bba4ec8413144c7f779ae9a2826f5430b3724fa449f96a874e47ecc92eda47cf",
    ),
    (
        "queue/queue_cancel.sql",
        "0df2a67002c2d797f835b99d17414c95e7c241c9c59ac06bc93d60ed2b9f5a04",
    ),
    (
        "queue/queue_lock_lanes_of.sql",
        "f48c0156d1ed5d951f07905efa7c629bcb745d3340a701798fb0c12b0ca48ccc",
    ),
];

/// A person cancels a job.
pub fn steps(state: &State, job: u8, out: &mut Steps) {
    let row = &state.jobs[job as usize];
    let lane = state.lane(row.lane);
    if state.budget.cancel == 0
        || row.state != JobState::Queued
        || row.cancelled
        || lane.lock != LaneLock::Free
    {
        return;
    }
    let mut to = *state;
    to.budget.cancel -= 1;
    let what = if lane.running == Some(job) {
        to.jobs[job as usize].cancelled = true;
        "a person cancels a running job"
    } else {
        drop_job(&mut to, job);
        refresh(&mut to, row.lane);
        "a person cancels a waiting job"
    };
    out.by(By::Person, Act::other(what, On::Job(job)), to);
}
