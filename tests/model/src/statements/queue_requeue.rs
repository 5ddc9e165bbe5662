//! `queue_requeue`: puts a failed job back at its lane's end, or joins it to its waiting duplicate.

use super::LookedAt;
use crate::state::{Job, JobState, Log, State};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[
    (
        "queue/queue_drop_job.sql",
        "63c455414d81b29cfbf75c1c528d6b060bbcc35669fee196e1791b1fce59b5ca",
    ),
    (
        "queue/queue_join.sql",
        "419c2d3125ce46e0bc1d86808b196dc0580e419393feaeffdd5c99a6262e2d50",
    ),
    (
        "queue/queue_requeue.sql",
        "b4f421f6f3baae36fcf3859a23411bdfb73e4aa460759008de91713b2ce82b7b",
    ),
];

/// The caller has the lane's lock and has looked for the duplicate.
pub fn requeue(to: &mut State, job: u8, duplicate: Option<u8>, explicit: bool) {
    if let Some(duplicate) = duplicate {
        to.jobs[duplicate as usize].explicit |= explicit;
        let joined = &mut to.jobs[job as usize];
        joined.state = JobState::Joined;
        joined.log = Log::Skipped;
        joined.joined = Some(duplicate);
        return;
    }
    let Job { lane, kind, .. } = to.jobs[job as usize];
    let seq = to.next_seq(lane);
    to.jobs[job as usize] = Job {
        state: JobState::Queued,
        lane,
        kind,
        seq,
        explicit,
        ..Job::default()
    };
}

/// `queue_drop_job`: a job ends without being run.
pub fn drop_job(to: &mut State, job: u8) {
    let job = &mut to.jobs[job as usize];
    job.state = JobState::Skipped;
    job.log = Log::Skipped;
}
