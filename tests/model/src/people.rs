//! People: of the firm, in CaseHug and at the provider.

use crate::state::{JOBS, State, matter};
use crate::statements::{queue_cancel, queue_end_cancelled, queue_retry, queue_skip};
use crate::step::{Act, By, On, Steps};

/// What people may do next, and the upkeep of what they have cancelled.
pub fn steps(state: &State, out: &mut Steps) {
    for job in 0..JOBS as u8 {
        queue_cancel::steps(state, job, out);
        queue_retry::steps(state, job, out);
        queue_skip::steps(state, job, out);
        queue_end_cancelled::steps(state, job, out);
    }
    pauses(state, out);
    reconnect(state, out);
    for effect in [matter(0), matter(1)] {
        records(state, effect, out);
    }
}

fn pauses(state: &State, out: &mut Steps) {
    let mut to = *state;
    if !state.connection.paused && state.budget.pause > 0 {
        to.budget.pause -= 1;
        to.connection.paused = true;
        out.by(By::Person, Act::other("a person pauses", On::Nothing), to);
    } else if state.connection.paused && state.budget.resume > 0 {
        to.budget.resume -= 1;
        to.connection.paused = false;
        out.by(By::Person, Act::other("a person resumes", On::Nothing), to);
    }
}

fn reconnect(state: &State, out: &mut Steps) {
    if state.budget.reconnect > 0 {
        let mut to = *state;
        to.budget.reconnect -= 1;
        to.connection.epoch += 1;
        to.connection.parked = false;
        out.by(
            By::Person,
            Act::other("a person reconnects", On::Nothing),
            to,
        );
    }
}

fn records(state: &State, effect: u8, out: &mut Steps) {
    let record = state.records[effect as usize];
    let on = On::Effect(effect);
    if state.budget.delete > 0 && record.present > 0 {
        let mut to = *state;
        to.budget.delete -= 1;
        let record = &mut to.records[effect as usize];
        record.present -= 1;
        record.deleted += 1;
        out.by(
            By::Person,
            Act::other("a person deletes the record", on),
            to,
        );
    }
    if state.budget.restore > 0 && record.deleted > 0 {
        let mut to = *state;
        to.budget.restore -= 1;
        let record = &mut to.records[effect as usize];
        record.present += 1;
        record.deleted -= 1;
        record.restored = true;
        out.by(
            By::Person,
            Act::other("a person restores the record", on),
            to,
        );
    }
}
