//! `queue_lacks_alone`: whether more suspect lanes are due than workers run alone.

use super::LookedAt;
use crate::state::{Process, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_lacks_alone.sql",
        "f0937f9f8620e77cfe9fd8f7771c0e7b46ecca6df5e59a611edc9ca26b9cc292",
    ),
    (
        "queue/queue_suspects.sql",
        "caca3c1d274dc2e0a04eeb306d382546274a64317c801872f6a7ce263158b305",
    ),
];

/// A worker that does not run alone asks, and starts the process.
#[must_use]
pub fn lacks_alone(state: &State) -> bool {
    let workers = || (0..).zip(&state.workers);
    let can_ask =
        workers().any(|(at, w)| !w.alone && w.process == Process::Runs && state.is_alive(at));
    let suspects = state.lanes.iter().filter(|lane| lane.suspect && lane.ready);
    let alone = workers().filter(|(at, w)| w.alone && state.is_alive(*at));
    can_ask && !state.is_paused() && suspects.count() > alone.count()
}
