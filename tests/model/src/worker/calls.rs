//! Calls of the provider. Whatever happens between a permit and its call was permitted before.

use super::links;
use crate::properties::Property;
use crate::rules::{Rules, Safeguard};
use crate::state::{Ask, At, Request, Says, State};
use crate::step::{Act, By, On, Steps};

pub(super) fn call(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let own = state.execution(worker);
    if own.ask == Ask::Create && own.late {
        let mut to = *state;
        let next = &mut to.executions[worker as usize];
        next.says = Says::Later;
        next.at = At::NotSent;
        let on = On::Effect(own.effect());
        out.service(
            Act::of(worker, "the send deadline has passed, nothing is sent", on),
            to,
        );
        if rules.keeps(Safeguard::SentInTime) {
            return;
        }
    }
    if state.revoked == own.epoch {
        return refused(rules, state, worker, out);
    }
    match own.ask {
        Ask::Create => send(state, worker, out),
        Ask::Search | Ask::Look => show(state, worker, out),
        Ask::Confirm => confirm(state, worker, out),
        Ask::Read => read(state, worker, out),
    }
}

/// 401, and the refresh is refused as well.
fn refused(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    own.at = if own.ask == Ask::Create {
        At::NotSent
    } else {
        links::park_at(rules)
    };
    out.service(
        Act::of(
            worker,
            "call refused (401), and the refresh too",
            On::Nothing,
        ),
        to,
    );
}

fn send(state: &State, worker: u8, out: &mut Steps) {
    let own = state.execution(worker);
    let Some(free) = state.requests.iter().position(|r| r.effect.is_none()) else {
        return;
    };
    let mut to = *state;
    to.requests[free] = Request {
        effect: Some(own.effect()),
        waiting: Some(worker),
        applied: false,
        lane: own.lane,
        seq: own.seq,
    };
    to.executions[worker as usize].at = At::Answer;
    let act = Act::of(worker, "create sent", On::Effect(own.effect()));
    out.checked(act, to, Property::SentAfterTakeOver, !state.holds(worker));
}

/// A list shows every record that stands.
fn show(state: &State, worker: u8, out: &mut Steps) {
    let effect = state.execution(worker).effect();
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    own.found = state.records[effect as usize].present.min(2);
    own.at = At::Found;
    out.service(
        Act::of(worker, "search or look answered", On::Effect(effect)),
        to,
    );
}

fn confirm(state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    own.at = At::Complete;
    let on = On::Effect(own.effect());
    out.service(Act::of(worker, "bytes sent and confirmed", on), to);
}

fn read(state: &State, worker: u8, out: &mut Steps) {
    let effect = state.execution(worker).effect();
    let on = On::Effect(effect);
    let is_there = state.records[effect as usize].present > 0;
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    own.found = u8::from(is_there);
    own.at = if is_there && !own.missing {
        // There is nothing to note.
        At::FollowUps
    } else {
        At::NoteMissing
    };
    out.service(Act::of(worker, "read answered", on), to);
    if is_there && state.budget.blink > 0 {
        let mut to = *state;
        to.budget.blink -= 1;
        let own = &mut to.executions[worker as usize];
        own.found = 0;
        own.at = At::NoteMissing;
        out.by(
            By::Fault,
            Act::of(worker, "read misses a record that stands", on),
            to,
        );
    }
}

/// The answer of a create: it comes, it is a refusal, or it is lost.
pub(super) fn answer(state: &State, worker: u8, out: &mut Steps) {
    let on = On::Effect(state.execution(worker).effect());
    let is_own = |request: &Request| request.waiting == Some(worker);
    let at = state.requests.iter().position(is_own);
    let at = at.expect("its request is under way");
    let is_applied = state.requests[at].applied;
    let mut to = *state;
    to.requests[at] = Request::default();
    let own = &mut to.executions[worker as usize];
    if is_applied {
        own.at = At::Complete;
        out.service(Act::of(worker, "create answered", on), to);
    } else if state.budget.refuse > 0 {
        to.budget.refuse -= 1;
        own.says = Says::Fail;
        own.at = At::NotSent;
        out.by(By::Fault, Act::of(worker, "create refused (422)", on), to);
    }
    if state.budget.lose_answer > 0 {
        lose(state, worker, (at, Says::Later), out);
        if state.budget.last_attempt > 0 {
            lose(state, worker, (at, Says::Fail), out);
        }
    }
}

fn lose(state: &State, worker: u8, (at, says): (usize, Says), out: &mut Steps) {
    let mut to = *state;
    to.budget.lose_answer -= 1;
    let what = if says == Says::Fail {
        to.budget.last_attempt -= 1;
        "answer lost at the last attempt"
    } else {
        "answer lost"
    };
    to.requests[at].waiting = None;
    if to.requests[at].applied {
        to.requests[at] = Request::default();
    }
    let own = &mut to.executions[worker as usize];
    own.end(says);
    let on = On::Effect(state.execution(worker).effect());
    out.by(By::Fault, Act::of(worker, what, on), to);
}
