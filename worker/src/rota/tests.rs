//! The rota as the leaser and the finisher play it.

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
        turn_floor: 0,
    }
}

/// A visit's end.
fn found(rota: &mut Rota, number: u128, found: Found, took: bool, now: Moment) {
    let served = took.then_some(id(number)).into_iter().collect();
    rota.visited(&[report(number, found)], &served, now);
}

fn rota_with_turns(numbers: std::ops::RangeInclusive<u128>) -> (Rota, Moment) {
    let (mut rota, now) = (Rota::default(), Moment::now());
    for number in numbers {
        rota.hear(id(number));
    }
    for visit in rota.take_visits(100, Which::All, now) {
        found(
            &mut rota,
            visit.connection.0.as_u128(),
            Found::More { person: false },
            true,
            now,
        );
    }
    (rota, now)
}

#[test]
fn a_fresh_connection_is_visited_by_itself_before_all_that_wait_for_their_turn() {
    let (mut rota, now) = rota_with_turns(1..=3);

    rota.hear(id(9));

    assert_eq!(names(&rota.take_visits(2, Which::All, now)), [9]);
    assert_eq!(names(&rota.take_visits(2, Which::All, now)), [1, 2]);
}

#[test]
fn the_rotation_goes_on_however_many_are_fresh() {
    let (mut rota, now) = rota_with_turns(1..=3);

    for number in 11..=18 {
        rota.hear(id(number));
    }

    let alone = rota.take_visits(4, Which::All, now);
    assert_eq!(names(&alone), [11, 12, 13, 14]);
    let together = rota.take_visits(4, Which::All, now);
    assert_eq!(names(&together), [15, 1, 2, 3]);
}

#[test]
fn the_rotation_goes_on_where_there_is_room_for_one_visit_alone() {
    let (mut rota, now) = rota_with_turns(1..=2);
    for number in 11..=14 {
        rota.hear(id(number));
    }

    let visited: Vec<_> = (0..4)
        .map(|_| names(&rota.take_visits(1, Which::All, now))[0])
        .collect();

    assert_eq!(visited, [11, 1, 12, 2]);
}

#[test]
fn who_was_served_goes_to_the_end_and_who_was_not_keeps_his_place() {
    let (mut rota, now) = rota_with_turns(1..=3);

    let visits = rota.take_visits(2, Which::All, now);
    found(&mut rota, 1, Found::More { person: false }, true, now);
    found(&mut rota, 2, Found::More { person: false }, false, now);

    assert_eq!(names(&visits), [1, 2]);
    assert_eq!(names(&rota.take_visits(3, Which::All, now)), [2, 3, 1]);
}

#[test]
fn a_paused_connection_is_not_visited_before_its_time_whatever_becomes_ready() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);
    found(
        &mut rota,
        1,
        Found::Paused(Duration::from_secs(60)),
        false,
        now,
    );

    rota.hear(id(1));

    assert!(rota.take_visits(1, Which::All, now).is_empty());
    let then = now + Duration::from_secs(61);
    assert_eq!(names(&rota.take_visits(1, Which::All, then)), [1]);
}

#[test]
fn what_is_heard_during_a_visit_is_not_lost() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);

    rota.hear(id(1));
    found(&mut rota, 1, Found::Clear(None), false, now);

    assert_eq!(names(&rota.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn who_came_while_no_slot_was_free_is_next_in_the_order_of_coming() {
    let (mut rota, now) = rota_with_turns(1..=2);
    for number in [8, 9] {
        rota.hear(id(number));
        let _ = rota.take_visits(1, Which::Fresh, now);
        found(&mut rota, number, Found::More { person: false }, false, now);
    }

    // What becomes ready there now costs it no place.
    rota.hear(id(8));
    let without_a_slot = rota.take_visits(1, Which::Fresh, now);
    let visited: Vec<_> = (0..4)
        .map(|_| names(&rota.take_visits(1, Which::All, now))[0])
        .collect();

    assert!(without_a_slot.is_empty());
    assert_eq!(visited, [8, 1, 9, 2]);
}

#[test]
fn who_is_visited_together_is_filed_in_that_order() {
    let (mut rota, now) = rota_with_turns(1..=2);
    let together = |numbers: &[u128]| -> Vec<Visited> {
        let more = Found::More { person: false };
        numbers.iter().map(|n| report(*n, more)).collect()
    };
    let nobody = HashSet::new();

    let _ = rota.take_visits(2, Which::All, now);
    rota.visited(&together(&[1, 2]), &nobody, now);
    rota.hear(id(8));
    rota.hear(id(9));
    let _ = rota.take_visits(2, Which::Fresh, now);
    rota.visited(&together(&[8, 9]), &nobody, now);

    assert_eq!(names(&rota.take_visits(2, Which::All, now)), [8, 9]);
    assert_eq!(names(&rota.take_visits(2, Which::All, now)), [1, 2]);
}

#[test]
fn a_fresh_connection_that_another_worker_was_visiting_is_as_fresh_a_moment_later() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);
    rota.hear(id(2));
    let _ = rota.take_visits(1, Which::Fresh, now);

    found(&mut rota, 1, Found::Busy, false, now);
    found(&mut rota, 2, Found::Busy, false, now);

    assert!(rota.take_visits(9, Which::All, now).is_empty());
    assert!(!rota.may_go_on(&turn(2, Priority::Event, 1), true));
    let then = now + known::BUSY_REST;
    assert_eq!(rota.next_due(Which::Fresh), Some(then));
    assert_eq!(names(&rota.take_visits(9, Which::Fresh, then)), [2]);
    assert_eq!(names(&rota.take_visits(9, Which::All, then)), [1]);
}

