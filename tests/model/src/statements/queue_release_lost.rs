//! `queue_release_lost`: frees a lane whose holder is gone.
//!
//! A loss judges a job only where it ran alone, and only after two losses before. That the worker which has started the process dies with
//! it is left out: such a loss judges later.

use super::LookedAt;
use super::queue_refresh_lanes::refresh;
use crate::properties::{Property, Reached};
use crate::state::{Code, JobState, Log, Row, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_release_lost.sql",
    "b4c26fdc4325c0a40403ec95c8a40c503008d1f9b949b2d56475481ba15076c5",
)];

/// The loss that ends a job, if it ran alone.
const MOST_LOSSES: u8 = 3;

/// The caller has the lane's lock. Returns what is broken.
pub fn release_lost(to: &mut State, lane: u8) -> Reached {
    let holder = to.lane(lane).worker.map(|w| to.workers[w as usize]);
    let was_alone = holder.is_some_and(|w| w.row == Row::There && w.alone);
    let mut reached = Reached::default();
    if let Some(job) = to.lane(lane).running {
        let job = &mut to.jobs[job as usize];
        job.lost += 1;
        job.ran = true;
        reached = reached.with_if(Property::LostAgain, job.lost > MOST_LOSSES);
        if was_alone && job.lost >= MOST_LOSSES {
            job.state = JobState::Failed;
            job.log = Log::Failed;
            job.code = Code::Other;
            to.lanes[lane as usize].gone = job.seq;
        }
    }
    to.lanes[lane as usize].worker = None;
    to.lanes[lane as usize].running = None;
    refresh(to, lane);
    reached
}
