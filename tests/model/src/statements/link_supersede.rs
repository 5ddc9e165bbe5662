//! `link_supersede`: retires a link and its children.
//!
//! The statement that writes waits for the rows' locks, and asks for the fence itself.

use super::LookedAt;
use crate::rules::{Rules, Safeguard};
use crate::state::{EFFECTS, LANES, Link, State, matter};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "link/link_supersede.sql",
    "7cacdc91ccd877cc3f88e4747dc0b4bead409307a8f12aec5304776e270287ee",
)];

/// What the statement has done.
#[derive(Debug)]
pub struct Superseded {
    pub to: State,
    /// False when the caller's fence no longer runs.
    pub held: bool,
}

/// Nothing while a row is locked.
#[must_use]
pub fn supersede(rules: &Rules, state: &State, worker: u8) -> Option<Superseded> {
    let own = &state.executions[worker as usize];
    let held = state.lane_runs(own.lane, own.fence) || !rules.keeps(Safeguard::LinksAskForFence);
    let mut to = *state;
    // Another link of the same record is not touched.
    if !held || own.superseded {
        return Some(Superseded { to, held });
    }
    for effect in (0..EFFECTS as u8).filter(|at| belongs_to(*at, own.effect())) {
        if state.link(effect).lock.is_some() {
            return None;
        }
        to.links[effect as usize] = Link::default();
        for other in &mut to.executions {
            other.superseded |= other.effect() == effect;
        }
    }
    Some(Superseded { to, held })
}

/// Documents are their matter's children.
fn belongs_to(effect: u8, retired: u8) -> bool {
    effect == retired || retired == matter(0) && effect >= matter(LANES as u8)
}
