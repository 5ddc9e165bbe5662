//! `queue_place`: puts a job at its place in a lane whose lock the caller has, or joins it to a waiting duplicate.
//!
//! Where two duplicates wait (one of them has run and come back), the statement takes either: [`Pick`] tries both.

use super::LookedAt;
use crate::properties::{Property, Reached};
use crate::rules::{Rules, Safeguard};
use crate::state::{Job, JobState, Kind, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_find_duplicate.sql",
        "563dea00a61480413657678ba6b3f144dd7920dbaad3dbbf0804cd4d2cb0e89f",
    ),
    (
        "queue/queue_merge_duplicates.sql",
        "0582ae870aaaf0be0ebd83a57d550667cb7c609bebc702d79f197fd5c3b1e9b0",
    ),
    (
        "queue/queue_open_logs.sql",
        "6310b8b154e563385a3b14cf4528aaa65e8d9979163bbd6817c8178475d52df9",
    ),
    (
        "queue/queue_place.sql",
        "48368a15cfaf17f762e87554a817d744e8c5cb3a5d8d75ec0a0e3e3cba4dd4d4",
    ),
];

/// Which of two waiting duplicates the statement finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    First,
    Last,
}

impl Pick {
    /// What a statement leads to, for each pick that makes a difference.
    pub fn each<T: PartialEq>(lead: impl Fn(Self) -> T) -> Vec<T> {
        let (first, last) = (lead(Self::First), lead(Self::Last));
        if first == last {
            vec![first]
        } else {
            vec![first, last]
        }
    }
}

/// `queue_find_duplicate`.
#[must_use]
pub fn find_duplicate(state: &State, lane: u8, kind: Kind, pick: Pick) -> Option<u8> {
    let running = state.lane(lane).running;
    let waiting = state
        .rows()
        .filter(|(at, job)| {
            job.state == JobState::Queued
                && (job.lane, job.kind) == (lane, kind)
                && !job.cancelled
                && running != Some(*at)
        })
        .map(|(at, job)| (job.seq, at));
    let found = match pick {
        Pick::First => waiting.min(),
        Pick::Last => waiting.max(),
    };
    found.map(|(_, at)| at)
}

/// Returns the job that carries the wish from now on.
///
/// # Panics
/// The table of the model is too small for the scenario.
pub fn place(
    rules: &Rules,
    to: &mut State,
    (lane, kind): (u8, Kind),
    explicit: bool,
    pick: Pick,
) -> (u8, Reached) {
    let running = to.lane(lane).running;
    let mut duplicate = find_duplicate(to, lane, kind, pick);
    if !rules.keeps(Safeguard::JoinsPassOverRunning) && duplicate.is_none() {
        duplicate = running.filter(|job| to.jobs[*job as usize].kind == kind);
    }
    if let Some(job) = duplicate {
        to.jobs[job as usize].explicit |= explicit;
        let joined = Reached::default().with_if(Property::JoinedRunning, running == duplicate);
        return (job, joined);
    }
    let seq = to.next_seq(lane);
    let free = (0..)
        .zip(&to.jobs)
        .find(|(_, job)| job.state == JobState::Free);
    let at: u8 = free.expect("the table of jobs is large enough").0;
    to.jobs[at as usize] = Job {
        state: JobState::Queued,
        lane,
        kind,
        seq,
        explicit,
        ..Job::default()
    };
    (at, Reached::default())
}
