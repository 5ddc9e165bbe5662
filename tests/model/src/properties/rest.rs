//! When a state counts as rest.

use crate::rules::Rules;
use crate::state::{ALONE, At, JobState, LaneLock, Process, Row, State, Worker};

/// Whether nothing is left to do, or only what waits for a person: a pause or a lost authorisation, which the product names.
#[must_use]
pub fn is_at_rest(rules: &Rules, state: &State) -> bool {
    if !(0..)
        .zip(&state.workers)
        .any(|(at, w)| can_work(rules, state, at, w))
    {
        return true; // The model has no place for another worker.
    }
    let is_still = state.executions.iter().all(|e| e.at == At::Idle)
        && state
            .lanes
            .iter()
            .all(|lane| lane.worker.is_none() && lane.lock == LaneLock::Free)
        && rules.is_relayed(state);
    is_still && (state.is_paused() || state.jobs.iter().all(|job| job.state != JobState::Queued))
}

fn can_work(rules: &Rules, state: &State, at: u8, worker: &Worker) -> bool {
    let starts_again = rules.poison && at < rules.workers;
    match worker.row {
        Row::There => worker.process == Process::Runs && !worker.alone,
        Row::NotYet => at != ALONE && (state.budget.start > 0 || starts_again),
        Row::Deleted => worker.process == Process::Dead && starts_again,
    }
}
