//! `link_found_nothing`: a search or a look found nothing; the key stays claimed by the caller.

use super::{LookedAt, link_is_ours};
use crate::rules::Rules;
use crate::state::{LinkState, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "link/link_found_nothing.sql",
    "fff9fd4a509ff7a3bd180f50cae70478b91b67bb744212b079e8c403323b0e3e",
)];

/// `looked`: it was a search. A look is none. False when the caller's fence no longer runs, or no longer holds the link.
pub fn found_nothing(rules: &Rules, to: &mut State, worker: u8, looked: bool) -> bool {
    let effect = to.executions[worker as usize].effect();
    let is_open = matches!(
        to.link(effect).state,
        LinkState::Claimed | LinkState::Creating
    );
    if !is_open || !link_is_ours(rules, to, worker) {
        return false;
    }
    let link = &mut to.links[effect as usize];
    link.state = LinkState::Claimed;
    link.looked = looked;
    true
}
