//! Reads how long things are kept.

use super::Reader;
use crate::domain::retention::Retention;

/// An event's id is unique for 30 days: a shorter retention would let it in again.
const EVENT_IDS_UNIQUE_DAYS: u16 = 30;
const LONGEST_DAYS: u16 = 3_650;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Retention> {
    let logs_days = days(reader, "RETENTION_LOGS_DAYS", 365, 1);
    let activity_days = days(reader, "RETENTION_ACTIVITY_DAYS", 365, 1);
    let events_days = days(reader, "RETENTION_EVENTS_DAYS", 30, EVENT_IDS_UNIQUE_DAYS);
    let failed_jobs_days = days(reader, "RETENTION_FAILED_JOBS_DAYS", 90, 1);
    let webhook_events_days = days(reader, "RETENTION_WEBHOOK_EVENTS_DAYS", 30, 1);
    let sealed_days = days(reader, "RETENTION_SEALED_DAYS", 30, 1);
    Some(Retention {
        logs_days: logs_days?,
        activity_days: activity_days?,
        events_days: events_days?,
        failed_jobs_days: failed_jobs_days?,
        webhook_events_days: webhook_events_days?,
        sealed_days: sealed_days?,
    })
}

fn days(reader: &mut Reader<'_>, name: &str, default: u16, least: u16) -> Option<u16> {
    let form = format!("must be days from {least} to {LONGEST_DAYS}");
    let days: u16 = reader.parsed(name, &default.to_string(), &form)?;
    if (least..=LONGEST_DAYS).contains(&days) {
        Some(days)
    } else {
        reader.wrong(name, &form)
    }
}
