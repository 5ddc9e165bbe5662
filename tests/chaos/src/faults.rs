//! The faults: each is dealt in a task of its own, at its moment, and noted with its beginning and its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use harness::app::Program;
use harness::cluster::Mode;
use serde_json::json;
use tokio::sync::MutexGuard;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ledger::say;
use crate::node::Node;
use crate::schedule::{Fault, Planned};
use crate::system::{ChaosSystem, LEASE};
use crate::{clock, freeze, poison, provider};

/// A supervisor starts a dead program again after a moment.
const SUPERVISOR: Duration = Duration::from_millis(300);
/// Workers that were cut off together come back with this time between them.
const BETWEEN_RETURNS: Duration = Duration::from_millis(700);
/// A share of the server's backends, as a number of its last digits.
const TERMINATE: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
     where datname = current_database() and usename = 'casehug' and pid % 3 = 0";

/// Returns when the last fault is over.
pub(crate) async fn play(system: &Arc<ChaosSystem>, plan: &[Planned]) {
    let beginning = now();
    let mut dealing = JoinSet::new();
    for planned in plan.iter().copied() {
        tokio::time::sleep_until(beginning + planned.at).await;
        let system = Arc::clone(system);
        dealing.spawn(async move {
            if let Err(error) = inject(&system, planned).await {
                say(&format!("{:?} went wrong: {error:#}", planned.fault));
            }
        });
        while dealing.try_join_next().is_some() {}
    }
    dealing.join_all().await;
}

/// tokio's own clock: the faults follow the machine's time and not the wall's.
fn now() -> Instant {
    Instant::now()
}

async fn inject(system: &Arc<ChaosSystem>, Planned { fault, whom, .. }: Planned) -> Result<()> {
    match fault {
        Fault::Kill => kill(system, whom).await,
        Fault::RestartPostgres(mode) => restart_postgres(system, mode, Duration::ZERO).await,
        Fault::KeepPostgresAway(time) => restart_postgres(system, Mode::Fast, time).await,
        Fault::TerminateBackends => terminate_backends(system).await,
        Fault::StallDatabase(time) => stall_database(system, any(system, whom), time).await,
        Fault::CutDatabase => cut_database(system, any(system, whom)),
        Fault::StallProvider(time) => stall_provider(system, worker(system, whom), time).await,
        Fault::StallAndCutProvider(time) => {
            stall_and_cut_provider(system, worker(system, whom), time).await
        }
        Fault::StallProviderTwice(time) => {
            stall_provider_twice(system, worker(system, whom), time).await
        }
        Fault::CutOffAllWorkers => cut_off_all_workers(system, whom).await,
        Fault::HangSignIn => provider::hang_sign_in(system).await,
        Fault::HangStorage => provider::hang_storage(system).await,
        Fault::CutProvider => cut_provider(system, worker(system, whom)),
        Fault::FreezeAtWork => freeze::at_work(system, whom).await,
        Fault::FreezeAtIntent => freeze::at_intent(system, whom).await,
        Fault::JumpClock(to) => jump_clock(system, to),
        Fault::Poison => poison::run(system).await,
        Fault::Provider(seed) => provider::misbehave(system, seed).await,
        Fault::KillRedis => kill_redis(system).await,
    }
}

fn any(system: &ChaosSystem, whom: usize) -> &Arc<Node> {
    &system.nodes[whom % system.nodes.len()]
}

fn worker(system: &ChaosSystem, whom: usize) -> &Arc<Node> {
    let workers: Vec<_> = system.workers().collect();
    workers[whom % workers.len()]
}

/// The node, or the next one that no fault is breaking just now.
pub(crate) async fn lock_free<'a>(
    nodes: &[&'a Arc<Node>],
    whom: usize,
) -> (&'a Arc<Node>, MutexGuard<'a, Program>) {
    let count = nodes.len();
    for step in 0..count {
        let node = nodes[(whom + step) % count];
        if let Ok(program) = node.program.try_lock() {
            return (node, program);
        }
    }
    let node = nodes[whom % count];
    (node, node.program.lock().await)
}

async fn kill(system: &ChaosSystem, whom: usize) -> Result<()> {
    // Two of three are workers: a dead ingress has less to lose.
    let candidates: Vec<_> = match whom % 3 {
        0 => system.ingresses().collect(),
        _ => system.workers().collect(),
    };
    let (node, mut program) = lock_free(&candidates, whom).await;
    kill_and_start_again(system, node, &mut program).await
}

