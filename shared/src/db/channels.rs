//! The channels of NOTIFY. A notification only hurries: each listener looks by itself every second.

/// Events were appended to the inbox; no payload.
pub const INBOX_CHANNEL: &str = "casehug_inbox";
/// Lanes became ready: connection ids, separated by spaces; `*` for every connection; or the word "left", a worker's id and connection ids.
pub const JOBS_CHANNEL: &str = "casehug_jobs";
