//! `queue_enqueue`: appends jobs to their lanes, under the lanes' locks.

use super::LookedAt;
use super::queue_place::{Pick, place};
use crate::properties::Reached;
use crate::rules::Rules;
use crate::state::{Kind, LaneLock, Promise, Relay, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_enqueue.sql",
    "977590326887dd86446391f6cee1676ae60e60f4945b6b98dd2edc1a85fe6a8e",
)];

/// Enqueues an event's jobs. Nothing while another transaction has the lane's lock.
#[must_use]
pub fn enqueue(rules: &Rules, state: &State, lane: u8, kinds: &[Kind]) -> Vec<(State, Reached)> {
    if state.lane(lane).lock != LaneLock::Free {
        return Vec::new();
    }
    Pick::each(|pick| {
        let (mut to, mut reached) = (*state, Reached::default());
        let mut carrier = Promise::None;
        for kind in kinds {
            let (job, joined) = place(rules, &mut to, (lane, *kind), rules.explicit, pick);
            reached = reached.and(joined);
            carrier = Promise::Job(job);
        }
        let event = state.relay.event;
        to.promises[event as usize] = carrier;
        // A lane that is idle becomes ready; no other lane is touched.
        let row = &mut to.lanes[lane as usize];
        row.ready |= row.worker.is_none();
        to.relay = Relay {
            event: event + 1,
            ..Relay::default()
        };
        (to, reached)
    })
}
