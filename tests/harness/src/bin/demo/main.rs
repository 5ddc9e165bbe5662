//! `demo FOLDER [--once] [--document FILE]…`: the whole system once, with the scenario of an approval.
//!
//! `deploy/demo` builds it and runs it. In reading order: [`system`] starts everything under FOLDER,
//! [`sample`] writes the firm's records, [`approval`] approves them, [`scenario`] prints what happens,
//! [`check`] compares Clio with the files, [`addresses`] says where everything is.

mod arguments;
mod signals;

mod memory;
mod system;

mod documents;
mod sample;

mod calls;
mod log_rows;
mod scenario;

mod addresses;
mod approval;
mod check;

use std::env;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::App;
use serde_json::json;

use arguments::Arguments;
use check::Verdict;
use sample::Sample;
use scenario::{Rest, Scenario};
use signals::Signals;
use system::DemoSystem;

/// How the demo came to its end.
enum Ended {
    /// The scenario is told, and all is as it should be.
    Told(Verdict),
    /// A person has seen enough, after the scenario.
    Closed,
    /// A signal came before the scenario's end; the exit code that says so.
    Interrupted(u8),
}

fn main() -> ExitCode {
    match Arguments::read(env::args_os().skip(1)) {
        Ok(arguments) => {
            let ended = run(&arguments);
            report(&arguments, ended)
        }
        Err(error) => {
            writeln!(stderr(), "demo: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// When the runtime goes, it waits for a cluster whose start was interrupted: only one that stands
/// can be stopped.
fn run(arguments: &Arguments) -> Result<Ended> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(play(arguments))
}

async fn play(arguments: &Arguments) -> Result<Ended> {
    let mut signals = Signals::listen()?;
    let system = tokio::select! {
        code = signals.next() => return Ok(Ended::Interrupted(code)),
        system = DemoSystem::set(&arguments.folder) => system?,
    };
    let ended = act(&system, arguments, &mut signals).await;
    system.clear().await;
    ended
}

async fn act(system: &DemoSystem, arguments: &Arguments, signals: &mut Signals) -> Result<Ended> {
    let (sample, mut scenario, verdict) = tokio::select! {
        code = signals.next() => return Ok(Ended::Interrupted(code)),
        told = tell(&system.app, arguments) => told?,
    };
    if arguments.once {
        return Ok(Ended::Told(verdict));
    }
    addresses::print(&system.app, &sample)?;
    tokio::select! {
        _ = signals.next() => Ok(Ended::Closed),
        broken = scenario.follow(|| addresses::print_token(&system.app, &sample)) => Err(broken),
    }
}

async fn tell<'a>(app: &'a App, arguments: &Arguments) -> Result<(Sample, Scenario<'a>, Verdict)> {
    let sample = Sample::prepare(app, &arguments.documents).await?;
    let mut scenario = Scenario::begin(app, &sample).await?;
    scenario.during(approval::connect(app, &sample)).await?;
    let posted = scenario.during(approval::approve(app, &sample)).await?;
    while scenario.until_settled().await? == Rest::NeedsReconnect {
        scenario.during(approval::connect(app, &sample)).await?;
    }
    posted.ensure_done(app, &sample).await?;
    let verdict = check::check(app, &sample, &posted, scenario.provider_calls()).await?;
    Ok((sample, scenario, verdict))
}

/// One line of the scenario.
fn say(line: impl std::fmt::Display) -> Result<()> {
    writeln!(stdout(), "{line}").context("write to the standard output")
}

fn report(arguments: &Arguments, ended: Result<Ended>) -> ExitCode {
    let told = ended.and_then(|ended| {
        Ok(match ended {
            Ended::Told(verdict) => {
                say(verdict.json())?;
                ExitCode::SUCCESS
            }
            Ended::Closed => {
                say("\nEverything is stopped. The next run finds what this one left.")?;
                ExitCode::SUCCESS
            }
            Ended::Interrupted(code) => {
                writeln!(stderr(), "demo: interrupted; everything is stopped").ok();
                ExitCode::from(code)
            }
        })
    });
    told.unwrap_or_else(|error| {
        let what = format!("{error:#}");
        if arguments.once {
            say(format!(r#"{{"ok":false,"error":{}}}"#, json!(what))).ok();
        }
        writeln!(stderr(), "demo: {what}").ok();
        ExitCode::FAILURE
    })
}
