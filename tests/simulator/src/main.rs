//! The simulator as a program: one line of JSON when ready, ends on SIGTERM or Ctrl-C.

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::json;
use simulator::{Options, Simulator};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let simulator = Simulator::start(Options::parse()).await?;
    announce(&simulator);
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen to Ctrl-C")?,
    }
    simulator.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the harness waits for this one line")]
fn announce(simulator: &Simulator) {
    println!("{}", json!({"listening": simulator.address().to_string()}));
}
