//! A worker's execution of one job: its statements and calls, one step each.

mod calls;
mod claims;
mod links;
mod permit;
pub mod relay;

use crate::properties::Reached;
use crate::rules::{Rules, Safeguard};
use crate::state::{
    At, Execution, Kind, LinkState, Process, Row, Says, Stage, State, effect, matter,
};
use crate::statements::{authorisation, queue_finish};
use crate::step::{Act, On, Steps};

/// The next steps of a worker's execution.
pub fn steps(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let own = &state.executions[worker as usize];
    if own.at == At::Idle || state.workers[worker as usize].process != Process::Runs {
        return;
    }
    if own.at == At::Open && is_poison(rules, own) {
        let mut to = *state;
        to.die(worker);
        out.service(
            Act::of(worker, "its job takes the process down", On::Nothing),
            to,
        );
        return;
    }
    break_off(state, worker, out);
    step(rules, state, worker, out);
}

/// The worker's own clock, or a beat that found its row gone, breaks off what runs. A frozen process may also go on.
fn break_off(state: &State, worker: u8, out: &mut Steps) {
    let own = &state.executions[worker as usize];
    let row = &state.workers[worker as usize];
    let has_begun_to_finish = matches!(own.at, At::Finish | At::FinishLocked);
    if has_begun_to_finish || row.row == Row::There && !row.lapsed {
        return;
    }
    let mut to = *state;
    to.let_go(worker);
    to.executions[worker as usize].end(Says::Later);
    out.service(
        Act::of(worker, "execution broken off", On::Lane(own.lane)),
        to,
    );
}

fn step(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    match state.executions[worker as usize].at {
        At::Idle => {}
        At::Open => open(rules, state, worker, out),
        At::Facts => facts(state, worker, out),
        At::ClaimLock => claims::lock(state, worker, out),
        At::ClaimLive => claims::live(state, worker, out),
        At::ClaimVerdict => claims::verdict(rules, state, worker, out),
        At::PermitFence => permit::fence(state, worker, out),
        At::PermitEpoch => permit::epoch(state, worker, out),
        At::PermitCancelled => permit::cancelled(state, worker, out),
        At::PermitPaused => permit::paused(state, worker, out),
        At::PermitLink => permit::link(rules, state, worker, out),
        At::Call => calls::call(rules, state, worker, out),
        At::Answer => calls::answer(state, worker, out),
        At::Complete => links::complete(rules, state, worker, out),
        At::Found => links::found(rules, state, worker, out),
        At::NotSent => links::not_sent(rules, state, worker, out),
        At::NoteMissing => links::note_missing(rules, state, worker, out),
        At::Supersede => links::supersede(rules, state, worker, out),
        At::FollowUps => follow_ups(rules, state, worker, out),
        At::ParkRead => park_read(state, worker, out),
        At::Park => park(state, worker, out),
        At::Finish => queue_finish::lock(rules, state, worker, out),
        At::FinishLocked => queue_finish::write(rules, state, worker, out),
    }
}

/// The job takes its process down.
fn is_poison(rules: &Rules, own: &Execution) -> bool {
    rules.poison && own.lane == 0 && own.kind == Kind::Matter
}

/// Reads the connection and opens the session.
fn open(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    if own.cancelled {
        own.end(Says::Cancelled);
    } else if state.connection.parked {
        if rules.keeps(Safeguard::ParksOwnEpoch) {
            own.end(Says::Later);
        } else {
            own.at = At::ParkRead;
        }
    } else {
        own.epoch = state.connection.epoch;
        (own.stage, own.at) = match own.kind {
            Kind::Matter => (Stage::Matter, At::ClaimLock),
            Kind::DocumentA | Kind::DocumentB => (Stage::Document, At::Facts),
        };
    }
    let on = On::Effect(effect(own.lane, own.kind));
    out.service(Act::of(worker, "job opens", on), to);
}

fn facts(state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    let on = On::Effect(matter(own.lane));
    if state.link(matter(own.lane)).state == LinkState::Linked {
        own.at = At::ClaimLock;
    } else {
        own.end(Says::MatterNotSynced);
    }
    out.service(
        Act::of(worker, "a document reads its matter's link", on),
        to,
    );
}

/// The approved documents without a link; all of them when a person asked.
fn follow_ups(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    if own.lane == 0 {
        for (nth, kind) in [Kind::DocumentA, Kind::DocumentB].into_iter().enumerate() {
            let is_linked = state.link(effect(0, kind)).state == LinkState::Linked;
            if rules.documents >> nth & 1 == 1 && (own.explicit || !is_linked) {
                own.follow_ups |= 1 << nth;
            }
        }
    }
    own.end(Says::Done);
    let on = On::Lane(own.lane);
    out.service(Act::of(worker, "a matter lists its documents", on), to);
}

fn park_read(state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    let own = &mut to.executions[worker as usize];
    own.epoch = state.connection.epoch;
    own.at = At::Park;
    out.service(
        Act::of(worker, "park: the connection read anew", On::Nothing),
        to,
    );
}

fn park(state: &State, worker: u8, out: &mut Steps) {
    let epoch = state.executions[worker as usize].epoch;
    let (mut to, reached): (State, Reached) = authorisation::park(state, epoch);
    to.executions[worker as usize].end(Says::Later);
    out.reaching(Act::of(worker, "park", On::Nothing), to, reached);
}

impl State {
    /// The worker's locks on links go, and nobody waits for its answer any more.
    pub fn let_go(&mut self, worker: u8) {
        for link in &mut self.links {
            link.lock = link.lock.filter(|by| *by != worker);
        }
        for request in &mut self.requests {
            if request.waiting == Some(worker) {
                request.waiting = None;
            }
        }
    }
}
