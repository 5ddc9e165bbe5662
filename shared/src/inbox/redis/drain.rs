//! The drain: brings entries of the stream into the Postgres inbox, where the relay takes them.
//!
//! A drain lives in every worker, and one acts at a time, by a transaction-level advisory lock of Postgres: the order of the
//! stream is the order of the rows. The lock comes before the read, and the read hands out in one step what is delivered but
//! not yet gone and then what is new: so a drain that has lost its lock and reads on can only take entries into a pending list
//! that the next one reads first. It cannot insert them: its transaction ended with its lock.
//!
//! Rows are committed before entries go: a drain that dies in between leaves entries that are inserted again, without effect.

use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamInfoStreamReply, StreamMaxlen,
    StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, RedisResult};
use sqlx::Acquire;
use std::time::Duration;

use super::address::RedisAddress;
use super::entry::{self, FIELD};
use super::{CONSUMER, DEAD, GROUP, STREAM};
use crate::db::{Database, Transaction, channels::INBOX_CHANNEL, is_refusal};
use crate::domain::event::NewEvent;
use crate::inbox::{InboxError, postgres};

/// The most new entries that are read at once. Ingress bounds its own entries; another program's may be of any size.
const NEW: usize = 100;
/// The most entries that are kept aside: the oldest go.
const DEAD_KEPT: usize = 10_000;
/// More than [`NEW`], so that one read takes all that a dead drain left, and the list of pending entries shrinks.
const PENDING: usize = 2 * NEW;
/// The advisory lock of the acting drain.
const DRAIN_LOCK: i64 = 0x6361_7365_0002;

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Entries that are in the Postgres inbox now.
    pub entries: usize,
    /// Entries that were set aside.
    pub dead: usize,
    /// Something was left: look again at once.
    pub more: bool,
}

/// Moves entries of the stream into the Postgres inbox.
#[derive(Debug)]
pub struct RedisDrain {
    database: Database,
    address: RedisAddress,
    connection: Option<MultiplexedConnection>,
    /// The newest entry of the stream when it was last looked at.
    seen: String,
}

impl RedisDrain {
    /// A drain that connects when it is first run.
    #[must_use]
    pub fn new(database: Database, address: RedisAddress) -> Self {
        Self {
            database,
            address,
            connection: None,
            seen: "0".into(),
        }
    }

    /// One pass over at most one batch; does nothing when another worker's drain is acting.
    ///
    /// # Errors
    /// Redis or Postgres is away; nothing is lost, the next pass sees the same entries.
    pub async fn run_once(&mut self) -> Result<Moved, InboxError> {
        let mut redis = self.connect().await?;
        let moved = self.move_batch(&mut redis).await;
        if let Err(InboxError::Redis(_)) = &moved {
            // After any error of Redis: a new connection also makes the group again, in case it was removed.
            self.connection = None;
        }
        moved
    }

    /// Waits until something was added since the last pass began, or for `at_most`.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn wait(&mut self, longest: Duration) -> Result<(), InboxError> {
        let mut redis = self.connect().await?;
        let options = StreamReadOptions::default()
            .count(1)
            .block(usize::try_from(longest.as_millis()).unwrap_or(1));
        let found: RedisResult<Option<StreamReadReply>> = redis
            .xread_options(&[STREAM], &[&self.seen], &options)
            .await;
        if found.is_err() {
            self.connection = None;
        }
        found.map(|_| ()).map_err(InboxError::from)
    }

    async fn connect(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let mut connection = self.address.connect().await?;
        make_group(&mut connection).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// A relay that gets no notification looks by itself.
    async fn notify_relays(&self, sorted: &Sorted) {
        if !sorted.moved.is_empty()
            && let Err(error) = self.database.notify(INBOX_CHANNEL).await
        {
            tracing::debug!(error = %error, "the relays got no notification and look by themselves");
        }
    }

    async fn move_batch(&mut self, redis: &mut MultiplexedConnection) -> Result<Moved, InboxError> {
        let stream: StreamInfoStreamReply = redis.xinfo_stream(STREAM).await?;
        self.seen = stream.last_generated_id;
        set_gauge(stream.length);
        if stream.length == 0 {
            return Ok(Moved::default());
        }
        let mut db = self.database.worker().await?;
        if !try_lock(&mut db).await? {
            return Ok(Moved::default());
        }
        let entries = take(redis).await?;
        let sorted = insert(&mut db, entries).await?;
        db.commit().await?;
        self.notify_relays(&sorted).await;
        delete(redis, &sorted.moved).await?;
        set_aside(redis, &sorted.dead).await?;
        let (entries, dead) = (sorted.moved.len(), sorted.dead.len());
        set_gauge(stream.length.saturating_sub(entries + dead));
        Ok(Moved {
            entries,
            dead,
            more: entries + dead > 0 && entries + dead < stream.length,
        })
    }
}

