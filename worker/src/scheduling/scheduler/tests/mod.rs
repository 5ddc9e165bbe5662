//! The scheduler as the leaser and the finisher play it.

mod turns;

use chrono::DateTime;
use shared::domain::job::{LeasedJob, Priority};
use shared::queue::Found;

use super::*;
use crate::fixtures::probe;

fn id(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(number))
}

fn names(visits: &[Visit]) -> Vec<u128> {
    visits.iter().map(|v| v.connection.0.as_u128()).collect()
}

fn report(number: u128, found: Found) -> Visited {
    Visited {
        connection: id(number),
        found,
        ready_floor: None,
        first_fence_floor: 0,
    }
}

/// A visit's end.
fn found(scheduler: &mut Scheduler, number: u128, found: Found, took: bool, now: Moment) {
    let served = took.then_some(id(number)).into_iter().collect();
    scheduler.visited(&[report(number, found)], &served, now);
}

fn scheduler_with_queued(numbers: std::ops::RangeInclusive<u128>) -> (Scheduler, Moment) {
    let (mut scheduler, now) = (Scheduler::default(), Moment::now());
    for number in numbers {
        scheduler.notify_ready(id(number));
    }
    for visit in scheduler.take_visits(100, Which::All, now) {
        found(
            &mut scheduler,
            visit.connection.0.as_u128(),
            Found::More { person: false },
            true,
            now,
        );
    }
    (scheduler, now)
}

/// A run at its `jobs`-th job.
fn run(number: u128, priority: Priority, jobs: u64) -> LaneRun {
    let job = LeasedJob {
        connection_id: id(number),
        priority: priority as i16,
        ..probe("lane", 0)
    };
    let mut run = LaneRun::new(&job);
    (1..jobs).for_each(|_| run.continue_with(&job));
    run
}

#[test]
fn a_fresh_connection_is_visited_by_itself_before_all_that_wait_for_their_turn() {
    let (mut scheduler, now) = scheduler_with_queued(1..=3);

    scheduler.notify_ready(id(9));

    assert_eq!(names(&scheduler.take_visits(2, Which::All, now)), [9]);
    assert_eq!(names(&scheduler.take_visits(2, Which::All, now)), [1, 2]);
}

#[test]
fn the_rotation_goes_on_however_many_are_fresh() {
    let (mut scheduler, now) = scheduler_with_queued(1..=3);

    for number in 11..=18 {
        scheduler.notify_ready(id(number));
    }

    let alone = scheduler.take_visits(4, Which::All, now);
    assert_eq!(names(&alone), [11, 12, 13, 14]);
    let together = scheduler.take_visits(4, Which::All, now);
    assert_eq!(names(&together), [15, 1, 2, 3]);
}

#[test]
fn the_rotation_goes_on_where_there_is_room_for_one_visit_alone() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    for number in 11..=14 {
        scheduler.notify_ready(id(number));
    }

    let visited: Vec<_> = (0..4)
        .map(|_| names(&scheduler.take_visits(1, Which::All, now))[0])
        .collect();

    assert_eq!(visited, [11, 1, 12, 2]);
}

#[test]
fn who_was_served_goes_to_the_end_and_who_was_not_keeps_his_place() {
    let (mut scheduler, now) = scheduler_with_queued(1..=3);

    let visits = scheduler.take_visits(2, Which::All, now);
    found(&mut scheduler, 1, Found::More { person: false }, true, now);
    found(&mut scheduler, 2, Found::More { person: false }, false, now);

    assert_eq!(names(&visits), [1, 2]);
    assert_eq!(names(&scheduler.take_visits(3, Which::All, now)), [2, 3, 1]);
}

#[test]
fn a_paused_connection_is_not_visited_before_its_time_whatever_becomes_ready() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);
    found(
        &mut scheduler,
        1,
        Found::Paused(Duration::from_secs(60)),
        false,
        now,
    );

    scheduler.notify_ready(id(1));

    assert!(scheduler.take_visits(1, Which::All, now).is_empty());
    let then = now + Duration::from_secs(61);
    assert_eq!(names(&scheduler.take_visits(1, Which::All, then)), [1]);
}

