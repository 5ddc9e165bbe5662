//! Two inboxes, one queue: what either of them promises, and what happens between them.

mod store;

mod conformance;
mod drain;
mod early;

mod system;

mod outages;
mod unfit;

/// The stream, as it is named in Redis.
const STREAM: &str = "casehug:inbox";
const DEAD: &str = "casehug:inbox:dead";
