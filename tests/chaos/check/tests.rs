//! Every word with a ledger written by hand: a clean one passes, and each word can be made to count.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::{Broken, Event, Job, Lane, Log, WorkerRow};
use crate::ledger::{
    Append, Blow, Breach, Call, End, Hold, Ledger, Matter, Post, Sample, Time, Worker,
};
use crate::verdict::Verdict;

const ACCOUNT: u64 = 5001;
const MATTER: Uuid = Uuid::from_u128(1);
const FIRST: Uuid = Uuid::from_u128(11);
const SECOND: Uuid = Uuid::from_u128(12);
const CONNECTION: Uuid = Uuid::from_u128(21);
const WORKER_1: Uuid = Uuid::from_u128(31);
const WORKER_2: Uuid = Uuid::from_u128(32);
const JOB: Uuid = Uuid::from_u128(41);

fn at(seconds: i64) -> Time {
    Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn lane(matter: Uuid) -> String {
    format!("out:{CONNECTION}:{matter}")
}

fn post(number: u128, upload: Option<Uuid>, sent: i64) -> Post {
    Post {
        event: Uuid::from_u128(100 + number),
        matter: MATTER,
        upload,
        sha256: upload.map(|_| "bytes".into()),
        sent: at(sent),
        answered: at(sent + 1),
        status: Some(202),
    }
}

fn event(number: u128) -> Event {
    Event {
        id: Uuid::from_u128(100 + number).to_string(),
        status: "done".into(),
    }
}

/// The inbox of an event is told by who made its row: a worker brings it from Redis.
fn append(number: u128, process: &str) -> Append {
    Append {
        event: Uuid::from_u128(100 + number).to_string(),
        process: Some(process.into()),
    }
}

fn document(id: u64, upload: Uuid) -> Value {
    json!({ "id": id, "account_id": ACCOUNT, "fully_uploaded": true, "sha256": "bytes",
        "external_properties": [{ "name": "casehug_document_id", "value": upload }] })
}

/// A change of the lane's holder: who held it before, who holds it from then on.
fn hold(seconds: i64, before: Option<Uuid>, after: Option<Uuid>) -> Hold {
    Hold {
        at: at(seconds),
        transaction: seconds.to_string(),
        lane: lane(MATTER),
        connection_id: CONNECTION,
        worker_before: before,
        job_before: before.map(|_| JOB),
        worker: after,
        transferring: false,
        overtaken: 0,
    }
}

fn end(seconds: i64, process: &str) -> End {
    End {
        at: at(seconds),
        transaction: seconds.to_string(),
        process: Some(process.into()),
        job: JOB,
        outcome: "done".into(),
    }
}

fn create(seconds: i64, process: &str) -> Call {
    Call {
        at: at(seconds),
        platform: "clio".into(),
        method: "POST".into(),
        url: "https://app.clio.com/api/v4/matters.json?fields=id".into(),
        headers: [("host".to_owned(), format!("host-of-{process}"))].into(),
        body: json!({ "data": { "client_reference": MATTER } }),
    }
}

fn worker(id: Uuid, process: &str) -> Worker {
    Worker {
        id,
        process: Some(process.into()),
    }
}

fn sample(seconds: i64, waiting: i64) -> Sample {
    Sample {
        at: at(seconds),
        up: true,
        waiting: Some(waiting),
    }
}

/// Two approvals of one matter, taken over once between the two, and everything in its place.
fn clean() -> Ledger {
    let mut ledger = Ledger::default();
    for process in ["worker-1", "worker-2"] {
        let host = format!("host-of-{process}");
        ledger.run.hosts.insert(host, process.into());
    }
    ledger.matters.push(Matter {
        matter: MATTER,
        account: ACCOUNT,
        email: "a@example.com".into(),
    });
    ledger.posts = vec![
        post(0, None, 0),
        post(1, Some(FIRST), 2),
        post(2, Some(SECOND), 4),
    ];
    ledger.database.events = vec![event(0), event(1), event(2)];
    ledger.appends = [0, 1, 2].map(|n| append(n, "ingress-1")).into();
    ledger.workers = vec![worker(WORKER_1, "worker-1"), worker(WORKER_2, "worker-2")];
    ledger.holds = vec![
        hold(10, None, Some(WORKER_1)),
        hold(20, Some(WORKER_1), None),
        hold(21, None, Some(WORKER_2)),
        hold(30, Some(WORKER_2), None),
    ];
    ledger.ends = vec![end(20, "worker-1"), end(30, "worker-2")];
    ledger.calls = vec![create(15, "worker-1")];
    ledger.state.contacts = vec![
        json!({ "id": 1, "account_id": ACCOUNT, "email_addresses": [{ "address": "A@example.com" }] }),
    ];
    ledger.state.matters =
        vec![json!({ "id": 2, "account_id": ACCOUNT, "client_reference": MATTER })];
    ledger.state.documents = vec![document(3, FIRST), document(4, SECOND)];
    ledger.database.now = vec![at(100)];
    ledger
}

fn verdict(change: impl FnOnce(&mut Ledger)) -> Verdict {
    let mut ledger = clean();
    change(&mut ledger);
    Verdict::of(&ledger)
}

fn failed(upload: Option<Uuid>, code: &str) -> Log {
    Log {
        id: JOB,
        matter_id: Some(MATTER),
        upload_id: upload,
        action: "sync_matter".into(),
        status: "failed".into(),
        code: Some(code.into()),
    }
}

#[test]
fn a_clean_ledger_is_clean() {
    let verdict = verdict(|_| {});

    assert!(verdict.is_clean(), "{:?}", verdict.findings);
    assert_eq!((verdict.events_accepted, verdict.jobs_done), (3, 2));
}

#[test]
fn an_accepted_approval_without_its_document_is_lost() {
    assert_eq!(verdict(|it| it.state.documents.truncate(1)).lost, 1);
    assert_eq!(
        verdict(|it| it.state.documents[1]["sha256"] = json!("other")).lost,
        1
    );
    assert_eq!(
        verdict(|it| it.state.documents[1]["fully_uploaded"] = json!(false)).lost,
        1
    );
    assert_eq!(verdict(|it| it.state.matters.clear()).lost, 1);
}

#[test]
fn what_was_never_accepted_is_not_lost() {
    let refused = verdict(|it| {
        it.state.documents.truncate(1);
        it.posts[2].status = Some(503);
    });

    assert_eq!((refused.lost, refused.events_accepted), (0, 2));
}

#[test]
fn an_event_that_the_inbox_does_not_know_is_lost_whatever_stands() {
    assert_eq!(verdict(|it| it.database.events.truncate(2)).lost, 1);
    assert_eq!(
        verdict(|it| it.database.events[0].status = "rejected".into()).lost,
        1
    );
}

#[test]
fn a_failed_log_answers_but_worker_lost_only_for_the_marked_matter() {
    let failed_with = |code: &'static str, marked: bool| {
        verdict(move |it| {
            it.state.documents.truncate(1);
            it.database.logs.push(failed(Some(SECOND), code));
            it.run.poisoned = marked.then_some(MATTER);
        })
    };

    assert_eq!(failed_with("provider_refused", false).lost, 0);
    assert_eq!(failed_with("worker_lost", false).lost, 1);
    assert_eq!(failed_with("worker_lost", true).lost, 0);
}

