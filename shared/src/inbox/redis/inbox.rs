//! Appending to the stream.

use redis::aio::MultiplexedConnection;

use super::STREAM;
use super::address::RedisAddress;
use super::durability::{Answer, wait_until_written};
use super::entry::{self, FIELD};
use super::session::Session;
use crate::domain::event::NewEvent;
use crate::inbox::{Appending, Inbox, InboxError, count_appended};

/// The inbox in Redis. It does not know what is new: the drain finds that out.
#[derive(Debug, Clone)]
pub struct RedisInbox {
    session: Session,
}

impl RedisInbox {
    /// Connects, looks whether this Redis keeps what it takes, and returns when that is known. What is wrong is logged and
    /// looked at again and again: it need not be there, nor fit, yet.
    pub async fn start(address: RedisAddress) -> Self {
        Self {
            session: Session::start(address).await,
        }
    }

    /// True while it would be tried.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.session.usable().is_some()
    }

    /// Waits until it would be tried.
    pub async fn wait_until_usable(&self) {
        self.session.wait_until_usable().await;
    }

    async fn add(&self, events: &[NewEvent]) -> Result<Vec<bool>, InboxError> {
        let Some((mut redis, answer)) = self.session.usable() else {
            return Err(InboxError::RedisUnusable);
        };
        let added = add(&mut redis, answer, events).await;
        if let Err(InboxError::Redis(error)) = &added
            && (error.is_unrecoverable_error() || error.is_timeout())
        {
            self.session.note_broken();
        }
        added?;
        count_appended(self, events.len());
        Ok(vec![true; events.len()])
    }
}

impl Inbox for RedisInbox {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn append<'a>(&'a self, events: &'a [NewEvent]) -> Appending<'a> {
        Box::pin(self.add(events))
    }
}

/// One entry an event, all in one transaction: a full memory refuses all of them, and a torn file loses all of them.
async fn add(
    redis: &mut MultiplexedConnection,
    answer: Answer,
    events: &[NewEvent],
) -> Result<(), InboxError> {
    let mut batch = redis::pipe();
    batch.atomic();
    for event in events {
        batch
            .xadd(STREAM, "*", &[(FIELD, entry::write(event))])
            .ignore();
    }
    batch.exec_async(redis).await?;
    match answer {
        Answer::Synced => Ok(()),
        Answer::Taken => wait_until_written(redis).await,
    }
}
