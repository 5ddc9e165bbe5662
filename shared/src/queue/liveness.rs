//! A worker's own row: the lease of everything it holds.

use std::time::Duration;

use crate::db::Database;
use crate::domain::{WorkerId, job::LeasedJob};

/// Announces a worker; its first lease begins.
///
/// # Errors
/// The database refused.
pub async fn register(
    database: &Database,
    worker: WorkerId,
    name: &str,
    lease: Duration,
) -> Result<(), sqlx::Error> {
    let mut db = database.worker().await?;
    let lease_ms = i32::try_from(lease.as_millis()).unwrap_or(i32::MAX);
    sqlx::query!(
        "select queue_register($1, $2, $3)",
        worker.0,
        name,
        lease_ms
    )
    .execute(&mut *db)
    .await?;
    db.commit().await
}

/// Renews everything the worker holds. False: its row is gone, another worker has taken over.
///
/// # Errors
/// The database refused; the lease stands as it did.
pub async fn beat(database: &Database, worker: WorkerId) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    let alive = sqlx::query_scalar!(r#"select queue_beat($1) as "alive!""#, worker.0)
        .fetch_one(&mut *db)
        .await?;
    db.commit().await?;
    Ok(alive)
}

/// Frees lanes of dead workers; returns how many.
///
/// # Errors
/// The database refused.
pub async fn take_over(database: &Database, worker: WorkerId) -> Result<i32, sqlx::Error> {
    let mut db = database.worker().await?;
    let freed = sqlx::query_scalar!(r#"select queue_take_over($1, 1000) as "freed!""#, worker.0)
        .fetch_one(&mut *db)
        .await?;
    db.commit().await?;
    Ok(freed)
}

/// Gives back leases that were not started; no attempt is counted.
///
/// # Errors
/// The database refused; the leases then end with the worker's own.
pub async fn give_back(
    database: &Database,
    worker: WorkerId,
    jobs: &[LeasedJob],
) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let lanes: Vec<_> = jobs.iter().map(|job| job.lane.clone()).collect();
    let fences: Vec<_> = jobs.iter().map(|job| job.fence).collect();
    let mut db = database.worker().await?;
    sqlx::query_scalar!(
        "select queue_give_back($1, $2, $3)",
        worker.0,
        &lanes,
        &fences
    )
    .fetch_one(&mut *db)
    .await?;
    super::notify_ready(&mut db).await?;
    db.commit().await
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

/// Deletes a batch of lanes that have been idle for a day. A lane that somebody is just using is skipped.
///
/// # Errors
/// The database refused.
pub async fn delete_idle_lanes(database: &Database) -> Result<u64, sqlx::Error> {
    let mut db = database.worker().await?;
    let done = sqlx::query!(
        r#"delete from lanes where key in (
             select l.key from lanes l
             where l.ready_at is null and l.worker is null and l.changed_at < app_now() - interval '1 day'
               and not exists (select 1 from jobs j where j.lane = l.key)
             order by l.key limit 500 for update skip locked)"#
    )
    .execute(&mut *db)
    .await?;
    db.commit().await?;
    Ok(done.rows_affected())
}
