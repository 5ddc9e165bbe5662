//! Were the recorded requests to a platform such as its own description allows? One folder, or file, a platform.

mod clio;
mod scripted;

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// What the check of a record found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Requests to platforms, OAuth included; signed transfers are a storage's.
    pub requests_checked: usize,
    /// Line number, method, path template and what is wrong there; never a value.
    pub violations: Vec<String>,
}

#[derive(Deserialize)]
struct Recorded {
    platform: String,
}

/// Checks every line of a record that the simulator wrote.
///
/// # Errors
/// The record cannot be read, or a line of it is no record line.
pub fn violations(record: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read_to_string(record)
        .with_context(|| format!("read the record {}", record.display()))?;
    check(&text)
}

fn check(record: &str) -> anyhow::Result<Report> {
    let clio = clio::Facts::load()?;
    let mut report = Report::default();
    for (text, number) in record.lines().zip(1..) {
        let no_line = || format!("line {number} of the record is no record line");
        let recorded: Recorded = serde_json::from_str(text).with_context(no_line)?;
        let (request, found) = match recorded.platform.as_str() {
            "storage" => continue,
            "clio" => clio::check(text, &clio).with_context(no_line)?,
            "test" => scripted::check(text).with_context(no_line)?,
            _ => {
                let other = format!("line {number}: nothing is known of the platform");
                report.violations.push(other);
                continue;
            }
        };
        report.requests_checked += 1;
        let found = found
            .into_iter()
            .map(|what| format!("line {number}: {request}: {what}"));
        report.violations.extend(found);
    }
    Ok(report)
}
