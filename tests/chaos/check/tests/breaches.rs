//! `auditor_breaches`: the last look at the lanes, what the auditors counted and recorded, and caps.

use uuid::Uuid;

use super::{JOB, MATTER, WORKER_1, WORKER_2, at, hold, lane, verdict};
use crate::database::{Broken, Job, Lane, WorkerRow};
use crate::ledger::{Breach, Hold};

#[test]
fn the_last_look_finds_each_broken_lane() {
    let broken = |ready: bool, worker: Option<Uuid>, queued: bool| {
        verdict(move |it| {
            it.database.lanes.push(Lane {
                key: lane(MATTER),
                ready_at: ready.then(|| at(90)),
                worker,
                running_job: worker.map(|_| JOB),
            });
            if queued {
                it.database.jobs.push(Job {
                    id: JOB,
                    lane: lane(MATTER),
                    state: "queued".into(),
                });
            }
            it.database.workers.push(WorkerRow {
                id: WORKER_2,
                alive_until: at(101),
                lease_ms: 3_000,
            });
        })
        .auditor_breaches
    };

    assert_eq!(broken(false, None, false), 0);
    assert_eq!(broken(false, None, true), 1);
    assert_eq!(broken(true, None, false), 1);
    assert_eq!(broken(true, None, true), 0);
    assert_eq!(broken(false, Some(WORKER_2), true), 0);
    assert_eq!(broken(false, Some(WORKER_1), true), 1);
}

#[test]
fn what_the_auditors_counted_is_summed_over_processes_and_lives() {
    let breach = |pid, breaches| Breach {
        process: "worker-1".into(),
        pid: Some(pid),
        breaches,
    };

    let counted = verdict(|it| it.breaches = vec![breach(1, 1.0), breach(1, 2.0), breach(2, 1.0)]);
    assert_eq!(counted.auditor_breaches, 3);
}

#[test]
fn what_the_auditors_recorded_is_what_they_counted_and_what_stands_is_more() {
    let broken = || {
        vec![Broken {
            rule: "idle_with_job".into(),
            lane: None,
        }]
    };

    let recorded = verdict(|it| {
        it.database.recorded = broken();
        it.breaches = vec![Breach {
            process: "worker-1".into(),
            pid: Some(1),
            breaches: 1.0,
        }];
    });
    let standing = verdict(|it| it.database.standing = broken());
    let both = verdict(|it| {
        it.database.recorded = broken();
        it.database.standing = broken();
    });

    assert_eq!(recorded.auditor_breaches, 1);
    assert_eq!(standing.auditor_breaches, 1);
    assert_eq!(both.auditor_breaches, 2);
}

#[test]
fn two_jobs_of_one_connection_at_a_time_break_its_cap_but_one_transfer_does_not() {
    let beside = |transferring: bool| {
        verdict(move |it| {
            it.holds.push(Hold {
                lane: lane(Uuid::from_u128(2)),
                transferring,
                ..hold(15, None, Some(WORKER_2))
            });
            it.holds.push(Hold {
                lane: lane(Uuid::from_u128(2)),
                ..hold(16, Some(WORKER_2), None)
            });
        })
        .auditor_breaches
    };

    assert_eq!(beside(false), 1);
    assert_eq!(beside(true), 0);
}
