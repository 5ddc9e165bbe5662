//! `link_note_missing`: a read of a linked record found it or did not; only a second read proves that it is gone.

use super::LookedAt;
use crate::rules::{Rules, Safeguard};
use crate::state::{Missing, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "link/link_note_missing.sql",
    "c6baf47d935d66e227e4c897425c1a7af2b21612c6ffa5fdf058fb88e6df1d22",
)];

/// What follows from a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// The caller's fence no longer runs.
    Stale,
    There,
    /// It has to be read once more.
    Wait,
    Gone,
}

/// Notes what a read found.
pub fn note(rules: &Rules, to: &mut State, worker: u8, is_there: bool) -> Noted {
    let own = to.executions[worker as usize];
    let runs = to.lane_runs(own.lane, own.fence) || !rules.keeps(Safeguard::LinksAskForFence);
    if !runs {
        return Noted::Stale;
    }
    // The link that was read; another one of the same record is not touched.
    let mut other = Missing::No;
    let missing = if own.superseded {
        &mut other
    } else {
        &mut to.links[own.effect() as usize].missing
    };
    if is_there {
        *missing = Missing::No;
        to.records[own.effect() as usize].restored = false;
        return Noted::There;
    }
    if *missing == Missing::Provable || !rules.keeps(Safeguard::TwoReads) {
        return Noted::Gone;
    }
    *missing = Missing::Noted;
    Noted::Wait
}
