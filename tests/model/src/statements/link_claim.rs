//! `link_claim`: claims the right to create one record.
//!
//! Its statements: the link's row inserted or locked · the caller's own fence is live · the holder's liveness, the verdict, and the
//! commit. A holder that was live when it was asked may be dead a moment later: the caller then comes back for nothing.

use super::LookedAt;
use crate::state::{Intent, Link, LinkState, Missing, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "link/link_claim.sql",
        "67749276f131e69af13433c2b372475bdda5628b89b22622d3ac179374d3ed72",
    ),
    (
        "link/link_holder_is_live.sql",
        "620ef2d247239be35db5ada544bc0fc4ba0b5effe4b5a3b1832958a22f06baa0",
    ),
];

/// What a claim says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The caller holds the key, and nothing was sent.
    Mine {
        /// A search found nothing lately.
        looked: bool,
    },
    Linked {
        /// The last read did not find it.
        missing: bool,
    },
    Accepted,
    Busy,
    InDoubt,
    Look,
}

/// Inserts the row or locks it. Nothing while another claim has the lock.
#[must_use]
pub fn lock(state: &State, worker: u8) -> Option<State> {
    let own = &state.executions[worker as usize];
    if state.link(own.effect()).lock.is_some() {
        return None;
    }
    let mut to = *state;
    let link = &mut to.links[own.effect() as usize];
    if link.state == LinkState::None {
        *link = Link {
            state: LinkState::Claimed,
            holder: Some(own.lane),
            fence: own.fence,
            ..Link::default()
        };
    }
    link.lock = Some(worker);
    to.executions[worker as usize].superseded = false;
    Some(to)
}

/// The rest of the function, under the row's lock.
pub fn verdict(state: &State, worker: u8, to: &mut State) -> Verdict {
    let own = &state.executions[worker as usize];
    let before = state.link(own.effect());
    let link = &mut to.links[own.effect() as usize];
    link.lock = None;
    if before.state == LinkState::Linked {
        let missing = before.missing != Missing::No;
        return Verdict::Linked { missing };
    }
    let is_live = before
        .holder
        .is_some_and(|lane| state.holder_is_live(lane, before.fence));
    if is_live && !before.is_held_by(own) {
        return Verdict::Busy;
    }
    if before.state == LinkState::Creating {
        link.doubted = true;
        if before.intent != Intent::Visible {
            return Verdict::InDoubt;
        }
    }
    link.holder = Some(own.lane);
    link.fence = own.fence;
    match before.state {
        LinkState::Accepted => Verdict::Accepted,
        LinkState::Creating => Verdict::Look,
        LinkState::None | LinkState::Claimed | LinkState::Linked => Verdict::Mine {
            looked: before.looked,
        },
    }
}
