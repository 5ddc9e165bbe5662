//! The calls that the provider has recorded: without OAuth and signed transfers.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) at: DateTime<Utc>,
    /// Set when it was refused for the limit: how long to stay away, in seconds.
    pub(super) refused_for: Option<i64>,
}

/// Those that came after this moment, in order.
pub(super) fn since(record: &Path, from: DateTime<Utc>) -> Result<Vec<Call>> {
    let text = std::fs::read_to_string(record).context("read the provider's record")?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut calls: Vec<Call> = lines
        .filter_map(|line| call(&line))
        .filter(|call| call.at >= from)
        .collect();
    calls.sort_by_key(|call| call.at);
    Ok(calls)
}

fn call(line: &Value) -> Option<Call> {
    let url = url::Url::parse(line["url"].as_str()?).ok()?;
    let is_call = line["platform"] == "clio" && url.path().starts_with("/api/");
    let refused = line["status"] == 429;
    is_call.then_some(())?;
    Some(Call {
        at: line["at"].as_str()?.parse().ok()?,
        refused_for: refused.then(|| wait_named(&line["response"])),
    })
}

/// The number of seconds in the refusal's words; a second where it names none.
fn wait_named(response: &Value) -> i64 {
    let text = response.to_string();
    let words = text.split("in ").skip(1);
    let numbers = words.filter_map(|rest| rest.split(' ').next()?.parse().ok());
    numbers.last().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_how_long_to_stay_away() {
        let words =
            json!({ "error": { "message": "Rate limit exceeded. Try again in 17 seconds." } });
        let line = json!({ "at": "2026-01-01T00:00:00Z", "platform": "clio", "url": "https://app.clio.com/api/v4/matters",
            "status": 429, "response": words });

        assert_eq!(call(&line).unwrap().refused_for, Some(17));
        assert!(call(&json!({ "platform": "storage", "url": "https://s/api/" })).is_none());
    }
}
