//! Appending jobs to their lanes.

use sqlx::PgConnection;

use crate::domain::job::NewJob;

/// The channel on which workers hear that a lane became ready.
pub const JOBS_CHANNEL: &str = "casehug_jobs";

/// Appends jobs in order and tells the workers when a lane became ready. Belongs into the transaction that made them necessary.
/// Returns how many lanes became ready.
pub async fn enqueue(db: &mut PgConnection, jobs: &[NewJob]) -> Result<i32, sqlx::Error> {
    if jobs.is_empty() {
        return Ok(0);
    }
    let jobs = serde_json::to_value(jobs).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let ready = sqlx::query_scalar!(r#"select queue_enqueue($1) as "ready!""#, jobs)
        .fetch_one(&mut *db)
        .await?;
    if ready > 0 {
        notify_ready(db).await?;
    }
    Ok(ready)
}

/// Tells the workers, at commit, that there is something to lease.
pub async fn notify_ready(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_notify($1, '')", JOBS_CHANNEL)
        .execute(db)
        .await?;
    Ok(())
}
