//! A worker that stands still past its lease (`SIGSTOP`) and then goes on as if nothing had been.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use harness::app::Program;
use harness::{Hold, Side, eventually};

use crate::faults::{lock_free, note};
use crate::node::Node;
use crate::system::{ChaosSystem, LEASE};
use crate::{clock, provider};

/// Others notice a dead worker within its lease and take its lanes at once.
const TAKEN_OVER: Duration = Duration::from_secs(8);
/// Slow answers, so that what is taken over is still running when the frozen worker comes back.
const SLOW_ANSWERS: u32 = 30;
const SLOW_MS: u64 = 2_500;
/// A permit for a creation comes soon under load; most permits are for reads.
const PERMIT: Duration = Duration::from_secs(2);
const PERMIT_TRIES: usize = 20;

/// Goes on at the very time at which another worker runs what it held.
pub(crate) async fn at_work(system: &ChaosSystem, whom: usize) -> Result<()> {
    let workers: Vec<_> = system.workers().collect();
    let (node, program) = lock_free(&workers, whom).await;
    provider::slow_down(system, SLOW_ANSWERS, SLOW_MS).await?;
    let at = clock::now();
    let Ok(lanes) = wait_until_it_holds(system, &program).await else {
        return Ok(());
    };
    program.process().stop()?;
    tokio::time::sleep(LEASE).await;
    provider::slow_down(system, SLOW_ANSWERS, SLOW_MS).await?;
    let taken = eventually(TAKEN_OVER, || async {
        is_held_by_another(system, &program, &lanes)
            .await
            .then_some(())
    });
    let _ = taken.await;
    program.process().resume()?;
    note(system, "freeze", Some(node), at)
}

async fn wait_until_it_holds(system: &ChaosSystem, program: &Program) -> Result<Vec<String>> {
    eventually(LEASE * 2, || async {
        let lanes = held_by(system, program).await;
        (!lanes.is_empty()).then_some(lanes)
    })
    .await
}

fn row_name(program: &Program) -> String {
    format!("casehug-worker/{}", program.process().pid())
}

async fn held_by(system: &ChaosSystem, program: &Program) -> Vec<String> {
    let held = sqlx::query_scalar(
        "select l.key from lanes l join workers w on w.id = l.worker where w.name = $1",
    );
    let held = held.bind(row_name(program)).fetch_all(&system.app.admin);
    held.await.unwrap_or_default()
}

async fn is_held_by_another(system: &ChaosSystem, program: &Program, lanes: &[String]) -> bool {
    let held = sqlx::query_scalar(
        "select exists (select 1 from lanes l join workers w on w.id = l.worker where l.key = any($1) and w.name <> $2)",
    );
    let held = held.bind(lanes).bind(row_name(program));
    held.fetch_one(&system.app.admin).await.unwrap_or(false)
}

/// Between the committed intent to create something and the first byte of the request.
pub(crate) async fn at_intent(system: &ChaosSystem, whom: usize) -> Result<()> {
    let workers: Vec<_> = system.workers().collect();
    let (node, program) = lock_free(&workers, whom).await;
    for _ in 0..PERMIT_TRIES {
        let held = node.database.hold(Hold {
            label: "COMMIT queue_permit".into(),
            rows_at_least: 0,
            occurrence: 1,
            side: Side::After,
        });
        if !held.reached_within(PERMIT).await {
            return Ok(());
        }
        if !intends_to_create(system, &program).await {
            held.release();
            continue;
        }
        let at = clock::now();
        program.process().stop()?;
        held.release();
        tokio::time::sleep(LEASE * 2).await;
        program.process().resume()?;
        return note(system, "freeze", Some(node), at);
    }
    note_missed(node);
    Ok(())
}

/// A link of a lane that the worker holds says `creating`.
async fn intends_to_create(system: &ChaosSystem, program: &Program) -> bool {
    let found = sqlx::query_scalar(
        "select exists (select 1 from links k
           join lanes l on l.key = k.holder_lane and l.fence = k.holder_fence
           join workers w on w.id = l.worker
         where k.state = 'creating' and k.superseded_at is null and w.name = $1)",
    );
    let found = found.bind(row_name(program)).fetch_one(&system.app.admin);
    found.await.unwrap_or(false)
}

fn note_missed(node: &Arc<Node>) {
    crate::ledger::say(&format!(
        "{} intended to create nothing just then",
        node.name
    ));
}
