//! `queue_lacks_alone`: whether more suspect lanes may be taken than workers that run alone have nothing to do.

use super::LookedAt;
use crate::rules::Rules;
use crate::state::{Process, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_lacks_alone.sql",
        "d2a7ae3dd431ba0efd9d54d95b1c2a31aa8d21419d5e3b69c1ca6ef7f8c2929d",
    ),
    (
        "queue/queue_suspects.sql",
        "b371c4f27456acc96ad91de34dddef50df8c18a19a6b686c2cc2775ad8c1e65f",
    ),
];

/// A worker that does not run alone asks, and starts the process.
#[must_use]
pub fn lacks_alone(rules: &Rules, state: &State) -> bool {
    let workers = || (0..).zip(&state.workers);
    let can_ask =
        workers().any(|(at, w)| !w.alone && w.process == Process::Runs && state.is_alive(at));
    let suspects = state.lanes.iter().filter(|lane| lane.suspect && lane.ready);
    let is_busy = |at| {
        state
            .lanes
            .iter()
            .any(|lane| lane.suspect && lane.worker == Some(at))
    };
    let idle = workers().filter(|(at, w)| w.alone && state.is_alive(*at) && !is_busy(*at));
    let has_room = state.held() < rules.cap;
    can_ask && has_room && !state.is_paused() && suspects.count() > idle.count()
}
