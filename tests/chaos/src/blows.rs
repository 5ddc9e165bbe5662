//! The blows: each is dealt in a task of its own, at its moment, and noted with its beginning and its end.

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
use crate::player::Player;
use crate::schedule::{Blow, Planned};
use crate::stage::Stage;
use crate::{clock, freeze, poison, provider};

/// A supervisor starts a dead program again after a moment.
const SUPERVISOR: Duration = Duration::from_millis(300);
/// A share of the server's backends, as a number of its last digits.
const TERMINATE: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
     where datname = current_database() and usename = 'casehug' and pid % 3 = 0";

/// Returns when the last blow is over.
pub(crate) async fn play(stage: &Arc<Stage>, plan: &[Planned]) {
    let beginning = now();
    let mut dealing = JoinSet::new();
    for planned in plan.iter().copied() {
        tokio::time::sleep_until(beginning + planned.at).await;
        let stage = Arc::clone(stage);
        dealing.spawn(async move {
            if let Err(error) = deal(&stage, planned).await {
                say(&format!("{:?} went wrong: {error:#}", planned.blow));
            }
        });
        while dealing.try_join_next().is_some() {}
    }
    dealing.join_all().await;
}

/// tokio's own clock: the blows follow the machine's time and not the wall's.
fn now() -> Instant {
    Instant::now()
}

async fn deal(stage: &Arc<Stage>, Planned { blow, whom, .. }: Planned) -> Result<()> {
    match blow {
        Blow::Kill => kill(stage, whom).await,
        Blow::RestartPostgres(mode) => restart_postgres(stage, mode, Duration::ZERO).await,
        Blow::KeepPostgresAway(time) => restart_postgres(stage, Mode::Fast, time).await,
        Blow::TerminateBackends => terminate_backends(stage).await,
        Blow::StallDatabase(time) => stall_database(stage, any(stage, whom), time).await,
        Blow::CutDatabase => cut_database(stage, any(stage, whom)),
        Blow::StallProvider(time) => stall_provider(stage, worker(stage, whom), time).await,
        Blow::StallAndCutProvider(time) => {
            stall_and_cut_provider(stage, worker(stage, whom), time).await
        }
        Blow::CutProvider => cut_provider(stage, worker(stage, whom)),
        Blow::FreezeAtWork => freeze::at_work(stage, whom).await,
        Blow::FreezeAtIntent => freeze::at_intent(stage, whom).await,
        Blow::JumpClock(to) => jump_clock(stage, to),
        Blow::Poison => poison::run(stage).await,
        Blow::Provider(seed) => provider::misbehave(stage, seed).await,
        Blow::KillRedis => kill_redis(stage).await,
    }
}

fn any(stage: &Stage, whom: usize) -> &Arc<Player> {
    &stage.players[whom % stage.players.len()]
}

fn worker(stage: &Stage, whom: usize) -> &Arc<Player> {
    let workers: Vec<_> = stage.workers().collect();
    workers[whom % workers.len()]
}

/// The player, or the next one whom nobody is breaking just now.
pub(crate) async fn lock_free<'a>(
    players: &[&'a Arc<Player>],
    whom: usize,
) -> (&'a Arc<Player>, MutexGuard<'a, Program>) {
    let count = players.len();
    for step in 0..count {
        let player = players[(whom + step) % count];
        if let Ok(program) = player.program.try_lock() {
            return (player, program);
        }
    }
    let player = players[whom % count];
    (player, player.program.lock().await)
}

async fn kill(stage: &Stage, whom: usize) -> Result<()> {
    // Two of three are workers: a dead ingress has less to lose.
    let candidates: Vec<_> = match whom % 3 {
        0 => stage.ingresses().collect(),
        _ => stage.workers().collect(),
    };
    let (player, mut program) = lock_free(&candidates, whom).await;
    kill_and_start_again(stage, player, &mut program).await
}

/// `kill -9`, and a supervisor that starts it again.
pub(crate) async fn kill_and_start_again(
    stage: &Stage,
    player: &Player,
    program: &mut Program,
) -> Result<()> {
    let at = clock::now();
    program.process().kill9()?;
    tokio::time::sleep(SUPERVISOR).await;
    program.start_again()?;
    note(stage, "kill", Some(player), at)
}

/// Writes a blow down, now that it is over.
pub(crate) fn note(
    stage: &Stage,
    kind: &str,
    player: Option<&Player>,
    at: DateTime<Utc>,
) -> Result<()> {
    let process = player.map(|player| &player.name);
    let line = json!({ "kind": kind, "process": process, "at": at, "until": clock::now() });
    stage.ledger.note("blows", &line)
}

async fn restart_postgres(stage: &Stage, mode: Mode, away: Duration) -> Result<()> {
    let _alone = stage.postgres.lock().await;
    let at = clock::now();
    let cluster = Arc::clone(&stage.cluster);
    tokio::task::spawn_blocking(move || cluster.stop(mode)).await??;
    tokio::time::sleep(away).await;
    let cluster = Arc::clone(&stage.cluster);
    tokio::task::spawn_blocking(move || cluster.start_again()).await??;
    note(stage, "restart", None, at)
}

/// While the server is away there is nothing to terminate.
async fn terminate_backends(stage: &Stage) -> Result<()> {
    let at = clock::now();
    let _ = sqlx::query(TERMINATE).execute(&stage.app.admin).await;
    note(stage, "terminate_backends", None, at)
}

async fn stall_database(stage: &Stage, player: &Player, time: Duration) -> Result<()> {
    let at = clock::now();
    player.database.stall(true);
    tokio::time::sleep(time).await;
    player.database.stall(false);
    note(stage, "stall_database", Some(player), at)
}

fn cut_database(stage: &Stage, player: &Player) -> Result<()> {
    let at = clock::now();
    player.database.cut_all();
    note(stage, "cut_database", Some(player), at)
}

async fn stall_provider(stage: &Stage, player: &Player, time: Duration) -> Result<()> {
    let at = clock::now();
    player.provider.stall(true);
    tokio::time::sleep(time).await;
    player.provider.stall(false);
    note(stage, "stall_provider", Some(player), at)
}

/// Cut while it still stands: nothing of what was held must arrive after the settle time.
async fn stall_and_cut_provider(stage: &Stage, player: &Player, time: Duration) -> Result<()> {
    let at = clock::now();
    player.provider.stall(true);
    tokio::time::sleep(time).await;
    player.provider.cut_all();
    player.provider.stall(false);
    note(stage, "stall_and_cut_provider", Some(player), at)
}

fn cut_provider(stage: &Stage, player: &Player) -> Result<()> {
    let at = clock::now();
    player.provider.cut_all();
    note(stage, "cut_provider", Some(player), at)
}

fn jump_clock(stage: &Stage, to: &str) -> Result<()> {
    let at = clock::now();
    for player in stage.workers() {
        if let Some(file) = &player.clock {
            std::fs::write(file, to)?;
            note(stage, "jump_clock", Some(player), at)?;
        }
    }
    Ok(())
}

async fn kill_redis(stage: &Stage) -> Result<()> {
    let at = clock::now();
    stage.redis.kill9()?;
    tokio::time::sleep(SUPERVISOR).await;
    stage.redis.start_again().await?;
    note(stage, "restart", None, at)
}
