//! What goes wrong with workers: their leases lapse, their processes die.

use crate::rules::Rules;
use crate::state::{
    ALONE, At, Execution, LaneLock, Leasing, Process, Row, State, TakeOver, TakingOver, WORKERS,
};
use crate::statements::queue_lacks_alone::lacks_alone;
use crate::statements::queue_register::register;
use crate::step::{Act, By, On, Steps};

/// The faults that may happen next, and what follows from them.
pub fn steps(rules: &Rules, state: &State, out: &mut Steps) {
    for worker in 0..WORKERS as u8 {
        lapse(state, worker, out);
        end(state, worker, out);
        leave(state, worker, out);
        kill(state, worker, out);
        start(rules, state, worker, out);
    }
    if state.budget.revoke > 0 {
        let mut to = *state;
        to.budget.revoke -= 1;
        to.revoked = state.connection.epoch;
        out.by(
            By::Fault,
            Act::other("the provider revokes the grant", On::Nothing),
            to,
        );
    }
}

/// The process is frozen or cut off; it may go on at any moment.
fn lapse(state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    if state.budget.lapse > 0 && state.is_alive(worker) && own.process == Process::Runs {
        let mut to = *state;
        to.budget.lapse -= 1;
        to.workers[worker as usize].lapsed = true;
        out.by(
            By::Fault,
            Act::of(worker, "its lease lapses", On::Nothing),
            to,
        );
    }
}

/// A worker that finds its row gone ends when all that ran has been handed in.
fn end(state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    let is_idle = state.executions[worker as usize].at == At::Idle && own.leasing == Leasing::No;
    if own.process == Process::Runs && own.row == Row::Deleted && is_idle {
        let mut to = *state;
        to.workers[worker as usize].process = Process::Dead;
        out.service(Act::of(worker, "ends: its row is gone", On::Nothing), to);
    }
}

fn kill(state: &State, worker: u8, out: &mut Steps) {
    if state.budget.kill > 0 && state.workers[worker as usize].process == Process::Runs {
        let mut to = *state;
        to.budget.kill -= 1;
        to.die(worker);
        out.by(By::Fault, Act::of(worker, "is killed", On::Nothing), to);
    }
}

/// Where jobs take their processes down, each process starts again; elsewhere a new one starts as the budget says.
fn start(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    let is_new = own.row == Row::NotYet;
    let is_free = is_new || own.row == Row::Deleted && own.process == Process::Dead;
    let has_died = || state.workers.iter().any(|w| w.process == Process::Dead);
    let may = if worker == ALONE {
        is_free && lacks_alone(rules, state)
    } else if rules.poison {
        is_free && worker < rules.workers
    } else {
        is_new && state.budget.start > 0 && has_died()
    };
    if may {
        let mut to = *state;
        if worker != ALONE && !rules.poison {
            to.budget.start -= 1;
        }
        register(&mut to, worker, worker == ALONE);
        out.service(Act::of(worker, "starts", On::Nothing), to);
    }
}

/// A worker that runs alone ends when no suspect is due any more.
fn leave(state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    let is_idle = state.executions[worker as usize].at == At::Idle && own.leasing == Leasing::No;
    let is_due = state.lanes.iter().any(|lane| lane.suspect && lane.ready);
    let is_held = state.lanes.iter().any(|lane| lane.worker == Some(worker));
    let runs = own.process == Process::Runs && own.row == Row::There;
    if own.alone && runs && is_idle && !is_due && !is_held && !own.locked {
        let mut to = *state;
        let own = &mut to.workers[worker as usize];
        own.row = Row::Deleted;
        own.process = Process::Dead;
        out.service(Act::of(worker, "ends: no suspect is due", On::Nothing), to);
    }
}

impl State {
    /// The worker's process ends without a word: its transactions are rolled back, its execution is gone.
    pub fn die(&mut self, worker: u8) {
        let execution = self.executions[worker as usize];
        if execution.at == At::FinishLocked {
            self.lanes[execution.lane as usize].lock = LaneLock::Free;
        }
        self.let_go(worker);
        self.executions[worker as usize] = Execution::default();
        let own = &mut self.workers[worker as usize];
        own.process = Process::Dead;
        own.leasing = Leasing::No;
        own.heads = Default::default();
        let visited = &mut self.connection.visited;
        *visited = visited.filter(|by| *by != worker);
        if self.take_over.step != TakingOver::No && self.take_over.by == worker {
            self.workers[self.take_over.dead as usize].locked = false;
            for lane in &mut self.lanes {
                if lane.lock == LaneLock::TakeOver {
                    lane.lock = LaneLock::Free;
                }
            }
            self.take_over = TakeOver::default();
        }
    }
}