#[test]
fn a_second_record_for_one_effect_key_is_duplicated() {
    let again = |it: &mut Vec<Value>| {
        let mut second = it[0].clone();
        second["id"] = json!(99);
        it.push(second);
    };

    assert_eq!(verdict(|it| again(&mut it.state.contacts)).duplicated, 1);
    assert_eq!(verdict(|it| again(&mut it.state.matters)).duplicated, 1);
    assert_eq!(verdict(|it| again(&mut it.state.documents)).duplicated, 1);
    let elsewhere = verdict(|it| {
        again(&mut it.state.matters);
        it.state.matters[1]["account_id"] = json!(ACCOUNT + 1);
    });
    assert_eq!(elsewhere.duplicated, 0);
}

#[test]
fn a_later_approval_whose_document_was_made_first_is_reordered() {
    let swapped =
        |it: &mut Ledger| it.state.documents = vec![document(4, FIRST), document(3, SECOND)];

    assert_eq!(verdict(swapped).reordered, 1);
    let at_once = verdict(|it| {
        swapped(it);
        it.posts[2].sent = at(2);
    });
    assert_eq!(at_once.reordered, 0);
    let put_back = verdict(|it| {
        swapped(it);
        it.database
            .logs
            .push(failed(Some(FIRST), "provider_refused"));
    });
    assert_eq!(put_back.reordered, 0);
}

