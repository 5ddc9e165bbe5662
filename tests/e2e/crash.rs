//! The kill walk: the shipped worker is killed from outside, or frozen past its lease, at every boundary of a sync:
//! before and after each request to the provider, before and after each COMMIT. Whatever the boundary, there is then exactly
//! one contact, one matter and one of each document, and the log says `success`.
//!
//! A recorded run tells the boundaries; a proxy holds the message while the worker is killed.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::app::{Matter, Person};
use harness::{AppSettings, Held, Hold, Protocol, Proxy, Side, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, TestApp, cluster, start_with};

/// So many systems walk side by side: a case mostly waits for leases and settle times.
const SYSTEMS: usize = 6;
const LEASE: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_secs(2);
/// Shorter than the settle time: what is within it must be found.
const SEARCH_LAG: Duration = Duration::from_secs(1);

/// A boundary of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Boundary {
    protocol: Protocol,
    label: String,
    occurrence: u64,
    side: Side,
}

/// What happens at the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// Killed; the held message never arrives.
    Kill,
    /// Killed; the held message arrives all the same, later.
    KillThenDeliver,
    /// Frozen past its lease while the message passes; goes on when everything is done.
    Freeze,
    /// Frozen; what is held is let go only when it goes on: the answer comes under a stale fence.
    FreezeAndHold,
}

#[derive(Debug, Clone)]
struct Case {
    boundary: Boundary,
    blow: Blow,
}

/// A system whose workers go through both proxies.
struct Walker {
    app: TestApp,
    database: Proxy,
    clio: Proxy,
}

impl Walker {
    async fn start(search_lag: bool) -> Self {
        let settings = AppSettings {
            workers: 0,
            lease: LEASE,
            settle: SETTLE,
            search_lag: if search_lag {
                SEARCH_LAG
            } else {
                Duration::ZERO
            },
            ..AppSettings::default()
        };
        let mut app = start_with(settings).await;
        let postgres = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster().port()));
        let database = Proxy::start(Protocol::Postgres, postgres).await.unwrap();
        let simulator = app.simulator_socket().unwrap();
        let clio = Proxy::start(Protocol::Http, simulator).await.unwrap();
        app.settings.database_proxy = Some(database.address());
        app.settings.clio_proxy = Some(clio.address());
        app.start_worker().await.unwrap();
        Self {
            app,
            database,
            clio,
        }
    }

    /// A firm of its own for every case: its own account at Clio, contact, matter and document.
    async fn matter(&self, number: usize) -> Matter {
        let firm = self.app.firm().await.unwrap();
        let email = format!("person{number}@example.com");
        let person = Person::new("Ann", "Lee", Some(&email));
        let client = self.app.client(firm, &person).await.unwrap();
        let login = json!({ "login": { "account_id": 5000 + number, "account_name": "Firm" } });
        self.app.change(&login).await.unwrap();
        self.app.connect(firm).await.unwrap();
        self.app
            .matter(firm, client, "Lee v. Lee", Some("custody_only"))
            .await
            .unwrap()
    }

    fn hold(&self, boundary: &Boundary) -> Held {
        let proxy = match boundary.protocol {
            Protocol::Postgres => &self.database,
            Protocol::Http => &self.clio,
        };
        proxy.hold(Hold {
            label: boundary.label.clone(),
            rows_at_least: rows_at_least(&boundary.label),
            occurrence: boundary.occurrence,
            side: boundary.side,
        })
    }

    async fn run(&mut self, case: &Case, number: usize) -> Result<(), String> {
        let matter = self.matter(number).await;
        let upload = self
            .app
            .upload(matter, "intake.pdf", None, b"%PDF-1.7")
            .await
            .unwrap();
        let held = self.hold(&case.boundary);
        self.app.approve(&[upload]).await.unwrap();
        if !held.reached_within(SOON).await {
            return Err("the boundary was not reached".into());
        }
        match case.blow {
            Blow::Kill => self.kill(held).await?,
            Blow::KillThenDeliver => self.kill_then_deliver(held).await?,
            Blow::Freeze => self.freeze(Some(held)).await?,
            Blow::FreezeAndHold => {
                self.freeze(None).await?;
                held.release();
                self.thaw().await;
            }
        }
        self.check(matter, number).await
    }

    async fn kill(&mut self, held: Held) -> Result<(), String> {
        self.app.workers.pop().unwrap().kill9().unwrap();
        held.cut();
        self.app.start_worker().await.unwrap();
        self.settle().await
    }

    async fn kill_then_deliver(&mut self, held: Held) -> Result<(), String> {
        self.app.workers.pop().unwrap().kill9().unwrap();
        // At once, and not whenever the next worker is up: what arrives later than the settle time, nobody can foresee.
        // An upstream that refuses the dead client's message is an end like another.
        let _ = held.deliver_then_cut().await;
        self.app.start_worker().await.unwrap();
        self.settle().await
    }

    async fn freeze(&mut self, held: Option<Held>) -> Result<(), String> {
        self.app.workers[0].stop().unwrap();
        let frozen: uuid::Uuid = sqlx::query_scalar("select id from workers")
            .fetch_one(&self.app.admin)
            .await
            .unwrap();
        let passed = held.is_some();
        if let Some(held) = held {
            held.release();
        }
        self.app.start_worker().await.unwrap();
        self.settle().await?;
        // Past its lease, and replaced: a worker that goes on earlier is none the worse for it.
        eventually(SOON, || async {
            let row = sqlx::query("select from workers where id = $1").bind(frozen);
            row.fetch_optional(&self.app.admin)
                .await
                .ok()?
                .is_none()
                .then_some(())
        })
        .await
        .unwrap();
        if passed {
            self.thaw().await;
        }
        Ok(())
    }

    /// The frozen worker goes on, learns that it was replaced, and changes nothing.
    async fn thaw(&mut self) {
        let frozen = self.app.workers.remove(0);
        frozen.resume().unwrap();
        frozen
            .wait_for_line(|line| line.contains("another worker took over"), SOON)
            .await
            .unwrap();
        frozen.kill9().unwrap();
    }

    async fn settle(&self) -> Result<(), String> {
        let Err(_) = self.app.settled(SOON).await else {
            return Ok(());
        };
        let state = sqlx::query_scalar::<_, String>(
            "select concat_ws(' ', 'lane', ready_at <= now(), worker, running_job, fence) from lanes where worker is not null or ready_at is not null
             union all select concat_ws(' ', 'job', state, run_at <= now(), waiting_for) from jobs
             union all select concat_ws(' ', 'worker', id, alive_until - now()) from workers
             union all select concat_ws(' ', 'session', pid, state, now() - xact_start, left(query, 60)) from pg_stat_activity
               where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()",
        )
        .fetch_all(&self.app.admin)
        .await
        .unwrap();
        Err(format!("the queue did not settle: {state:#?}"))
    }

    async fn check(&self, matter: Matter, number: usize) -> Result<(), String> {
        let lines = self.app.log_lines(matter.firm).await.unwrap();
        let clio = self.app.clio().await.unwrap();
        let account = json!(5000 + number);
        let of_account = |kind: &str| -> Vec<Value> {
            let rows = clio[kind].as_array().cloned().unwrap_or_default();
            rows.into_iter()
                .filter(|row| row["account_id"] == account)
                .collect()
        };
        let documents = of_account("documents");
        let complete = documents
            .iter()
            .filter(|d| d["fully_uploaded"] == json!(true))
            .count();
        let counts = (
            of_account("contacts").len(),
            of_account("matters").len(),
            documents.len(),
            complete,
        );
        if counts != (1, 1, 1, 1) || lines != ["sync_matter success", "sync_document success"] {
            return Err(format!(
                "contacts, matters, documents, complete: {counts:?}; log: {lines:?}"
            ));
        }
        Ok(())
    }
}

