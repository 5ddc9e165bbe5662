//! How long a worker goes on with a lane.

use super::*;

#[test]
fn a_worker_goes_on_only_while_nobody_is_kept_waiting() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let at = |number, jobs| run(number, Priority::Event, jobs);
    assert!(
        scheduler.may_continue(&at(2, 15), false) && !scheduler.may_continue(&at(2, 16), false),
        "another waits for its turn"
    );

    let _ = scheduler.take_visits(1, Which::All, now);
    assert!(
        !scheduler.may_continue(&at(1, 1), true),
        "it is not known yet who waits"
    );
    found(&mut scheduler, 1, Found::Clear(None), true, now);
    assert!(scheduler.may_continue(&at(1, 1_600), false));

    scheduler.notify_ready(id(3));
    assert!(
        !scheduler.may_continue(&at(1, 1), false),
        "a fresh one waits"
    );
    assert!(
        scheduler.may_continue(&at(1, 1_600), true),
        "there is room for all"
    );
}

#[test]
fn a_turn_is_short_where_other_lanes_of_the_connection_wait() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    let at = |number, jobs| run(number, Priority::Event, jobs);
    assert!(scheduler.may_continue(&at(1, 7), true) && !scheduler.may_continue(&at(1, 8), true));
    let background = run(1, Priority::Background, 1);
    assert!(
        !scheduler.may_continue(&background, true),
        "events wait there"
    );

    let _ = scheduler.take_visits(2, Which::All, now);
    found(&mut scheduler, 1, Found::Full { person: false }, true, now);
    found(&mut scheduler, 2, Found::Full { person: true }, true, now);

    assert!(scheduler.may_continue(&at(1, 7), true));
    assert!(
        !scheduler.may_continue(&at(2, 1), true),
        "a person waits there"
    );
}

#[test]
fn turns_that_begin_together_do_not_end_together() {
    let length = |fence| {
        let job = probe("lane", fence);
        let (mut run, mut jobs) = (LaneRun::new(&job), 1);
        while !run.ends_here(SHORT_RUN) {
            run.continue_with(&job);
            jobs += 1;
        }
        jobs
    };

    let mut lengths: Vec<u64> = (100..108).map(length).collect();
    lengths.sort_unstable();

    assert_eq!(lengths, [1, 2, 3, 4, 5, 6, 7, 8]);
}
