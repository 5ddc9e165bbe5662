//! Options: variables of the environment that make a bench shorter, longer or larger than its aim asks, or its server another one.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, anyhow};

/// The number that this variable holds, or the bench's own.
///
/// # Errors
/// The variable holds something else.
pub(crate) fn number<T: FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| anyhow!("{name} must be a number, and is {text}")),
    }
}

/// A length in seconds, from `SECONDS` where that is set.
///
/// # Errors
/// The variable holds something else.
pub(crate) fn seconds(default: u64) -> Result<Duration> {
    Ok(Duration::from_secs(number("SECONDS", default)?))
}

/// Settings as `POSTGRES="shared_buffers=4GB max_wal_size=16GB"`.
///
/// # Errors
/// A part of the variable is no `name=value`.
pub(crate) fn pairs(name: &str) -> Result<Vec<(String, String)>> {
    let text = std::env::var(name).unwrap_or_default();
    text.split_whitespace()
        .map(|pair| {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| anyhow!("{name} must be name=value …, and has {pair}"))?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}