/// A lease that took nothing is no step of a sync.
fn rows_at_least(label: &str) -> u64 {
    u64::from(label == "COMMIT queue_lease")
}

/// Work that goes on whether there is a sync or not.
fn is_background(label: &str) -> bool {
    let names = [
        // Only where a call was late.
        "bucket_late",
        "breaker_judge",
        "firm_integrations",
        "lanes",
        "oauth_states",
        "pauses",
        "queue_beat",
        "queue_end_cancelled",
        "queue_register",
        "queue_take_over",
        "schedules",
    ];
    let families = ["audit", "batch_", "gauge_", "retention_"];
    label.strip_prefix("COMMIT ").is_some_and(|name| {
        names.contains(&name) || families.iter().any(|family| name.starts_with(family))
    })
}

/// The boundaries of a sync, from a recorded run.
async fn boundaries(search_lag: bool) -> Vec<Boundary> {
    let walker = Walker::start(search_lag).await;
    let matter = walker.matter(0).await;
    let upload = walker
        .app
        .upload(matter, "intake.pdf", None, b"%PDF-1.7")
        .await
        .unwrap();
    let (database_before, clio_before) = (walker.database.steps().len(), walker.clio.steps().len());
    walker.app.approve(&[upload]).await.unwrap();
    walker.settle().await.unwrap();
    // What commits by itself is no boundary that the walk could hold: there must be none of it.
    let alone = walker.database.outside_transactions();
    assert!(alone.is_empty(), "outside of a transaction: {alone:?}");
    let mut boundaries = Vec::new();
    for (protocol, steps) in [
        (
            Protocol::Postgres,
            walker.database.steps().split_off(database_before),
        ),
        (Protocol::Http, walker.clio.steps().split_off(clio_before)),
    ] {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for step in steps {
            if is_background(&step.label) || step.rows < rows_at_least(&step.label) {
                continue;
            }
            let occurrence = seen.entry(step.label.clone()).or_default();
            *occurrence += 1;
            for side in [Side::Before, Side::After] {
                boundaries.push(Boundary {
                    protocol,
                    label: step.label.clone(),
                    occurrence: *occurrence,
                    side,
                });
            }
        }
    }
    let named: Vec<_> = boundaries.iter().step_by(2).map(|b| &*b.label).collect();
    harness::say(&format!("boundaries: {}", named.join(", ")));
    walker.app.finish().await;
    boundaries
}

