#![doc = include_str!("README.md")]

mod appender;
mod failover;
mod fan_out;
mod relay;

mod postgres;
mod redis;

use futures::future::BoxFuture;

pub use appender::{AppendError, Appended, Appender};
pub use failover::Failover;
pub use postgres::PostgresInbox;
pub use redis::{Moved, RedisAddress, RedisDrain, RedisInbox};
pub use relay::{Relay, Relayed};

use crate::domain::event::NewEvent;

/// Where events are appended. What it answered with success outlives any process.
pub trait Inbox: std::fmt::Debug + Send + Sync {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Appends events, all or none, behind those of earlier answers. Returns, by position, which of them are new;
    /// an inbox that does not know calls all of them new.
    fn append<'a>(&'a self, events: &'a [NewEvent]) -> Appending<'a>;
}

/// An append under way. Dropped, it may still happen.
pub type Appending<'a> = BoxFuture<'a, Result<Vec<bool>, InboxError>>;

/// Why an inbox took nothing, or did not say that it did.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    #[error("the Postgres inbox refused")]
    Postgres(#[from] sqlx::Error),
    #[error("the Redis inbox refused")]
    Redis(#[from] ::redis::RedisError),
    /// Not connected, or not fit to keep what it takes; the reason was logged when that was found out.
    #[error("the Redis inbox is not usable")]
    RedisUnusable,
    #[error("Redis has not written to its append-only file in time")]
    RedisNotWritten,
}

/// An error with its sources, in one line for a log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn count_appended(inbox: &dyn Inbox, events: usize) {
    metrics::counter!("casehug_inbox_appended_total", "inbox" => inbox.name())
        .increment(events as u64);
}