#[test]
fn approvals_through_different_inboxes_have_no_order() {
    let swapped = |it: &mut Ledger, second: &[&str]| {
        it.state.documents = vec![document(4, FIRST), document(3, SECOND)];
        it.appends.truncate(2);
        it.appends.extend(second.iter().map(|by| append(2, by)));
    };

    let across = verdict(|it| swapped(it, &["worker-1"]));
    let through_both = verdict(|it| swapped(it, &["ingress-2", "worker-1"]));
    let within_redis = verdict(|it| {
        swapped(it, &["worker-1"]);
        it.appends[1] = append(1, "worker-2");
    });

    assert_eq!((across.reordered, through_both.reordered), (0, 0));
    assert_eq!(within_redis.reordered, 1);
}

#[test]
fn a_job_taken_up_before_an_older_one_is_reordered() {
    assert_eq!(verdict(|it| it.holds[0].overtaken = 1).reordered, 1);
}

#[test]
fn an_outcome_under_anothers_hold_is_a_stale_effect() {
    let late = |it: &mut Ledger| it.ends[1].process = Some("worker-1".into());

    assert_eq!(verdict(late).stale_effects, 1);
    let lost = verdict(|it| {
        late(it);
        it.ends[1].outcome = "lost".into();
    });
    assert_eq!(lost.stale_effects, 0);
}

#[test]
fn an_outcome_that_freed_no_lane_is_a_stale_effect() {
    assert_eq!(
        verdict(|it| it.ends.push(end(40, "worker-1"))).stale_effects,
        1
    );
}

#[test]
fn a_write_after_the_lane_was_taken_over_is_a_stale_effect() {
    let late = |it: &mut Ledger| it.calls.push(create(25, "worker-1"));

    assert_eq!(verdict(late).stale_effects, 1);
    let held_up = verdict(|it| {
        late(it);
        it.blows.push(Blow {
            kind: "stall_provider".into(),
            process: Some("worker-1".into()),
            at: at(19),
            until: at(25),
        });
    });
    assert_eq!(held_up.stale_effects, 0);
}

#[test]
fn a_write_for_a_document_or_contact_is_judged_by_the_lane_it_is_for() {
    let write = |method: &str, path: &str, data: Value| {
        let (method, url) = (
            method.to_owned(),
            format!("https://app.clio.com/api/v4/{path}"),
        );
        verdict(move |it| {
            it.calls.push(Call {
                method,
                url,
                body: json!({ "data": data }),
                ..create(25, "worker-1")
            });
        })
        .stale_effects
    };

    assert_eq!(write("POST", "documents.json", document(0, FIRST)), 1);
    assert_eq!(write("PATCH", "documents/3.json", json!({})), 1);
    let contact = json!({ "email_addresses": [{ "address": "a@example.com" }] });
    assert_eq!(write("POST", "contacts.json", contact), 1);
}

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