async fn walk(cases: Vec<Case>, search_lag: bool) {
    let queue: VecDeque<(usize, Case)> = (1..).zip(cases).collect();
    let total = queue.len();
    let queue = Arc::new(Mutex::new(queue));
    let mut walking = Vec::new();
    for _ in 0..SYSTEMS {
        let queue = queue.clone();
        walking.push(tokio::spawn(async move {
            let mut failures = Vec::new();
            let mut walker = Walker::start(search_lag).await;
            loop {
                let next = queue.lock().unwrap().pop_front();
                let Some((number, case)) = next else { break };
                if let Err(why) = walker.run(&case, number).await {
                    failures.push(format!("{case:?}: {why}"));
                    walker = Walker::start(search_lag).await;
                }
            }
            walker.app.finish().await;
            failures
        }));
    }
    let mut failures = Vec::new();
    for system in walking {
        failures.extend(system.await.unwrap());
    }
    assert!(
        failures.is_empty(),
        "{} of {total} cases failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn cases(boundaries: &[Boundary], blow: Blow) -> Vec<Case> {
    boundaries
        .iter()
        .map(|boundary| Case {
            boundary: boundary.clone(),
            blow,
        })
        .collect()
}

/// Six requests and a transfer, and at least a commit around each: fewer would mean that the walk no longer sees the sync.
fn assert_complete(boundaries: &[Boundary]) {
    let requests = boundaries
        .iter()
        .filter(|b| b.protocol == Protocol::Http)
        .count();
    assert_eq!(requests, 7 * 2, "{boundaries:#?}");
    assert!(boundaries.len() >= 25 * 2, "{boundaries:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_worker_killed_at_any_boundary_leaves_exactly_one_of_each() {
    let boundaries = boundaries(false).await;
    assert_complete(&boundaries);

    let mut all = cases(&boundaries, Blow::Kill);
    let sent: Vec<_> = boundaries
        .iter()
        .filter(|b| b.side == Side::Before)
        .cloned()
        .collect();
    all.extend(cases(&sent, Blow::KillThenDeliver));

    walk(all, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_worker_frozen_past_its_lease_at_any_boundary_changes_nothing_when_it_goes_on() {
    let boundaries = boundaries(false).await;

    let mut all = cases(&boundaries, Blow::Freeze);
    let answered: Vec<_> = boundaries
        .iter()
        .filter(|b| b.side == Side::After)
        .cloned()
        .collect();
    all.extend(cases(&answered, Blow::FreezeAndHold));

    walk(all, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_search_that_lags_behind_never_leads_to_a_second_record() {
    let boundaries: Vec<_> = boundaries(true)
        .await
        .into_iter()
        .filter(|b| b.protocol == Protocol::Http)
        .collect();

    let mut all = cases(&boundaries, Blow::Kill);
    let sent: Vec<_> = boundaries
        .iter()
        .filter(|b| b.side == Side::Before)
        .cloned()
        .collect();
    all.extend(cases(&sent, Blow::KillThenDeliver));

    walk(all, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_an_effect_that_is_applied_late_is_found_and_adopted() {
    let mut walker = Walker::start(false).await;
    for (number, path) in (1..).zip(["contacts", "matters", "documents"]) {
        for (offset, what) in [
            (0, json!({ "apply_after_ms": 1000 })),
            (100, json!({ "lose_answer": true })),
        ] {
            let number = number + offset;
            let matter = walker.matter(number).await;
            let upload = walker
                .app
                .upload(matter, "intake.pdf", None, b"%PDF-1.7")
                .await
                .unwrap();
            walker
                .app
                .fault("POST", &format!("/api/v4/{path}.json"), 1, &what)
                .await
                .unwrap();

            walker.app.approve(&[upload]).await.unwrap();
            walker.settle().await.unwrap();

            walker.check(matter, number).await.unwrap();
        }
    }
    let doubted = eventually(SOON, || async {
        let count = walker
            .app
            .count("select count(*) from links where doubted_at is not null")
            .await
            .ok()?;
        (count == 6).then_some(())
    });
    doubted.await.unwrap();
    walker.app.workers.clear();
    walker.app.start_worker().await.unwrap();
    walker.app.finish().await;
}
