//! The statements: one module for each function of the schema that takes part, with the functions that it calls beside it.
//!
//! A module names the files that it follows with the hash of each as it was when the module was last looked at. A test compares them
//! with `migrations/functions`: see [`looked_at`].

pub mod authorisation;
pub mod link_claim;
pub mod link_complete;
pub mod link_found_nothing;
pub mod link_not_sent;
pub mod link_note_missing;
pub mod link_supersede;
pub mod looked_at;
pub mod queue_cancel;
pub mod queue_end_cancelled;
pub mod queue_enqueue;
pub mod queue_finish;
pub mod queue_follow_up;
pub mod queue_heartbeat;
pub mod queue_lacks_alone;
pub mod queue_lease;
pub mod queue_permit;
pub mod queue_place;
pub mod queue_refresh_lanes;
pub mod queue_register;
pub mod queue_release_lost;
pub mod queue_requeue;
pub mod queue_retry;
pub mod queue_skip;
pub mod queue_take_over;

use crate::rules::{Rules, Safeguard};
use crate::state::State;

/// Files below `migrations/functions`, each with its SHA-256.
pub type LookedAt = &'static [(&'static str, &'static str)];

/// Whether a worker may write the link that its execution is at: the caller's lane and fence hold it, and they still run.
fn link_is_ours(rules: &Rules, state: &State, worker: u8) -> bool {
    let own = &state.executions[worker as usize];
    let is_held = state.link(own.effect()).is_held_by(own) && !own.superseded;
    let runs = state.lane_runs(own.lane, own.fence) || !rules.keeps(Safeguard::LinksAskForFence);
    is_held && runs
}
