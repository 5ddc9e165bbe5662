//! `check-requests RECORD`: every request in a simulator's record, against its platform's own description.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

fn main() -> Result<()> {
    let record: PathBuf = std::env::args_os().nth(1).context("which record?")?.into();
    let report = requests::violations(&record)?;
    say(&format!("{} requests checked", report.requests_checked));
    ensure!(
        report.violations.is_empty(),
        "invalid requests:\n{}",
        report.violations.join("\n")
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the count is this program's output")]
fn say(line: &str) {
    println!("{line}");
}