#[test]
fn what_is_heard_during_a_visit_is_not_lost() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);

    scheduler.notify_ready(id(1));
    found(&mut scheduler, 1, Found::Clear(None), false, now);

    assert_eq!(names(&scheduler.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn who_came_while_no_slot_was_free_is_next_in_the_order_of_coming() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    for number in [8, 9] {
        scheduler.notify_ready(id(number));
        let _ = scheduler.take_visits(1, Which::New, now);
        found(
            &mut scheduler,
            number,
            Found::More { person: false },
            false,
            now,
        );
    }

    // What becomes ready there now costs it no place.
    scheduler.notify_ready(id(8));
    let without_a_slot = scheduler.take_visits(1, Which::New, now);
    let visited: Vec<_> = (0..4)
        .map(|_| names(&scheduler.take_visits(1, Which::All, now))[0])
        .collect();

    assert!(without_a_slot.is_empty());
    assert_eq!(visited, [8, 1, 9, 2]);
}

#[test]
fn who_is_visited_together_is_filed_in_that_order() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    let together = |numbers: &[u128]| -> Vec<Visited> {
        let more = Found::More { person: false };
        numbers.iter().map(|n| report(*n, more)).collect()
    };
    let nobody = HashSet::new();

    let _ = scheduler.take_visits(2, Which::All, now);
    scheduler.visited(&together(&[1, 2]), &nobody, now);
    scheduler.notify_ready(id(8));
    scheduler.notify_ready(id(9));
    let _ = scheduler.take_visits(2, Which::New, now);
    scheduler.visited(&together(&[8, 9]), &nobody, now);

    assert_eq!(names(&scheduler.take_visits(2, Which::All, now)), [8, 9]);
    assert_eq!(names(&scheduler.take_visits(2, Which::All, now)), [1, 2]);
}

#[test]
fn a_fresh_connection_that_another_worker_was_visiting_is_as_fresh_a_moment_later() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);
    scheduler.notify_ready(id(2));
    let _ = scheduler.take_visits(1, Which::New, now);

    found(&mut scheduler, 1, Found::Busy, false, now);
    found(&mut scheduler, 2, Found::Busy, false, now);

    assert!(scheduler.take_visits(9, Which::All, now).is_empty());
    assert!(!scheduler.may_continue(&run(2, Priority::Event, 1), true));
    let then = now + connection_state::BUSY_REST;
    assert_eq!(scheduler.next_due(Which::New), Some(then));
    assert_eq!(names(&scheduler.take_visits(9, Which::New, then)), [2]);
    assert_eq!(names(&scheduler.take_visits(9, Which::All, then)), [1]);
}

#[test]
fn a_person_for_whom_there_was_no_room_is_fresh_again() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);

    found(&mut scheduler, 1, Found::More { person: true }, true, now);

    assert_eq!(names(&scheduler.take_visits(1, Which::New, now)), [1]);
}

#[test]
fn a_slot_that_is_kept_for_people_is_not_asked_for_background_work_first() {
    let (mut scheduler, now) = (Scheduler::default(), Moment::now());
    for _ in 0..19 {
        scheduler.notify_ready(id(1));
        let _ = scheduler.take_visits(1, Which::All, now);
        found(&mut scheduler, 1, Found::Clear(None), true, now);
    }
    scheduler.notify_ready(id(1));
    let for_people = scheduler.take_visits(1, Which::New, now)[0].background_first;
    found(&mut scheduler, 1, Found::More { person: false }, true, now);
    let for_all = scheduler.take_visits(1, Which::All, now)[0].background_first;

    assert!(!for_people && for_all, "background's turn is still to come");
}

#[test]
fn a_job_that_ends_during_a_visit_brings_a_full_connection_back_and_makes_it_no_fresh_one() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    let _ = scheduler.take_visits(2, Which::All, now);

    scheduler.free_capacity(id(1));
    scheduler.free_capacity(id(2));
    found(&mut scheduler, 1, Found::Full { person: false }, true, now);
    found(&mut scheduler, 2, Found::Full { person: true }, true, now);

    assert_eq!(names(&scheduler.take_visits(9, Which::New, now)), [2]);
    assert_eq!(names(&scheduler.take_visits(9, Which::All, now)), [1]);
}

