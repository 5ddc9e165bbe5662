//! `link_not_sent`: a create was refused or was never sent, so the record is not there.

use super::{LookedAt, link_is_ours};
use crate::rules::Rules;
use crate::state::{LinkState, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "link/link_not_sent.sql",
    "8b0b2e2dfcfbd88d2ede6bc968f99476d7f8e8dc73fa709ced96e175b0acc080",
)];

/// False when the caller's fence no longer runs, or no longer holds the link.
pub fn not_sent(rules: &Rules, to: &mut State, worker: u8) -> bool {
    let effect = to.executions[worker as usize].effect();
    let is_open = matches!(
        to.link(effect).state,
        LinkState::Claimed | LinkState::Creating
    );
    if is_open && link_is_ours(rules, to, worker) {
        to.links[effect as usize].state = LinkState::Claimed;
        return true;
    }
    false
}
