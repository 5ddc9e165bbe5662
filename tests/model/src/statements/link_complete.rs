//! `link_complete`: writes the end of a creation, or the record that a look found.

use super::{LookedAt, link_is_ours};
use crate::rules::Rules;
use crate::state::{LinkState, Missing, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "link/link_complete.sql",
        "82d8320aedc31581544a29ba262245e67214e509cf5f590a70c78e1d493c8e40",
    ),
    (
        "link/link_lane_runs.sql",
        "b596df0299a0cb63fedb39fe67a0f9b65698cfd25cb052e7a671d8a0a9c1410a",
    ),
];

/// False when the caller's fence no longer runs, or no longer holds the link.
pub fn complete(rules: &Rules, to: &mut State, worker: u8, end: LinkState) -> bool {
    let effect = to.executions[worker as usize].effect();
    if !link_is_ours(rules, to, worker) || to.link(effect).state == LinkState::None {
        return false;
    }
    let link = &mut to.links[effect as usize];
    link.state = end;
    link.missing = Missing::No;
    to.records[effect as usize].restored = false;
    true
}
