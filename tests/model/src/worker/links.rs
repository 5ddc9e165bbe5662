//! What an execution writes of links, and how it goes on.

use super::claims;
use crate::properties::Property;
use crate::rules::Rules;
use crate::state::{Ask, At, Says, State};
use crate::statements::link_note_missing::{Noted, note};
use crate::statements::{link_complete, link_found_nothing, link_not_sent, link_supersede};
use crate::step::{Act, On, Steps};

pub(super) fn complete(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    if is_locked(state, worker) {
        return;
    }
    let effect = state.execution(worker).effect();
    let mut to = *state;
    let mut own = *state.execution(worker);
    let end = claims::completed(&mut own);
    let is_written = link_complete::complete(rules, &mut to, worker, end);
    if !is_written {
        own = *state.execution(worker);
        own.end(Says::Later);
    }
    to.executions[worker as usize] = own;
    let act = Act::of(worker, "link_complete", On::Effect(effect));
    let is_stale = is_written && !state.holds(worker);
    out.checked(act, to, Property::StaleComplete, is_stale);
}

/// What a search or a look has found: one is adopted, several are never guessed between.
pub(super) fn found(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let own = state.execution(worker);
    let on = On::Effect(own.effect());
    let mut to = *state;
    match own.found {
        0 if is_locked(state, worker) => return,
        0 => {}
        1 => return complete(rules, state, worker, out),
        _ => {
            to.executions[worker as usize].end(Says::Fail);
            out.service(Act::of(worker, "several records match", on), to);
            return;
        }
    }
    let is_search = own.ask == Ask::Search;
    let is_written = link_found_nothing::found_nothing(rules, &mut to, worker, is_search);
    let next = &mut to.executions[worker as usize];
    match (is_written, is_search) {
        (false, _) => next.end(Says::Later),
        (true, true) => claims::create(next),
        (true, false) => next.at = At::ClaimLock,
    }
    let act = Act::of(worker, "link_found_nothing", on);
    let is_stale = is_written && !state.holds(worker);
    out.checked(act, to, Property::StaleFound, is_stale);
}

/// What follows was decided before.
pub(super) fn not_sent(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    if is_locked(state, worker) {
        return;
    }
    let on = On::Effect(state.execution(worker).effect());
    let mut to = *state;
    let is_written = link_not_sent::not_sent(rules, &mut to, worker);
    let own = &mut to.executions[worker as usize];
    own.at = if own.says == Says::Nothing {
        park_at(rules)
    } else {
        At::Finish
    };
    let is_stale = is_written && !state.holds(worker);
    let act = Act::of(worker, "link_not_sent", on);
    out.checked(act, to, Property::StaleFound, is_stale);
}

/// Where an execution goes on whose authorisation was refused.
pub(super) fn park_at(rules: &Rules) -> At {
    if rules.keeps(crate::rules::Safeguard::ParksOwnEpoch) {
        At::Park
    } else {
        At::ParkRead
    }
}

pub(super) fn note_missing(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    if is_locked(state, worker) {
        return;
    }
    let effect = state.execution(worker).effect();
    let is_there = state.execution(worker).found > 0;
    let mut to = *state;
    let noted = note(rules, &mut to, worker, is_there);
    let own = &mut to.executions[worker as usize];
    match noted {
        Noted::Stale | Noted::Wait => own.end(Says::Later),
        Noted::There => own.at = At::FollowUps,
        Noted::Gone => own.at = At::Supersede,
    }
    let is_stale = noted != Noted::Stale && !state.holds(worker);
    let act = Act::of(worker, "link_note_missing", On::Effect(effect));
    out.checked(act, to, Property::StaleMissing, is_stale);
}

pub(super) fn supersede(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let on = On::Effect(state.execution(worker).effect());
    let Some(superseded) = link_supersede::supersede(rules, state, worker) else {
        return;
    };
    let mut to = superseded.to;
    let own = &mut to.executions[worker as usize];
    if superseded.held {
        own.at = At::ClaimLock;
    } else {
        own.end(Says::Later);
    }
    let is_stale = to.links != state.links && !state.holds(worker);
    let act = Act::of(worker, "link_supersede", on);
    out.checked(act, to, Property::StaleSupersede, is_stale);
}

/// A statement that meets a lock waits, and reads anew.
fn is_locked(state: &State, worker: u8) -> bool {
    let effect = state.execution(worker).effect();
    state.link(effect).lock.is_some()
}
