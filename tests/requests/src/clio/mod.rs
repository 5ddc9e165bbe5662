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

use self::line::Line;

pub(crate) use self::facts::Facts;

/// The request's method and path template, and what is wrong with it.
pub(crate) fn check(line: &str, facts: &Facts) -> serde_json::Result<(String, Vec<String>)> {
    let line: Line = serde_json::from_str(line)?;
    Ok(line.violations(facts))
}
