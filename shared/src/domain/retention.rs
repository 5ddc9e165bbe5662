//! How long things are kept.

/// How long things are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The sync log and its attempts.
    pub logs_days: u16,
    /// Other operations and their attempts; breaches of invariants too.
    pub activity_days: u16,
    /// Events that were fanned out or rejected.
    pub events_days: u16,
    /// Jobs that failed for good: until then they can be retried.
    pub failed_jobs_days: u16,
    /// Webhooks with their sealed payloads.
    pub webhook_events_days: u16,
    /// Sealed words of providers in logs.
    pub sealed_days: u16,
}
