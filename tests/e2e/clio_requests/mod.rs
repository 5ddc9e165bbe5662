//! Were the recorded requests to Clio such as Clio's own OpenAPI document describes them?
//!
//! `operations.json` and `records.json` are cut out of that document (snapshot of 2026-08-12, in
//! `providers/clio.openapi.json`): parameters, bodies and readable fields, without its prose.
//! `ours.json` has what the document leaves out. The only departures are in `exceptions.rs`.
//! Some parameters of lists have an enum that the document's own text explains otherwise, and are
//! here as it explains them: `custom_field_values[<id>]` (any text), `open_date[]` and its like
//! (operator and date), and a matter's `status` (a comma list).
//! A request that Clio knows and the product has no use for is not among the facts, so it is
//! reported as unknown.

mod exceptions;
mod facts;
mod line;
mod selection;

mod mistake;
mod pairs;
mod shape;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Context as _;

use self::{facts::Facts, line::Line};

/// What the check of a record found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Requests to Clio, OAuth included; signed transfers are not Clio's.
    pub requests_checked: usize,
    /// Line number, method, path template and what is wrong there; never a value.
    pub violations: Vec<String>,
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
    let facts = Facts::load()?;
    let mut report = Report::default();
    for (text, number) in record.lines().zip(1..) {
        let line: Line = serde_json::from_str(text)
            .with_context(|| format!("line {number} of the record is no record line"))?;
        match line.platform.as_str() {
            "storage" => continue,
            "clio" => {}
            _ => {
                let other = format!("line {number}: the platform is neither clio nor storage");
                report.violations.push(other);
                continue;
            }
        }
        report.requests_checked += 1;
        let (request, found) = line.violations(&facts);
        let found = found
            .into_iter()
            .map(|what| format!("line {number}: {request}: {what}"));
        report.violations.extend(found);
    }
    Ok(report)
}