fn set_gauge(entries: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    metrics::gauge!("casehug_redis_inbox_entries").set(entries as f64);
}

/// The group reads from the beginning: ingress may have added before the first drain came.
async fn make_group(redis: &mut MultiplexedConnection) -> RedisResult<()> {
    let made: RedisResult<()> = redis.xgroup_create_mkstream(STREAM, GROUP, "0").await;
    match made {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}

async fn try_lock(db: &mut Transaction) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock($1) as "acting!""#,
        DRAIN_LOCK
    )
    .fetch_one(&mut **db)
    .await
}

/// The oldest entries: first those that were delivered to a drain that then died, then new ones.
async fn take(redis: &mut MultiplexedConnection) -> RedisResult<Vec<StreamId>> {
    let options = StreamReadOptions::default()
        .group(GROUP, CONSUMER)
        .count(NEW);
    let (pending, new): (StreamAutoClaimReply, Option<StreamReadReply>) = redis::pipe()
        .atomic()
        .xautoclaim_options(
            STREAM,
            GROUP,
            CONSUMER,
            0,
            "0-0",
            StreamAutoClaimOptions::default().count(PENDING),
        )
        .xread_options(&[STREAM], &[">"], &options)
        .query_async(redis)
        .await?;
    let mut entries = pending.claimed;
    // Where pending ones are left, the new ones are not their successors; they are pending now too, and come later.
    if pending.next_stream_id == "0-0" {
        let keys = new.map(|reply| reply.keys).unwrap_or_default();
        entries.extend(keys.into_iter().flat_map(|key| key.ids));
    }
    Ok(entries)
}

/// What became of a batch's entries.
#[derive(Default)]
struct Sorted {
    moved: Vec<String>,
    dead: Vec<(StreamId, &'static str)>,
}

async fn insert(db: &mut Transaction, entries: Vec<StreamId>) -> Result<Sorted, sqlx::Error> {
    let mut sorted = Sorted::default();
    let mut readable = Vec::new();
    for entry in entries {
        match entry.get::<String>(FIELD).as_deref().and_then(entry::read) {
            Some(event) => readable.push((entry, event)),
            None => sorted.dead.push((entry, "unreadable")),
        }
    }
    let events: Vec<NewEvent> = readable.iter().map(|(_, event)| event.clone()).collect();
    if insert_or_refuse(db, &events).await? {
        sorted
            .moved
            .extend(readable.into_iter().map(|(entry, _)| entry.id));
        return Ok(sorted);
    }
    // One of them is what Postgres never takes: one by one, in their order.
    for (entry, event) in readable {
        if insert_or_refuse(db, &[event]).await? {
            sorted.moved.push(entry.id);
        } else {
            sorted.dead.push((entry, "refused"));
        }
    }
    Ok(sorted)
}

/// False when Postgres will never take them; nothing is inserted then.
async fn insert_or_refuse(db: &mut Transaction, events: &[NewEvent]) -> Result<bool, sqlx::Error> {
    let mut step = db.begin().await?;
    match postgres::insert(&mut step, events).await {
        Ok(_) => step.commit().await.map(|()| true),
        Err(error) if is_refusal(&error) => step.rollback().await.map(|()| false),
        Err(error) => Err(error),
    }
}

async fn delete(redis: &mut MultiplexedConnection, ids: &[String]) -> RedisResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    redis::pipe()
        .atomic()
        .xack(STREAM, GROUP, ids)
        .ignore()
        .xdel(STREAM, ids)
        .ignore()
        .exec_async(redis)
        .await
}

/// Not together with [`delete`]: adding is refused while Redis's memory is full, deleting is not.
async fn set_aside(
    redis: &mut MultiplexedConnection,
    dead: &[(StreamId, &'static str)],
) -> RedisResult<()> {
    for (entry, reason) in dead {
        let mut fields: Vec<(&str, Vec<u8>)> = entry
            .map
            .keys()
            .map(|name| (name.as_str(), entry.get(name).unwrap_or_default()))
            .collect();
        fields.push(("dead_id", entry.id.clone().into_bytes()));
        fields.push(("dead_reason", reason.as_bytes().to_vec()));
        redis::pipe()
            .atomic()
            .xadd_maxlen(DEAD, StreamMaxlen::Approx(DEAD_KEPT), "*", &fields)
            .ignore()
            .xack(STREAM, GROUP, &[&entry.id])
            .ignore()
            .xdel(STREAM, &[&entry.id])
            .ignore()
            .exec_async(redis)
            .await?;
        tracing::error!(entry.id = %entry.id, reason, "an entry of the Redis inbox was set aside");
    }
    Ok(())
}
