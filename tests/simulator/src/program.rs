//! The program: one line of JSON when ready, ends on SIGTERM or Ctrl-C.

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Options, Simulator};

/// The whole program. It is no `async fn`, or the program would compile all of this library once more.
///
/// # Errors
/// The options or the port refuse the start.
pub fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    Runtime::new()?.block_on(serve(options))
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let simulator = Simulator::start(options).await?;
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