#[test]
fn a_person_for_whom_there_was_no_room_is_fresh_again() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);

    found(&mut rota, 1, Found::More { person: true }, true, now);

    assert_eq!(names(&rota.take_visits(1, Which::Fresh, now)), [1]);
}

#[test]
fn a_slot_that_is_kept_for_people_is_not_asked_for_background_work_first() {
    let (mut rota, now) = (Rota::default(), Moment::now());
    for _ in 0..19 {
        rota.hear(id(1));
        let _ = rota.take_visits(1, Which::All, now);
        found(&mut rota, 1, Found::Clear(None), true, now);
    }
    rota.hear(id(1));
    let for_people = rota.take_visits(1, Which::Fresh, now)[0].background_first;
    found(&mut rota, 1, Found::More { person: false }, true, now);
    let for_all = rota.take_visits(1, Which::All, now)[0].background_first;

    assert!(!for_people && for_all, "background's turn is still to come");
}

#[test]
fn a_job_that_ends_during_a_visit_brings_a_full_connection_back_and_makes_it_no_fresh_one() {
    let (mut rota, now) = rota_with_turns(1..=2);
    let _ = rota.take_visits(2, Which::All, now);

    rota.make_room(id(1));
    rota.make_room(id(2));
    found(&mut rota, 1, Found::Full { person: false }, true, now);
    found(&mut rota, 2, Found::Full { person: true }, true, now);

    assert_eq!(names(&rota.take_visits(9, Which::Fresh, now)), [2]);
    assert_eq!(names(&rota.take_visits(9, Which::All, now)), [1]);
}

#[test]
fn a_pause_that_is_lifted_during_a_visit_is_not_waited_for() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);

    rota.forget_pauses();
    let paused = Found::Paused(Duration::from_hours(1));
    found(&mut rota, 1, paused, false, now);

    assert_eq!(names(&rota.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn after_a_new_server_came_held_lanes_are_counted_from_the_first() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let counted = Visited {
        turn_floor: 900,
        ..report(1, Found::More { person: false })
    };
    let served = HashSet::from([id(1)]);
    let _ = rota.take_visits(1, Which::All, now);
    rota.visited(std::slice::from_ref(&counted), &served, now);

    rota.forget_floors();
    let before = rota.take_visits(1, Which::All, now)[0].turn_floor;
    // A visit that the old server has counted ends after the new one came.
    rota.forget_floors();
    rota.visited(std::slice::from_ref(&counted), &served, now);
    let after = rota.take_visits(1, Which::All, now)[0].turn_floor;

    assert_eq!((before, after), (0, 0));
}

#[test]
fn room_under_the_cap_brings_a_full_connection_back() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let _ = rota.take_visits(1, Which::All, now);
    found(&mut rota, 1, Found::Full { person: false }, true, now);
    assert!(rota.take_visits(1, Which::All, now).is_empty());

    rota.make_room(id(1));

    assert_eq!(names(&rota.take_visits(1, Which::All, now)), [1]);
}

