//! Times that callers name.

use chrono::{DateTime, Datelike, Utc};
use serde::de::{Deserialize, Deserializer, Error};

/// Ids hold times from 1970 on, and text holds years of four digits.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// Reads a time that the database and ids can hold.
///
/// # Errors
/// It is no RFC 3339 time, or lies before 1970 or after 9999.
pub fn read_bounded<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let time = Option::<DateTime<Utc>>::deserialize(from)?;
    match time {
        Some(time) if !YEARS.contains(&time.year()) => Err(D::Error::custom("out of range")),
        time => Ok(time),
    }
}
