//! The inbox: events are appended in group commits, and the relay fans them out to jobs in lanes.

mod appender;
mod postgres;
mod relay;

pub use appender::{AppendError, Appended, Appender};
pub use relay::{Relay, Relayed};

/// The channel on which ingress tells the relays that something was appended.
pub const INBOX_CHANNEL: &str = "casehug_inbox";
