//! `queue_refresh_lanes`: brings a lane that no worker holds in line with its jobs.
//!
//! It is suspect while two workers have died with its head.

use super::LookedAt;
use crate::state::State;

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_refresh_lanes.sql",
    "75eca179e65440f0e7a4fc8702b44aa38bc774222fcf45b8c34d3b8da8d45550",
)];

/// The caller has the lane's lock.
pub fn refresh(to: &mut State, lane: u8) {
    if to.lane(lane).worker.is_none() {
        let head = to.head(lane);
        let lost = head.map_or(0, |job| to.jobs[job as usize].lost);
        to.lanes[lane as usize].ready = head.is_some();
        to.lanes[lane as usize].suspect = lost >= 2;
    }
}
