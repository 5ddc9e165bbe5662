//! Time, without a clock: whatever may have passed may pass at any moment that the assumptions allow.

use crate::rules::{Rules, Safeguard};
use crate::state::{Ask, At, EFFECTS, Intent, LinkState, Missing, Process, Row, State, WORKERS};
use crate::step::{Act, On, Steps};

/// What time may bring next.
pub fn steps(rules: &Rules, state: &State, out: &mut Steps) {
    for worker in 0..WORKERS as u8 {
        leases(state, worker, out);
    }
    for effect in 0..EFFECTS as u8 {
        intents(rules, state, effect, out);
        reads(state, effect, out);
    }
}

fn leases(state: &State, worker: u8, out: &mut Steps) {
    let row = &state.workers[worker as usize];
    if row.row != Row::There || row.lapsed {
        return;
    }
    let mut to = *state;
    if row.process == Process::Dead {
        to.workers[worker as usize].lapsed = true;
        out.service(
            Act::of(worker, "the dead worker's lease ends", On::Nothing),
            to,
        );
    } else if row.fresh {
        to.workers[worker as usize].fresh = false;
        out.service(
            Act::of(worker, "has renewed for one lease length", On::Nothing),
            to,
        );
    }
}

/// `send_until` and the visibility delay. The delay is over only when what was sent has been applied or never will be.
fn intents(rules: &Rules, state: &State, effect: u8, out: &mut Steps) {
    let link = state.link(effect);
    if link.state != LinkState::Creating || link.lock.is_some() {
        return;
    }
    let on = On::Effect(effect);
    let mut to = *state;
    match link.intent {
        Intent::MaySend => {
            to.links[effect as usize].intent = Intent::Sent;
            for own in &mut to.executions {
                own.late |= own.at == At::Call && own.ask == Ask::Create && own.effect() == effect;
            }
            out.service(Act::other("send_until passes", on), to);
        }
        Intent::Sent => {
            let mut requests = state.requests.iter();
            let is_under_way = requests.any(|r| r.effect == Some(effect) && !r.applied);
            if !is_under_way || !rules.keeps(Safeguard::VisibleInTime) {
                to.links[effect as usize].intent = Intent::Visible;
                out.service(Act::other("the visibility delay passes", on), to);
            }
        }
        Intent::Visible => {}
    }
}

fn reads(state: &State, effect: u8, out: &mut Steps) {
    if state.link(effect).missing == Missing::Noted {
        let mut to = *state;
        to.links[effect as usize].missing = Missing::Provable;
        let act = Act::other("the time between two reads passes", On::Effect(effect));
        out.service(act, to);
    }
}
