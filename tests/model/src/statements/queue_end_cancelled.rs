//! `queue_end_cancelled`: ends jobs that were cancelled while they ran and that came back.

use super::LookedAt;
use super::queue_refresh_lanes::refresh;
use super::queue_requeue::drop_job;
use crate::state::{JobState, LaneLock, State};
use crate::step::{Act, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_end_cancelled.sql",
    "268c66c6625371735a4a39d3a996acebedb3c24e50e3ceeb704e5b7d39244db3",
)];

/// The worker's upkeep.
pub fn steps(state: &State, job: u8, out: &mut Steps) {
    let row = &state.jobs[job as usize];
    let lane = state.lane(row.lane);
    let has_come_back = row.state == JobState::Queued && row.cancelled && lane.running != Some(job);
    if has_come_back && lane.lock == LaneLock::Free {
        let mut to = *state;
        drop_job(&mut to, job);
        refresh(&mut to, row.lane);
        out.service(
            Act::other("upkeep: a cancelled job that came back ends", On::Job(job)),
            to,
        );
    }
}
