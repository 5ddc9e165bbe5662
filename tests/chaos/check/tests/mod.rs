//! Every word with a ledger written by hand: a clean one passes, and each word can be made to count.

mod duplicated;
mod lost;
mod reordered;

mod breaches;
mod stale;

mod stall;

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::{Event, Log};
use crate::ledger::{Append, Call, End, Hold, Ledger, Matter, Post, State, Time, Worker};
use crate::platform::Platform;
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

/// Two approvals of one matter, taken over once between the two, and everything in its place.
fn clean() -> Ledger {
    let mut ledger = Ledger::default();
    for process in ["worker-1", "worker-2"] {
        let host = format!("host-of-{process}");
        ledger.run.hosts.insert(host, process.into());
    }
    ledger.matters.push(Matter {
        matter: MATTER,
        platform: Platform::Clio,
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
    ledger.state().contacts = vec![
        json!({ "id": 1, "account_id": ACCOUNT, "email_addresses": [{ "address": "A@example.com" }] }),
    ];
    ledger.state().matters =
        vec![json!({ "id": 2, "account_id": ACCOUNT, "client_reference": MATTER })];
    ledger.state().documents = vec![document(3, FIRST), document(4, SECOND)];
    ledger.database.now = vec![at(100)];
    ledger
}

impl Ledger {
    /// What Clio holds.
    fn state(&mut self) -> &mut State {
        self.states.entry(Platform::Clio).or_default()
    }
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
