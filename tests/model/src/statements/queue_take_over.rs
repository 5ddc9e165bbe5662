//! `queue_take_over`: takes the lanes of a dead worker.
//!
//! Its statements: the own row has renewed for a lease, and the dead worker's row is locked (one step: both judge by the moment at which
//! the function began) · the lanes are locked · they are freed, the row is deleted, and the commit.

use super::LookedAt;
use super::queue_release_lost::release_lost;
use crate::properties::{Property, Reached};
use crate::rules::{Rules, Safeguard};
use crate::state::{LANES, LaneLock, Leasing, Process, Row, State, TakeOver, TakingOver, WORKERS};
use crate::step::{Act, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_take_over.sql",
    "904499d197b90c376a82dc27ae52b648b514fdd82dc33e8f3c91a8687a1bea19",
)];

/// The next statement of the takeover.
pub fn steps(rules: &Rules, state: &State, out: &mut Steps) {
    match state.take_over.step {
        TakingOver::No => begin(rules, state, out),
        TakingOver::RowLocked => lock_lanes(rules, state, out),
        TakingOver::LanesLocked => free(state, out),
    }
}

fn begin(rules: &Rules, state: &State, out: &mut Steps) {
    for by in 0..WORKERS as u8 {
        let own = &state.workers[by as usize];
        let may = !own.fresh || !rules.keeps(Safeguard::RenewedSince);
        if own.process != Process::Runs || own.alone || !state.is_alive(by) || !may {
            continue;
        }
        for dead in (0..WORKERS as u8).filter(|dead| *dead != by && is_dead(rules, state, *dead)) {
            let mut to = *state;
            to.workers[dead as usize].locked = true;
            let step = TakingOver::RowLocked;
            let lanes = 0;
            to.take_over = TakeOver {
                step,
                by,
                dead,
                lanes,
            };
            let act = Act::of(
                by,
                "takeover: the dead worker's row locked",
                On::Worker(dead),
            );
            out.checked(act, to, Property::Theft, own.fresh);
        }
    }
}

/// `for update skip locked`: a row that a lease has locked is passed over.
fn is_dead(rules: &Rules, state: &State, worker: u8) -> bool {
    let row = &state.workers[worker as usize];
    let is_leasing = rules.keeps(Safeguard::LeaseLocksWorker) && row.leasing != Leasing::No;
    row.row == Row::There && row.lapsed && !row.locked && !is_leasing
}

fn lock_lanes(rules: &Rules, state: &State, out: &mut Steps) {
    let TakeOver { by, dead, .. } = state.take_over;
    let locks = rules.keeps(Safeguard::TakeOverLocksLanes);
    let mut to = *state;
    for lane in (0..LANES as u8).filter(|lane| state.lane(*lane).worker == Some(dead)) {
        if locks {
            if state.lane(lane).lock != LaneLock::Free {
                return;
            }
            to.lanes[lane as usize].lock = LaneLock::TakeOver;
        }
        to.take_over.lanes |= 1 << lane;
    }
    to.take_over.step = TakingOver::LanesLocked;
    out.service(
        Act::of(by, "takeover: its lanes locked", On::Worker(dead)),
        to,
    );
}

fn free(state: &State, out: &mut Steps) {
    let TakeOver {
        by, dead, lanes, ..
    } = state.take_over;
    let mut to = *state;
    let mut reached = Reached::default();
    for lane in (0..LANES as u8).filter(|lane| lanes >> lane & 1 == 1) {
        let is_robbed = state.lane(lane).worker != Some(dead);
        reached = reached.with_if(Property::FreedOfAnother, is_robbed);
        if to.lanes[lane as usize].lock == LaneLock::TakeOver {
            to.lanes[lane as usize].lock = LaneLock::Free;
        }
        reached = reached.and(release_lost(&mut to, lane));
    }
    to.workers[dead as usize].locked = false;
    if to.lanes.iter().all(|lane| lane.worker != Some(dead)) {
        to.workers[dead as usize].row = Row::Deleted;
    }
    to.take_over = TakeOver::default();
    let act = Act::of(
        by,
        "takeover: lanes freed, the row deleted, committed",
        On::Worker(dead),
    );
    out.reaching(act, to, reached);
}
