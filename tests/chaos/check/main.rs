//! `chaos-check LEDGERS`: reads what a run wrote, and nothing else, and judges it. One JSON line; exit 0 only when it is clean.
//!
//! The words, each in a module of its own:
//!
//! | word | means |
//! |---|---|
//! | `events_accepted` | events that were answered 2xx at least once |
//! | `lost` | accepted, but neither its effect stands at the provider nor a `failed` log says why (`lost.rs`) |
//! | `duplicated` | a second external record for one effect key of one account (`duplicated.rs`) |
//! | `reordered` | a lane's job taken up before an older one, or a later approval's document made first (`reordered.rs`) |
//! | `stale_effects` | an outcome or a provider write of a worker that no longer held the lane (`stale.rs`) |
//! | `duplicate_suspected` | what the service itself reported as such |
//! | `auditor_breaches` | broken rules of the queue: the workers' own count, the last look, and caps (`breaches.rs`) |
//! | `longest_stall_ms` | the longest time without a finished job while work waited and Postgres was up (`stall.rs`) |
//!
//! `left` is what is still in the queue.

mod breaches;
mod database;
mod duplicated;
mod effects;
mod holders;
mod ledger;
mod lost;
mod platform;
mod reordered;
mod stale;
mod stall;
mod verdict;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use ledger::Ledger;
use verdict::Verdict;

fn main() -> ExitCode {
    match judge() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the ledgers cannot be judged: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn judge() -> Result<bool> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .context("chaos-check LEDGERS")?;
    let verdict = Verdict::of(&Ledger::read(&folder)?);
    for finding in verdict.findings.iter().take(40) {
        say(finding);
    }
    print(&serde_json::to_string(&verdict)?);
    Ok(verdict.is_clean())
}

#[expect(clippy::print_stdout, reason = "the verdict")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "what the verdict is made of")]
fn say(line: &str) {
    eprintln!("chaos-check: {line}");
}
