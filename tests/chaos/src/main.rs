//! `tests/chaos/run --kills N --seed S --minutes M`: the real executables under steady load, broken on a schedule that the
//! seed alone decides, and then judged by a second program that reads nothing but the ledgers written here.
//!
//! The system: 2 ingress, of which 1 appends to Redis first, 4 workers, Postgres, Redis and the simulator. While many firms' events come
//! in, workers and ingress are killed; Postgres is restarted and kept away, and its backends are terminated; Redis is killed; connections
//! are stalled and cut; workers are frozen past their lease; one has a wall clock that jumps; one job takes its worker down each time it
//! runs; the provider loses answers, applies effects late, hangs, refuses. Then everything is mended, and every job that the queue still
//! holds must come to its end.
//!
//! The schedule is deterministic; what it meets is not: two runs of one seed break the same things at the same moments.

mod arguments;
mod clock;
mod ledger;
mod sabotage;

mod history;
mod node;
mod system;

mod firms;
mod load;

mod faults;
mod freeze;
mod poison;
mod provider;
mod schedule;

mod drain;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser as _;
use harness::built_program;
use serde_json::json;

use arguments::Arguments;
use ledger::say;
use system::ChaosSystem;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the run itself broke: {error:#}"));
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool> {
    let folder = arguments.folder()?;
    say(&format!(
        "seed {}, {} kills in {:?}, ledgers in {}",
        arguments.seed,
        arguments.kills,
        arguments.length(),
        folder.path().join("ledgers").display()
    ));
    let system = Arc::new(ChaosSystem::start(folder.path(), &arguments).await?);
    let played = play(&system, &arguments).await;
    if let Err(error) = &played {
        say(&format!("the play broke off: {error:#}"));
    }
    let ledgers = system.ledger.folder().to_owned();
    let system = Arc::into_inner(system).context("a task of the play still runs")?;
    system.end().await;
    played?;
    let verdict = tokio::process::Command::new(built_program("chaos-check")?)
        .arg(&ledgers)
        .status()
        .await?;
    let green = verdict.success();
    folder.end(green);
    Ok(green)
}

async fn play(system: &Arc<ChaosSystem>, arguments: &Arguments) -> Result<()> {
    let plan = schedule::plan(arguments.seed, arguments.kills, arguments.length());
    let watch = watch::start(Arc::clone(system));
    let load = load::start(Arc::clone(system), arguments.seed, arguments.length());
    faults::play(system, &plan).await;
    let delivering = load.await?;
    say("the load ends; everything is mended");
    system.mend().await?;
    delivering.finish(drain::PATIENCE).await;
    drain::drain(system).await?;
    watch.stop().await;
    system
        .ledger
        .note("run", &json!({ "ended": clock::now() }))?;
    drain::write_state(system).await
}