/// `kill -9`, and a supervisor that starts it again.
pub(crate) async fn kill_and_start_again(
    system: &ChaosSystem,
    node: &Node,
    program: &mut Program,
) -> Result<()> {
    let at = clock::now();
    program.process().kill9()?;
    tokio::time::sleep(SUPERVISOR).await;
    program.start_again()?;
    note(system, "kill", Some(node), at)
}

/// Writes a fault down, now that it is over.
pub(crate) fn note(
    system: &ChaosSystem,
    kind: &str,
    node: Option<&Node>,
    at: DateTime<Utc>,
) -> Result<()> {
    let process = node.map(|node| &node.name);
    let line = json!({ "kind": kind, "process": process, "at": at, "until": clock::now() });
    system.ledger.note("faults", &line)
}

async fn restart_postgres(system: &ChaosSystem, mode: Mode, away: Duration) -> Result<()> {
    let _alone = system.postgres.lock().await;
    let at = clock::now();
    let cluster = Arc::clone(&system.cluster);
    tokio::task::spawn_blocking(move || cluster.stop(mode)).await??;
    tokio::time::sleep(away).await;
    let cluster = Arc::clone(&system.cluster);
    tokio::task::spawn_blocking(move || cluster.start_again()).await??;
    note(system, "restart", None, at)
}

/// While the server is away there is nothing to terminate.
async fn terminate_backends(system: &ChaosSystem) -> Result<()> {
    let at = clock::now();
    let _ = sqlx::query(TERMINATE).execute(&system.app.admin).await;
    note(system, "terminate_backends", None, at)
}

async fn stall_database(system: &ChaosSystem, node: &Node, time: Duration) -> Result<()> {
    let at = clock::now();
    let stall = node.database.stall();
    tokio::time::sleep(time).await;
    drop(stall);
    note(system, "stall_database", Some(node), at)
}

fn cut_database(system: &ChaosSystem, node: &Node) -> Result<()> {
    let at = clock::now();
    node.database.cut_all();
    note(system, "cut_database", Some(node), at)
}

async fn stall_provider(system: &ChaosSystem, node: &Node, time: Duration) -> Result<()> {
    let at = clock::now();
    let stall = node.provider.stall();
    tokio::time::sleep(time).await;
    drop(stall);
    note(system, "stall_provider", Some(node), at)
}

/// Cut while it still stands: nothing of what was held must arrive after the visibility delay.
async fn stall_and_cut_provider(system: &ChaosSystem, node: &Node, time: Duration) -> Result<()> {
    let at = clock::now();
    let stall = node.provider.stall();
    tokio::time::sleep(time).await;
    node.provider.cut_all();
    drop(stall);
    note(system, "stall_and_cut_provider", Some(node), at)
}

/// The short one ends while the long one stands, and must let nothing go that the long one holds.
async fn stall_provider_twice(system: &ChaosSystem, node: &Node, time: Duration) -> Result<()> {
    let short = async {
        tokio::time::sleep(time / 3).await;
        stall_provider(system, node, time / 3).await
    };
    let (long, short) = tokio::join!(stall_and_cut_provider(system, node, time), short);
    long.and(short)
}

/// All workers lose the database together for longer than a lease, and come back one after the other.
async fn cut_off_all_workers(system: &ChaosSystem, whom: usize) -> Result<()> {
    let at = clock::now();
    let mut workers: Vec<_> = system.workers().collect();
    let first = whom % workers.len();
    workers.rotate_left(first);
    let stalls: Vec<_> = workers.iter().map(|node| node.database.stall()).collect();
    tokio::time::sleep(LEASE.mul_f64(1.5)).await;
    for stall in stalls {
        drop(stall);
        tokio::time::sleep(BETWEEN_RETURNS).await;
    }
    note(system, "cut_off_all_workers", None, at)
}

fn cut_provider(system: &ChaosSystem, node: &Node) -> Result<()> {
    let at = clock::now();
    node.provider.cut_all();
    note(system, "cut_provider", Some(node), at)
}

fn jump_clock(system: &ChaosSystem, to: &str) -> Result<()> {
    let at = clock::now();
    for node in system.workers() {
        if let Some(file) = &node.clock {
            std::fs::write(file, to)?;
            note(system, "jump_clock", Some(node), at)?;
        }
    }
    Ok(())
}

async fn kill_redis(system: &ChaosSystem) -> Result<()> {
    let at = clock::now();
    system.redis.kill9()?;
    tokio::time::sleep(SUPERVISOR).await;
    system.redis.start_again().await?;
    note(system, "restart", None, at)
}
