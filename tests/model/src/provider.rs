//! The provider: it applies a create late or never.

use crate::properties::broken_by_effect;
use crate::state::{CONTACT, REQUESTS, Request, State};
use crate::step::{Act, By, On, Step, Steps};

/// The provider's next steps.
pub fn steps(state: &State, out: &mut Steps) {
    for at in 0..REQUESTS {
        let request = state.requests[at];
        match request.effect {
            Some(effect) if !request.applied => apply(state, at, effect, out),
            Some(effect) if request.waiting.is_none() => {
                let mut to = *state;
                to.requests[at] = Request::default();
                out.service(Act::other("an answer finds nobody", On::Effect(effect)), to);
            }
            _ => {}
        }
    }
}

fn apply(state: &State, at: usize, effect: u8, out: &mut Steps) {
    let Request {
        lane, seq, waiting, ..
    } = state.requests[at];
    let on = On::Effect(effect);
    let mut to = *state;
    to.records[effect as usize].present += 1;
    if effect != CONTACT {
        let lane = &mut to.lanes[lane as usize];
        lane.latest_effect = lane.latest_effect.max(seq);
    }
    to.requests[at].applied = true;
    if waiting.is_none() {
        to.requests[at] = Request::default();
    }
    out.0.push(Step {
        act: Act::other("the provider applies a create", on),
        by: By::Service,
        to,
        reached: broken_by_effect(state, effect, lane, seq, waiting.is_some()),
    });
    if waiting.is_none() && state.budget.lose_request > 0 {
        let mut to = *state;
        to.budget.lose_request -= 1;
        to.requests[at] = Request::default();
        out.by(By::Fault, Act::other("a create never arrives", on), to);
    }
}
