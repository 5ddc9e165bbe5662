//! The machine's limit: pgbench writes the same rows into copies of the same tables, without any queue around them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sqlx::raw_sql;
use tokio::process::Command;

use crate::system::BenchSystem;

/// How long or how often a script runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Seconds(u64),
    /// Transactions of each client.
    Transactions(u64),
}

/// One run of a script by `clients` clients. Returns scripts a second.
pub(crate) async fn run(url: &str, script: &str, clients: u16, until: Until) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script)?;
    let mut pgbench = Command::new(program());
    pgbench
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--file={}", file.display()));
    match until {
        Until::Seconds(seconds) => pgbench.arg(format!("--time={seconds}")),
        Until::Transactions(count) => pgbench.arg(format!("--transactions={count}")),
    };
    let output = pgbench.arg(url).kill_on_drop(true).output();
    let output = output.await.context("run pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    rate(&text).with_context(|| format!("pgbench named no rate: {text}"))
}

/// Commits of one row, one after the other.
pub(crate) async fn commits_a_second(system: &BenchSystem) -> Result<f64> {
    let admin = &system.app.admin;
    raw_sql(
        "drop table if exists base_commits; create table base_commits (at timestamptz not null)",
    )
    .execute(admin)
    .await?;
    let script = "insert into base_commits values (clock_timestamp());";
    run(
        system.app.database.admin_url(),
        script,
        1,
        Until::Seconds(3),
    )
    .await
}

fn rate(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("tps = "))?;
    line.split_whitespace().nth(2)?.parse().ok()
}

/// Beside the server's programs, else wherever the shell finds it.
fn program() -> PathBuf {
    let beside = std::env::var_os("PG_BIN").map(|folder| Path::new(&folder).join("pgbench"));
    beside
        .filter(|path| path.is_file())
        .unwrap_or_else(|| "pgbench".into())
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn the_rate_is_read_from_pgbenchs_words() {
        let text =
            "latency average = 0.8 ms\ntps = 1234.567890 (without initial connection time)\n";

        assert_eq!(rate(text), Some(1_234.567_89));
        assert_eq!(rate("nothing"), None);
    }
}