#[test]
fn a_person_who_waits_behind_the_cap_gets_a_slot_that_is_kept_for_people() {
    let (mut rota, now) = rota_with_turns(1..=2);
    let _ = rota.take_visits(2, Which::All, now);
    found(&mut rota, 1, Found::Full { person: true }, true, now);
    found(&mut rota, 2, Found::Full { person: false }, true, now);

    rota.make_room(id(1));
    rota.make_room(id(2));

    assert_eq!(names(&rota.take_visits(2, Which::Fresh, now)), [1]);
}

#[test]
fn background_comes_first_each_twentieth_turn() {
    let (mut rota, now) = (Rota::default(), Moment::now());
    rota.hear(id(1));
    let mut turns = Vec::new();
    for _ in 0..40 {
        turns.extend(
            rota.take_visits(1, Which::All, now)
                .iter()
                .map(|v| v.background_first),
        );
        found(&mut rota, 1, Found::More { person: false }, true, now);
    }

    assert_eq!(turns.iter().filter(|first| **first).count(), 2);
    assert!(turns[19] && turns[39]);
}

/// At its so-many-th job.
fn turn(number: u128, priority: Priority, jobs: u64) -> LaneTurn {
    let job = LeasedJob {
        connection_id: id(number),
        priority: priority as i16,
        ..probe("lane", 0)
    };
    let mut turn = LaneTurn::new(&job);
    (1..jobs).for_each(|_| turn.go_on(&job));
    turn
}

#[test]
fn a_worker_goes_on_only_while_nobody_is_kept_waiting() {
    let (mut rota, now) = rota_with_turns(1..=1);
    let at = |number, jobs| turn(number, Priority::Event, jobs);
    assert!(
        rota.may_go_on(&at(2, 15), false) && !rota.may_go_on(&at(2, 16), false),
        "another waits for its turn"
    );

    let _ = rota.take_visits(1, Which::All, now);
    assert!(!rota.may_go_on(&at(1, 1), true), "nobody knows who waits");
    found(&mut rota, 1, Found::Clear(None), true, now);
    assert!(rota.may_go_on(&at(1, 1_600), false));

    rota.hear(id(3));
    assert!(!rota.may_go_on(&at(1, 1), false), "a fresh one waits");
    assert!(rota.may_go_on(&at(1, 1_600), true), "there is room for all");
}

#[test]
fn a_turn_is_short_where_other_lanes_of_the_connection_wait() {
    let (mut rota, now) = rota_with_turns(1..=2);
    let at = |number, jobs| turn(number, Priority::Event, jobs);
    assert!(rota.may_go_on(&at(1, 7), true) && !rota.may_go_on(&at(1, 8), true));
    let background = turn(1, Priority::Background, 1);
    assert!(!rota.may_go_on(&background, true), "events wait there");

    let _ = rota.take_visits(2, Which::All, now);
    found(&mut rota, 1, Found::Full { person: false }, true, now);
    found(&mut rota, 2, Found::Full { person: true }, true, now);

    assert!(rota.may_go_on(&at(1, 7), true));
    assert!(!rota.may_go_on(&at(2, 1), true), "a person waits there");
}

#[test]
fn turns_that_begin_together_do_not_end_together() {
    let length = |fence| {
        let job = probe("lane", fence);
        let (mut turn, mut jobs) = (LaneTurn::new(&job), 1);
        while !turn.ends_here(SHORT_TURN) {
            turn.go_on(&job);
            jobs += 1;
        }
        jobs
    };

    let mut lengths: Vec<u64> = (100..108).map(length).collect();
    lengths.sort_unstable();

    assert_eq!(lengths, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_look_that_finds_a_person_waiting_gives_a_slot_that_is_kept_for_people() {
    let (mut rota, now) = rota_with_turns(1..=2);
    let seen = |number, person| ReadyConnection {
        connection: id(number),
        ready_floor: DateTime::UNIX_EPOCH,
        due_in: Duration::ZERO,
        person,
    };

    let _ = rota.take_visits(1, Which::All, now);
    found(&mut rota, 1, Found::Full { person: false }, true, now);
    rota.refresh(&[seen(1, true), seen(2, true), seen(3, false)], now);

    assert_eq!(names(&rota.take_visits(9, Which::Fresh, now)), [1, 2]);
}

#[test]
fn who_moves_to_the_front_of_the_line_leaves_no_second_place_behind() {
    let (mut rota, now) = rota_with_turns(1..=3);

    rota.hear(id(2));

    assert_eq!(names(&rota.take_visits(9, Which::All, now)), [2]);
    assert_eq!(names(&rota.take_visits(9, Which::All, now)), [1, 3]);
    assert!(rota.take_visits(9, Which::All, now).is_empty());
}
