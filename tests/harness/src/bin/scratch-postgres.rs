//! `scratch-postgres COMMAND…`: runs the command with `DATABASE_URL` naming an empty database of a
//! throw-away cluster, and ends with its exit code.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use harness::{Cluster, Database, cluster};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let program = words.next().context("usage: scratch-postgres COMMAND…")?;
    let dir = tempfile::tempdir().context("make a temporary folder")?;
    let cluster = Cluster::start(dir.path(), cluster::FAST)?;
    let database = Database::create(&cluster, "scratch").await?;
    let status = Command::new(&program)
        .args(words)
        .env("DATABASE_URL", database.url())
        .status()
        .with_context(|| format!("run {}", program.display()))?;
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(ExitCode::from(code))
}
