//! `queue_follow_up`: appends what a finished matter asks for, in its own lane, under the lane's lock.

use super::LookedAt;
use super::queue_place::{Pick, find_duplicate, place};
use super::queue_requeue::requeue;
use crate::properties::Reached;
use crate::rules::{Rules, Safeguard};
use crate::state::{Code, Execution, JobState, Kind, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_follow_up.sql",
        "0b289316ad96247a2ab3966f76cfeca5fce1cd8ef8c9b8e36c2a7023a5452a5a",
    ),
    (
        "queue/queue_requeue_failed.sql",
        "db01d3dd552c531e0d086bf5c966fc3368a8f4463816dbee39e92b9317d98772",
    ),
];

/// No person has asked for what follows by its name. First the failed documents come back, then the documents of the matter follow.
pub fn follow_up(rules: &Rules, to: &mut State, ended: &Execution, pick: Pick) -> Reached {
    requeue_failed(rules, to, ended.lane, pick);
    let mut reached = Reached::default();
    for (nth, kind) in [Kind::DocumentA, Kind::DocumentB].into_iter().enumerate() {
        if ended.follow_ups >> nth & 1 == 1 {
            let (_, joined) = place(rules, to, (ended.lane, kind), false, pick);
            reached = reached.and(joined);
        }
    }
    reached
}

/// `queue_requeue_failed`, oldest first.
fn requeue_failed(rules: &Rules, to: &mut State, lane: u8, pick: Pick) {
    let mut failed: Vec<(u8, u8)> = to
        .rows()
        .filter(|(_, job)| {
            job.lane == lane && job.state == JobState::Failed && job.code == Code::MatterNotSynced
        })
        .map(|(at, job)| (job.seq, at))
        .collect();
    failed.sort_unstable();
    for (_, job) in failed {
        let kind = to.jobs[job as usize].kind;
        let duplicate =
            find_duplicate(to, lane, kind, pick).filter(|_| rules.keeps(Safeguard::RequeueJoins));
        let explicit = to.jobs[job as usize].explicit;
        requeue(to, job, duplicate, explicit);
    }
}
