//! `queue_permit`: allows one call, and makes the link of a create `creating`.
//!
//! Its statements, each with a snapshot of its own: fence and lease · epoch · cancelled · paused · the link, and the commit. The last one
//! waits for the link's row. Budgets and waits for a place in them are left out.

use super::LookedAt;
use crate::rules::{Rules, Safeguard};
use crate::state::{At, Intent, LinkState, Says, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "permit/permit_refusal.sql",
        "461e42121671709cb79b3a3ec486fa091fe20da08d57dc0ea219a928235218cb",
    ),
    (
        "queue/queue_is_paused.sql",
        "1f4306d5d5dca084580a8125f0152ec1691f353ab499af191a228fd02c1c4810",
    ),
    (
        "queue/queue_permit.sql",
        "1da70347584c591a69e38e2a00698293a45920d103353f38080f75c00624cd7c",
    ),
];

/// Fence and lease.
#[must_use]
pub fn is_leased(state: &State, worker: u8) -> bool {
    state.holds(worker) && state.is_alive(worker)
}

/// The connection is still the one of the session.
#[must_use]
pub fn is_own_epoch(state: &State, worker: u8) -> bool {
    state.connection.epoch == state.executions[worker as usize].epoch
}

/// A person has cancelled the job. A job without a row is not cancelled.
#[must_use]
pub fn is_cancelled(state: &State, worker: u8) -> bool {
    let job = state.executions[worker as usize].job;
    job.map(|job| &state.jobs[job as usize])
        .is_some_and(|job| job.has_row() && job.cancelled)
}

/// The link becomes `creating`. Nothing while its row is locked.
#[must_use]
pub fn write_intent(rules: &Rules, state: &State, worker: u8) -> Option<State> {
    let own = &state.executions[worker as usize];
    let before = state.link(own.effect());
    if before.lock.is_some() {
        return None;
    }
    let mut to = *state;
    let is_ours = before.is_held_by(own) && before.state == LinkState::Claimed;
    if is_ours || !rules.keeps(Safeguard::LinkComparedInPermit) {
        let link = &mut to.links[own.effect() as usize];
        link.state = LinkState::Creating;
        link.intent = Intent::MaySend;
        let own = &mut to.executions[worker as usize];
        own.late = false;
        own.at = At::Call;
    } else {
        to.executions[worker as usize].end(Says::Later);
    }
    Some(to)
}
