//! A claim, and what follows from its verdict.

use crate::rules::{Rules, Safeguard};
use crate::state::{Ask, At, Execution, LinkState, Says, Stage, State};
use crate::statements::link_claim::{self, Verdict};
use crate::step::{Act, On, Steps};

pub(super) fn lock(state: &State, worker: u8, out: &mut Steps) {
    let on = On::Effect(state.execution(worker).effect());
    if let Some(mut to) = link_claim::lock(state, worker) {
        to.executions[worker as usize].at = At::ClaimLive;
        out.service(Act::of(worker, "claim: the link locked", on), to);
    }
}

pub(super) fn live(state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    let effect = own.effect();
    if state.holder_is_live(own.lane, own.fence) {
        own.at = At::ClaimVerdict;
    } else {
        own.end(Says::Later);
        to.links[effect as usize].lock = None;
    }
    let act = Act::of(worker, "claim: is the caller live", On::Effect(effect));
    out.service(act, to);
}

pub(super) fn verdict(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let effect = state.execution(worker).effect();
    let verdict = link_claim::verdict(state, worker, &mut to);
    if verdict == Verdict::Look && !rules.keeps(Safeguard::Look) {
        to.links[effect as usize].state = LinkState::Claimed;
        ask(&mut to.executions[worker as usize], Ask::Create);
    } else {
        follow(rules, &mut to.executions[worker as usize], verdict);
    }
    let act = Act::of(worker, "claim: verdict, committed", On::Effect(effect));
    out.service(act, to);
}

/// A call of this kind is next; its permit comes first.
fn ask(own: &mut Execution, ask: Ask) {
    own.ask = ask;
    own.at = At::PermitFence;
}

fn follow(rules: &Rules, own: &mut Execution, verdict: Verdict) {
    match verdict {
        Verdict::Busy | Verdict::InDoubt => own.end(Says::Later),
        Verdict::Look => ask(own, Ask::Look),
        Verdict::Accepted => {
            own.stage = Stage::Bytes;
            ask(own, Ask::Confirm);
        }
        Verdict::Linked { missing } => {
            own.missing = missing;
            linked(own);
        }
        Verdict::Mine { looked } => match own.stage {
            Stage::Contact if !looked => ask(own, Ask::Search),
            // Between the matter's claim and its creation the contact is ensured.
            Stage::Matter if rules.contact => {
                own.stage = Stage::Contact;
                own.at = At::ClaimLock;
            }
            Stage::Contact | Stage::Matter | Stage::Document | Stage::Bytes => {
                ask(own, Ask::Create);
            }
        },
    }
}

/// The record is linked: a matter that a person asked for by name is read, and what follows it is next otherwise.
pub(super) fn linked(own: &mut Execution) {
    match own.stage {
        Stage::Contact => {
            own.stage = Stage::Matter;
            ask(own, Ask::Create);
        }
        Stage::Matter if own.explicit => ask(own, Ask::Read),
        Stage::Matter => own.at = At::FollowUps,
        Stage::Document | Stage::Bytes => own.end(Says::Done),
    }
}

/// A creation has ended, or a record was found.
pub(super) fn completed(own: &mut Execution) -> LinkState {
    match own.stage {
        Stage::Document => {
            own.stage = Stage::Bytes;
            ask(own, Ask::Confirm);
            LinkState::Accepted
        }
        Stage::Matter => {
            own.at = At::FollowUps;
            LinkState::Linked
        }
        Stage::Contact | Stage::Bytes => {
            linked(own);
            LinkState::Linked
        }
    }
}

/// A search found nothing: the record is created.
pub(super) fn create(own: &mut Execution) {
    ask(own, Ask::Create);
}
