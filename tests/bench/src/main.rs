//! `tests/bench/run NAME`: measured claims, as JSON lines.
//!
//! Each bench drives the real executables on a real PostgreSQL with default durability, names beside each figure what the same
//! machine can do without us, checks that what was done is right, and ends with a verdict.

mod clock;
mod figures;
mod options;
mod report;

mod bulk;
mod compare;
mod history;
mod load;
mod profile;
mod system;
mod uploads;
mod workload;

mod peers;
mod pgbench;

mod benches;

use std::process::ExitCode;

use anyhow::{Result, bail};

use benches::{
    blocked, budget, cap, deep, depth, drain, fairness, ingress, pickup, readers, rolling, soak,
    takeover, xmin,
};

const NAMES: [&str; 14] = [
    "blocked", "budget", "cap", "deep", "depth", "drain", "fairness", "ingress", "pickup",
    "readers", "rolling", "soak", "takeover", "xmin",
];

#[tokio::main]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    match run(&name).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Whether the aim was met.
async fn run(name: &str) -> Result<bool> {
    match name {
        "blocked" => blocked::run().await,
        "budget" => budget::run().await,
        "cap" => cap::run().await,
        "deep" => deep::run().await,
        "depth" => depth::run().await,
        "drain" => drain::run().await,
        "fairness" => fairness::run().await,
        "ingress" => ingress::run().await,
        "pickup" => pickup::run().await,
        "readers" => readers::run().await,
        "rolling" => rolling::run().await,
        "soak" => soak::run().await,
        "takeover" => takeover::run().await,
        "xmin" => xmin::run().await,
        _ => bail!("which bench? There are: {}", NAMES.join(", ")),
    }
}