#[test]
fn a_pause_that_is_lifted_during_a_visit_is_not_waited_for() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);

    scheduler.forget_pauses();
    let paused = Found::Paused(Duration::from_hours(1));
    found(&mut scheduler, 1, paused, false, now);

    assert_eq!(names(&scheduler.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn after_a_new_server_came_held_lanes_are_counted_from_the_first() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let counted = Visited {
        first_fence_floor: 900,
        ..report(1, Found::More { person: false })
    };
    let served = HashSet::from([id(1)]);
    let _ = scheduler.take_visits(1, Which::All, now);
    scheduler.visited(std::slice::from_ref(&counted), &served, now);

    scheduler.forget_floors();
    let before = scheduler.take_visits(1, Which::All, now)[0].first_fence_floor;
    // A visit that the old server has counted ends after the new one origin.
    scheduler.forget_floors();
    scheduler.visited(std::slice::from_ref(&counted), &served, now);
    let after = scheduler.take_visits(1, Which::All, now)[0].first_fence_floor;

    assert_eq!((before, after), (0, 0));
}

#[test]
fn room_under_the_cap_brings_a_full_connection_back() {
    let (mut scheduler, now) = scheduler_with_queued(1..=1);
    let _ = scheduler.take_visits(1, Which::All, now);
    found(&mut scheduler, 1, Found::Full { person: false }, true, now);
    assert!(scheduler.take_visits(1, Which::All, now).is_empty());

    scheduler.free_capacity(id(1));

    assert_eq!(names(&scheduler.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn a_person_who_waits_behind_the_cap_gets_a_slot_that_is_kept_for_people() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    let _ = scheduler.take_visits(2, Which::All, now);
    found(&mut scheduler, 1, Found::Full { person: true }, true, now);
    found(&mut scheduler, 2, Found::Full { person: false }, true, now);

    scheduler.free_capacity(id(1));
    scheduler.free_capacity(id(2));

    assert_eq!(names(&scheduler.take_visits(2, Which::New, now)), [1]);
}

#[test]
fn background_comes_first_each_twentieth_turn() {
    let (mut scheduler, now) = (Scheduler::default(), Moment::now());
    scheduler.notify_ready(id(1));
    let mut turns = Vec::new();
    for _ in 0..40 {
        turns.extend(
            scheduler
                .take_visits(1, Which::All, now)
                .iter()
                .map(|v| v.background_first),
        );
        found(&mut scheduler, 1, Found::More { person: false }, true, now);
    }

    assert_eq!(turns.iter().filter(|first| **first).count(), 2);
    assert!(turns[19] && turns[39]);
}

#[test]
fn a_look_that_finds_a_person_waiting_gives_a_slot_that_is_kept_for_people() {
    let (mut scheduler, now) = scheduler_with_queued(1..=2);
    let seen = |number, person| ReadyConnection {
        connection: id(number),
        ready_floor: DateTime::UNIX_EPOCH,
        due_in: Duration::ZERO,
        person,
    };

    let _ = scheduler.take_visits(1, Which::All, now);
    found(&mut scheduler, 1, Found::Full { person: false }, true, now);
    scheduler.refresh(&[seen(1, true), seen(2, true), seen(3, false)], now);

    assert_eq!(names(&scheduler.take_visits(9, Which::New, now)), [1, 2]);
}

#[test]
fn who_moves_to_the_front_of_the_line_leaves_no_second_place_behind() {
    let (mut scheduler, now) = scheduler_with_queued(1..=3);

    scheduler.notify_ready(id(2));

    assert_eq!(names(&scheduler.take_visits(9, Which::All, now)), [2]);
    assert_eq!(names(&scheduler.take_visits(9, Which::All, now)), [1, 3]);
    assert!(scheduler.take_visits(9, Which::All, now).is_empty());
}
