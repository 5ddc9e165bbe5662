//! `queue_finish`: writes an outcome, and frees the lane or goes on with it.
//!
//! Its statements: the lane locked where lane, fence, worker and job match, and the pauses read · outcome, follow-ups and lane written,
//! and the commit. A lane that another transaction has locked is skipped, and the worker tries again.

use super::LookedAt;
use super::queue_follow_up::follow_up;
use super::queue_lease::hold;
use super::queue_place::Pick;
use crate::properties::{Property, Reached};
use crate::rules::{Rules, Safeguard};
use crate::state::{At, Code, Execution, Job, JobState, Kind, LaneLock, Log, Says, State};
use crate::step::{Act, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_finish.sql",
        "97cd3cb0be9660c96977cf2245cefc5cf2124308aef6184a747afcd71b18f47e",
    ),
    (
        "queue/queue_free_lanes.sql",
        "364e69f2552fe4da0fbd2981404baa5ae0d337ad755f20208f919b9edc9b9fbf",
    ),
    (
        "queue/queue_lock_held.sql",
        "26d44057967f775325c37f30494809d249517b43b8dce2bd93c4e3438a46a047",
    ),
    (
        "queue/queue_troubled_outcomes.sql",
        "3cf0cc109b7d6c65f02bdf26382e4f503663b143b9bbff8fe2bad18a9c1dffec",
    ),
    (
        "queue/queue_write_outcomes.sql",
        "03c0dad23f70755bdd3a6a1d2adfd900e0cf8a502d3295c6f817a249460df628",
    ),
];

/// `queue_lock_held`.
pub fn lock(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let execution = &state.executions[worker as usize];
    let lane = state.lane(execution.lane);
    let is_running = execution.job.is_some() && lane.running == execution.job;
    let is_held = state.holds(worker) || !rules.keeps(Safeguard::FenceInFinish);
    let on = On::Lane(execution.lane);
    let mut to = *state;
    if !is_running || !is_held {
        to.executions[worker as usize] = Execution::default();
        out.service(
            Act::of(worker, "finish: stale fence, outcome dropped", on),
            to,
        );
    } else if lane.lock == LaneLock::Free {
        to.lanes[execution.lane as usize].lock = LaneLock::Finish;
        let own = &mut to.executions[worker as usize];
        own.at = At::FinishLocked;
        own.paused = state.is_paused();
        out.service(Act::of(worker, "finish: lane locked", on), to);
    }
}

/// The rest, under the lane's lock.
pub fn write(rules: &Rules, state: &State, worker: u8, out: &mut Steps) {
    let lane = state.executions[worker as usize].lane;
    for (to, reached) in Pick::each(|pick| written(rules, state, worker, pick)) {
        let own = &state.executions[worker as usize];
        let head = to
            .head(lane)
            .filter(|_| own.says != Says::Later && !own.paused && !state.lane(lane).suspect);
        if let Some(next) = head {
            let mut on = to;
            hold(&mut on, worker, lane, next);
            let act = Act::of(
                worker,
                "finish: committed, goes on with the lane",
                On::Lane(lane),
            );
            let is_paused = state.is_paused();
            out.reaching(
                act,
                on,
                reached.with_if(Property::TakenAfterPause, is_paused),
            );
        }
        let mut free = to;
        free.lanes[lane as usize].ready = to.head(lane).is_some();
        let act = Act::of(worker, "finish: committed, lane free", On::Lane(lane));
        out.reaching(act, free, reached);
    }
}

fn written(rules: &Rules, state: &State, worker: u8, pick: Pick) -> (State, Reached) {
    let own = state.executions[worker as usize];
    let at = own.job.expect("the lane names the job") as usize;
    let mut to = *state;
    let mut reached = Reached::default()
        .with_if(
            Property::Overwritten,
            state.jobs[at].state != JobState::Queued,
        )
        .with_if(Property::StaleFinish, !state.holds(worker));
    let failed = write_outcome(rules, &mut to.jobs[at], own.says);
    reached = reached.with_if(Property::CancelFailed, failed && state.jobs[at].cancelled);
    if own.says == Says::Done && own.kind == Kind::Matter {
        reached = reached.and(follow_up(rules, &mut to, &own, pick));
    }
    let lane = &mut to.lanes[own.lane as usize];
    if own.says != Says::Later {
        lane.gone = to.jobs[at].seq;
    }
    lane.lock = LaneLock::Free;
    // While its job is to go on, it stays so.
    lane.suspect &= own.says == Says::Later;
    lane.worker = None;
    lane.running = None;
    to.executions[worker as usize] = Execution::default();
    (to, reached)
}

/// `queue_troubled_outcomes` and `queue_write_outcomes`. Returns whether the job has failed.
fn write_outcome(rules: &Rules, job: &mut Job, says: Says) -> bool {
    let is_cancelled = job.cancelled && rules.keeps(Safeguard::CancelWins);
    let (state, log) = match says {
        Says::Done => (JobState::Done, Log::Success),
        Says::Cancelled => (JobState::Skipped, Log::Skipped),
        Says::MatterNotSynced | Says::Fail if is_cancelled => (JobState::Skipped, Log::Skipped),
        Says::MatterNotSynced | Says::Fail => (JobState::Failed, Log::Failed),
        Says::Later | Says::Nothing => (JobState::Queued, Log::Pending),
    };
    job.state = state;
    job.log = log;
    job.ran = true;
    job.code = match says {
        Says::MatterNotSynced => Code::MatterNotSynced,
        Says::Nothing | Says::Done | Says::Later | Says::Fail | Says::Cancelled => Code::Other,
    };
    state == JobState::Failed
}
