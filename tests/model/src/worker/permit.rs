//! The permit before each call.

use crate::rules::Rules;
use crate::state::{Ask, At, Says, State};
use crate::statements::queue_permit;
use crate::step::{Act, On, Steps};

/// Goes on to `next`, or ends with these words.
fn answered(state: &State, worker: u8, next: Result<At, Says>, what: &'static str) -> (Act, State) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    let on = On::Effect(own.effect());
    match next {
        Ok(at) => own.at = at,
        Err(says) => own.end(says),
    }
    (Act::of(worker, what, on), to)
}

pub(super) fn fence(state: &State, worker: u8, out: &mut Steps) {
    let next = if queue_permit::is_leased(state, worker) {
        Ok(At::PermitEpoch)
    } else {
        Err(Says::Later)
    };
    let (act, to) = answered(state, worker, next, "permit: fence and lease");
    out.service(act, to);
}

pub(super) fn epoch(state: &State, worker: u8, out: &mut Steps) {
    let next = if queue_permit::is_own_epoch(state, worker) {
        Ok(At::PermitCancelled)
    } else {
        Err(Says::Later)
    };
    let (act, to) = answered(state, worker, next, "permit: epoch");
    out.service(act, to);
}

pub(super) fn cancelled(state: &State, worker: u8, out: &mut Steps) {
    let next = if queue_permit::is_cancelled(state, worker) {
        Err(Says::Cancelled)
    } else {
        Ok(At::PermitPaused)
    };
    let (act, to) = answered(state, worker, next, "permit: cancelled");
    out.service(act, to);
}

pub(super) fn paused(state: &State, worker: u8, out: &mut Steps) {
    let own = state.execution(worker);
    let next = match (state.is_paused(), own.ask) {
        (true, _) => Err(Says::Later),
        (false, Ask::Create) => Ok(At::PermitLink),
        (false, Ask::Search | Ask::Look | Ask::Confirm | Ask::Read) => Ok(At::Call),
    };
    let (act, to) = answered(state, worker, next, "permit: pauses");
    out.service(act, to);
}

pub(super) fn link(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    if let Some(to) = queue_permit::write_intent(rules, state, worker) {
        let on = On::Effect(state.execution(worker).effect());
        out.service(Act::of(worker, "permit: link, committed", on), to);
    }
}
