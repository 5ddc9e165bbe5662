//! `left` and `longest_stall_ms`: work that no worker does, at the end or for a while.

use super::{at, verdict};
use crate::ledger::Sample;

fn sample(seconds: i64, waiting: i64) -> Sample {
    Sample {
        at: at(seconds),
        up: true,
        waiting: Some(waiting),
    }
}

#[test]
fn what_is_left_in_the_queue_is_not_clean() {
    let left = verdict(|it| it.database.events[0].status = "waiting".into());

    assert_eq!(left.left, 1);
    assert!(!left.is_clean());
}

#[test]
fn a_stall_lasts_from_the_last_finished_job_while_work_waits_and_postgres_is_up() {
    let stalled = verdict(|it| it.samples = (18..29).map(|second| sample(second, 1)).collect());
    let idle_between = verdict(|it| {
        it.samples = (18..29)
            .map(|second| sample(second, i64::from(second != 24)))
            .collect();
    });
    let away_between = verdict(|it| {
        it.samples = (18..29).map(|second| sample(second, 1)).collect();
        it.samples[6].up = false;
    });

    assert_eq!(stalled.longest_stall_ms, 8_000);
    assert_eq!(idle_between.longest_stall_ms, 3_000);
    assert_eq!(away_between.longest_stall_ms, 3_000);
}
