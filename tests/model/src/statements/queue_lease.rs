//! `queue_lease`: visits the connection and holds one due lane of it.
//!
//! Its statements: the worker's own row is alive, and is locked `for key share` · the connection's advisory lock, its pauses and its
//! held lanes · a lane locked, its head read, the lane held, and the commit. The last three are one step: under the lane's lock nobody
//! changes its jobs.

use super::LookedAt;
use crate::properties::Property;
use crate::rules::{Rules, Safeguard};
use crate::state::{At, Execution, LANES, Lane, LaneLock, Leasing, Process, State};
use crate::step::{Act, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_cap.sql",
        "1a7f235fab2d2a6642d0ff6936c706ad9eee4a1d36a8ebe9b81d644e64c4369a",
    ),
    (
        "queue/queue_choose_lanes.sql",
        "164ffbcb6ea1ea6201fcd0dd4d7a4fdb94455fcba6a21f8b051a9d3f5bd1e90e",
    ),
    (
        "queue/queue_heads.sql",
        "dabe47843420306d908d92d59f61089576aab38f2b96b163a01ada9d5f6edd81",
    ),
    (
        "queue/queue_held_jobs.sql",
        "631579d5b26df8cdb51e2a766fb9d4ed862a8933cfd71d53ad8527d1fd8618f7",
    ),
    (
        "queue/queue_hold_lanes.sql",
        "fba59ac52a40f9a48b10add21359cd59cbc0f3da54a1f674a4d85d8160a91d5d",
    ),
    (
        "queue/queue_lease.sql",
        "51c630ae05dc01e6bb20af2e12b28fd970ce47d2111563f4fdd3dc1afced04e4",
    ),
    (
        "queue/queue_open_visits.sql",
        "dcbe7a509ede799bbc8c85324c22ec52020d7ac1e92b226c6dc6305bb7f1d610",
    ),
    (
        "queue/queue_try_connection.sql",
        "a9942c9843d4384a2e4aa963b4b307f30ddd6d651374e048192ab7bc76b52b11",
    ),
];

/// The next statement of a worker's lease. A worker of the model has one slot.
pub fn steps(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    if own.process != Process::Runs || state.executions[worker as usize].at != At::Idle {
        return;
    }
    match own.leasing {
        Leasing::No => begin(rules, state, worker, out),
        Leasing::Alive => visit(rules, state, worker, out),
        Leasing::Visiting => take(rules, state, worker, out),
    }
}

fn begin(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let alone = state.workers[worker as usize].alone;
    let mut lanes = state.lanes.iter();
    let is_due = lanes.any(|lane| lane.ready && is_for(rules, lane, alone));
    let waits = rules.keeps(Safeguard::LeaseLocksWorker) && state.workers[worker as usize].locked;
    if !is_due || waits || !state.is_alive(worker) {
        return;
    }
    let mut to = *state;
    to.workers[worker as usize].leasing = Leasing::Alive;
    let act = Act::of(
        worker,
        "lease: its own row is alive, and is locked",
        On::Nothing,
    );
    out.service(act, to);
}

/// Suspect lanes are for workers that run alone, all others for all others.
fn is_for(rules: &Rules, lane: &Lane, alone: bool) -> bool {
    lane.suspect == alone || !alone && !rules.keeps(Safeguard::SuspectsAlone)
}

/// `queue_open_visits`: nobody else visits, no pause, capacity.
fn is_open(rules: &Rules, state: &State) -> bool {
    state.connection.visited.is_none() && !state.is_paused() && state.held() < rules.cap
}

fn visit(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut to = *state;
    if !is_open(rules, state) {
        to.workers[worker as usize].leasing = Leasing::No;
        out.service(
            Act::of(worker, "lease: visited, paused or at its cap", On::Nothing),
            to,
        );
        return;
    }
    to.workers[worker as usize].leasing = Leasing::Visiting;
    to.connection.visited = Some(worker);
    if !rules.keeps(Safeguard::HeadsAfterLock) {
        to.workers[worker as usize].heads = std::array::from_fn(|lane| state.head(lane as u8));
    }
    out.service(
        Act::of(worker, "lease: the connection is open", On::Nothing),
        to,
    );
}

fn take(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let mut left = *state;
    left.connection.visited = None;
    let own = &mut left.workers[worker as usize];
    let alone = own.alone;
    let read_before = std::mem::take(&mut own.heads);
    own.leasing = Leasing::No;
    let mut is_due = false;
    for lane in 0..LANES as u8 {
        let row = state.lane(lane);
        if !row.ready || row.lock != LaneLock::Free || !is_for(rules, row, alone) {
            continue;
        }
        is_due = true;
        let head = if rules.keeps(Safeguard::HeadsAfterLock) {
            state.head(lane)
        } else {
            read_before[lane as usize]
        };
        let mut to = left;
        let on = On::Lane(lane);
        if let Some(head) = head {
            hold(&mut to, worker, lane, head);
            let act = Act::of(worker, "lease: lane held, committed", on);
            out.checked(act, to, Property::TakenAfterPause, state.is_paused());
        } else {
            to.lanes[lane as usize].ready = false;
            out.service(Act::of(worker, "lease: no head, lane idle", on), to);
        }
    }
    if !is_due {
        out.service(Act::of(worker, "lease: nothing is due", On::Nothing), left);
    }
}

/// `queue_hold_lanes`, and the worker has the job: also where it goes on with a lane.
pub fn hold(to: &mut State, worker: u8, lane: u8, head: u8) {
    let fence = to.next_fence();
    let held = &mut to.lanes[lane as usize];
    held.ready = false;
    held.worker = Some(worker);
    held.running = Some(head);
    held.fence = fence;
    let job = &to.jobs[head as usize];
    to.executions[worker as usize] = Execution {
        at: At::Open,
        job: Some(head),
        lane,
        fence,
        kind: job.kind,
        seq: job.seq,
        explicit: job.explicit,
        cancelled: job.cancelled,
        ..Execution::default()
    };
}
