//! The walk itself: every boundary of a sync, with every strike that fits it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use harness::{Protocol, Side};

use super::boundaries::boundaries;
use super::walker::{Route, Walker};
use super::{Boundary, CLIO, Case, LAGGING_CLIO, Strike, TEST};

/// The systems that walk side by side. They can be several, because a case mostly waits for leases and visibility delay.
const SYSTEMS: usize = 6;

async fn walk(cases: Vec<Case>, route: Route) {
    let queue: VecDeque<(usize, Case)> = (1..).zip(cases).collect();
    let total = queue.len();
    let queue = Arc::new(Mutex::new(queue));
    let mut walking = Vec::new();
    for _ in 0..SYSTEMS {
        let queue = queue.clone();
        walking.push(tokio::spawn(async move {
            let mut failures = Vec::new();
            let mut walker = Walker::start(route).await;
            loop {
                let next = queue.lock().unwrap().pop_front();
                let Some((number, case)) = next else { break };
                if let Err(why) = walker.run(&case, number).await {
                    failures.push(format!("{case:?}: {why}"));
                    walker = Walker::start(route).await;
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

fn cases(boundaries: &[Boundary], strike: Strike) -> Vec<Case> {
    boundaries
        .iter()
        .map(|boundary| Case {
            boundary: boundary.clone(),
            strike,
        })
        .collect()
}

/// The boundaries hold `wanted` requests and transfers, and at least a commit around each. With fewer, the walk would no longer see the
/// whole sync.
fn assert_complete(boundaries: &[Boundary], wanted: usize) {
    let requests = boundaries
        .iter()
        .filter(|b| b.protocol == Protocol::Http)
        .count();
    assert_eq!(requests, wanted * 2, "{boundaries:#?}");
    assert!(boundaries.len() >= 25 * 2, "{boundaries:#?}");
}

fn killed(boundaries: &[Boundary]) -> Vec<Case> {
    let mut all = cases(boundaries, Strike::Kill);
    let sent = on_side(boundaries, Side::Before);
    all.extend(cases(&sent, Strike::KillThenDeliver));
    all
}

fn frozen(boundaries: &[Boundary]) -> Vec<Case> {
    let mut all = cases(boundaries, Strike::Freeze);
    let answered = on_side(boundaries, Side::After);
    all.extend(cases(&answered, Strike::FreezeAndHold));
    all
}

fn requests(boundaries: &[Boundary]) -> Vec<Boundary> {
    let requests = boundaries.iter().filter(|b| b.protocol == Protocol::Http);
    requests.cloned().collect()
}

fn on_side(boundaries: &[Boundary], side: Side) -> Vec<Boundary> {
    let wanted = boundaries.iter().filter(|b| b.side == side);
    wanted.cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_worker_killed_at_any_boundary_leaves_exactly_one_of_each() {
    let boundaries = boundaries(CLIO).await;
    assert_complete(&boundaries, 7);
    walk(killed(&boundaries), CLIO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_worker_frozen_past_its_lease_at_any_boundary_changes_nothing_when_it_goes_on() {
    let boundaries = boundaries(CLIO).await;
    walk(frozen(&boundaries), CLIO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_a_search_that_lags_behind_never_leads_to_a_second_record() {
    let requests = requests(&boundaries(LAGGING_CLIO).await);
    walk(killed(&requests), LAGGING_CLIO).await;
}

/// The requests alone, or with `CRASH=all` the commits too: around those stands the same code as on any platform.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_on_a_platform_that_accepts_first_there_is_still_exactly_one_of_each() {
    let mut boundaries = boundaries(TEST).await;
    assert_complete(&boundaries, 8);
    if std::env::var("CRASH").is_ok_and(|what| what == "all") {
        let mut all = killed(&boundaries);
        all.extend(frozen(&boundaries));
        return walk(all, TEST).await;
    }
    boundaries = requests(&boundaries);
    let mut all = killed(&boundaries);
    all.extend(cases(
        &on_side(&boundaries, Side::After),
        Strike::FreezeAndHold,
    ));
    walk(all, TEST).await;
}
