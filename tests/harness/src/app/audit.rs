//! The service's own auditor, asked by its command: what it finds now, and what running workers have found before.

use anyhow::{Context, Result};
use serde_json::Value;

use super::App;
use crate::built_program;

impl App {
    /// Fails when an invariant of the queue is broken, or was at any time a worker's auditor looked.
    pub async fn audit(&self) -> Result<()> {
        let report = audit(self.database.url(), &[]).await?;
        for kind in ["breaches", "recorded"] {
            let found = report[kind].as_array().context("a list of breaches")?;
            anyhow::ensure!(found.is_empty(), "broken invariants, {kind}: {report:#}");
        }
        Ok(())
    }
}

/// The report of `casehug-worker audit --json` on this database, with more arguments.
pub async fn audit(url: &str, arguments: &[&str]) -> Result<Value> {
    let output = tokio::process::Command::new(built_program("casehug-worker")?)
        .args(["audit", "--json"])
        .args(arguments)
        .env("DATABASE_URL", url)
        .kill_on_drop(true)
        .output()
        .await?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("audit said {}", String::from_utf8_lossy(&output.stderr)))?;
    anyhow::ensure!(
        report["ok"] == output.status.success(),
        "audit ended with {} and {report}",
        output.status
    );
    Ok(report)
}
