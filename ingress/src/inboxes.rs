//! The inboxes that are configured, and whether one of them is there.

use std::sync::Arc;
use std::time::Duration;

use shared::config::{InboxChoice, IngressConfig};
use shared::db::Database;
use shared::inbox::{Failover, Inbox, PostgresInbox, RedisInbox};
use shared::schema::{self, SchemaError};

/// While Redis takes events, the readiness waits no longer for a database that hangs.
const DATABASE_ANSWER: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub(crate) struct Inboxes {
    database: Database,
    redis: Option<RedisInbox>,
    choice: InboxChoice,
    fallback: Duration,
}

impl Inboxes {
    /// Looks at Redis, if there is to be one.
    pub(crate) async fn start(config: &IngressConfig, database: Database) -> Self {
        let redis = match &config.common.redis {
            Some(address) => Some(RedisInbox::start(address.clone()).await),
            None => None,
        };
        Self {
            database,
            redis,
            choice: config.inbox,
            fallback: config.inbox_fallback,
        }
    }

    pub(crate) fn postgres(&self) -> Arc<dyn Inbox> {
        Arc::new(PostgresInbox::new(self.database.clone()))
    }

    /// The first choice and the other one, or Postgres alone.
    pub(crate) fn both(&self) -> Arc<dyn Inbox> {
        let Some(redis) = self.redis.clone() else {
            return self.postgres();
        };
        let redis: Arc<dyn Inbox> = Arc::new(redis);
        let (first, other) = match self.choice {
            InboxChoice::Postgres => (self.postgres(), redis),
            InboxChoice::Redis => (redis, self.postgres()),
        };
        Arc::new(Failover::new(first, other, self.fallback))
    }

    /// Waits until one of them is there.
    ///
    /// # Errors
    /// The schema asks for newer code.
    pub(crate) async fn wait_for_one(&self) -> Result<(), SchemaError> {
        let Some(redis) = &self.redis else {
            return schema::wait_until_good(&self.database).await;
        };
        tokio::select! {
            good = schema::wait_until_good(&self.database) => good,
            () = redis.wait_until_usable() => Ok(()),
        }
    }

    /// Whether events are taken: the schema is one that this code can live with, or Redis stands in for a database that is away.
    pub(crate) async fn is_there(&self) -> bool {
        let checking = schema::check(&self.database);
        if !self.redis.as_ref().is_some_and(RedisInbox::is_usable) {
            return checking.await.is_ok();
        }
        let checked = tokio::time::timeout(DATABASE_ANSWER, checking).await;
        !matches!(checked, Ok(Err(SchemaError::CodeTooOld { .. })))
    }
}
