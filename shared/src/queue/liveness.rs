//! A worker's own row: the lease of everything it holds.

use std::time::Duration;

use super::enqueue::{notify_left, notify_ready};
use super::finish::Announce;
use crate::db::Database;
use crate::domain::{ConnectionId, WorkerId, job::LeasedJob};

/// What a worker that registers takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// All lanes but suspect ones.
    Ordinary,
    /// Suspect lanes, one at a time. The worker on the same machine that has started its process, where one has.
    Suspects(Option<WorkerId>),
}

/// Announces a worker; its first lease begins.
///
/// # Errors
/// The database refused.
pub async fn register(
    database: &Database,
    worker: WorkerId,
    name: &str,
    lease: Duration,
    takes: Takes,
) -> Result<(), sqlx::Error> {
    let mut db = database.worker().await?;
    let started_by = match takes {
        Takes::Suspects(Some(starter)) => Some(starter.0),
        Takes::Suspects(None) | Takes::Ordinary => None,
    };
    let lease_ms = i32::try_from(lease.as_millis()).unwrap_or(i32::MAX);
    sqlx::query!(
        "select queue_register($1, $2, $3, $4, $5)",
        worker.0,
        name,
        lease_ms,
        takes != Takes::Ordinary,
        started_by
    )
    .execute(&mut *db)
    .await?;
    db.commit().await
}

/// Renews everything the worker holds. False: its row is gone, another worker has taken over.
///
/// # Errors
/// The database refused; the lease stands as it did.
pub async fn heartbeat(database: &Database, worker: WorkerId) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    let alive = sqlx::query_scalar!(r#"select queue_heartbeat($1) as "alive!""#, worker.0)
        .fetch_one(&mut *db)
        .await?;
    db.commit().await?;
    Ok(alive)
}

/// Frees lanes of dead workers, and tells all workers of them. Returns the connection of each.
///
/// # Errors
/// The database refused.
pub async fn take_over(
    database: &Database,
    worker: WorkerId,
) -> Result<Vec<ConnectionId>, sqlx::Error> {
    let mut db = database.worker().await?;
    let freed: Vec<_> =
        sqlx::query_scalar!(r#"select queue_take_over($1, 1000) as "freed!""#, worker.0)
            .fetch_all(&mut *db)
            .await?
            .into_iter()
            .map(ConnectionId)
            .collect();
    notify_ready(&mut db, &freed).await?;
    db.commit().await?;
    Ok(freed)
}

/// A lane that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLane {
    pub lane: String,
    pub fence: i64,
    pub connection: ConnectionId,
}

/// All lanes that a worker holds in the database: what it does not know of among them, a lost answer left behind.
///
/// # Errors
/// The database refused.
pub async fn list_held(
    database: &Database,
    worker: WorkerId,
) -> Result<Vec<HeldLane>, sqlx::Error> {
    let mut db = database.worker().await?;
    let rows = sqlx::query!(
        "select key, fence, connection_id from lanes where worker = $1",
        worker.0
    )
    .fetch_all(&mut *db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| HeldLane {
            lane: row.key,
            fence: row.fence,
            connection: ConnectionId(row.connection_id),
        })
        .collect())
}

/// Gives back leases that were not started; no attempt is counted. Returns how many of them were still held.
///
/// # Errors
/// The database refused; the leases then end with the worker's own.
pub async fn give_back(
    database: &Database,
    worker: WorkerId,
    held: &[HeldLane],
) -> Result<i32, sqlx::Error> {
    if held.is_empty() {
        return Ok(0);
    }
    let lanes: Vec<_> = held.iter().map(|held| held.lane.clone()).collect();
    let fences: Vec<_> = held.iter().map(|held| held.fence).collect();
    let connections: Vec<_> = held.iter().map(|held| held.connection).collect();
    let mut db = database.worker().await?;
    let given = sqlx::query_scalar!(
        r#"select queue_give_back($1, $2, $3) as "given!""#,
        worker.0,
        &lanes,
        &fences
    )
    .fetch_one(&mut *db)
    .await?;
    notify_ready(&mut db, &connections).await?;
    db.commit().await?;
    Ok(given)
}

impl From<&LeasedJob> for HeldLane {
    fn from(job: &LeasedJob) -> Self {
        Self {
            lane: job.lane.clone(),
            fence: job.fence,
            connection: job.connection_id,
        }
    }
}

/// Marks that a job begins to send a file to a signed address: its connection then has room for another job. The other workers are
/// notified of that room unless this worker uses it itself. False when another transfer of the connection is running: this one counts
/// under the cap as before.
///
/// # Errors
/// The database refused: nothing is marked.
pub async fn begin_transfer(
    database: &Database,
    worker: WorkerId,
    job: &LeasedJob,
    announce: Announce,
) -> Result<bool, sqlx::Error> {
    let mark = sqlx::query_scalar!(
        r#"select queue_begin_transfer($1, $2, $3) as "marked!""#,
        worker.0,
        job.lane,
        job.fence
    );
    if announce == Announce::Nothing {
        return mark.fetch_one(database.single()).await;
    }
    let mut db = database.worker().await?;
    let marked = mark.fetch_one(&mut *db).await?;
    if marked {
        notify_left(&mut db, worker, &[job.connection_id]).await?;
    }
    db.commit().await?;
    Ok(marked)
}

/// Removes a worker that holds nothing any more.
///
/// # Errors
/// The database refused; the row then ends as an expired one.
pub async fn deregister(database: &Database, worker: WorkerId) -> Result<(), sqlx::Error> {
    let mut db = database.worker().await?;
    sqlx::query!(
        "delete from workers w where w.id = $1 and not exists (select 1 from lanes l where l.worker = $1)",
        worker.0
    )
    .execute(&mut *db)
    .await?;
    db.commit().await
}
