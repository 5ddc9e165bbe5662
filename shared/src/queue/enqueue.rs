//! Appending jobs to their lanes, and telling the workers.

use sqlx::PgConnection;

use crate::db::channels::JOBS_CHANNEL;
use crate::domain::{ConnectionId, WorkerId, job::NewJob};

/// The payload that tells workers to look at every connection, also at paused ones.
pub const EVERYTHING: &str = "*";
/// Opens the payload of a worker that has no free slot for the lanes it leaves ready.
pub(super) const LEFT: &str = "left";
/// 200 ids fit into one notification (8,000 bytes); more become "everything".
const MOST_NAMED: usize = 200;

/// Appends jobs in order and tells the workers which connections have a lane that became ready. Belongs into the transaction
/// that made the jobs necessary. Returns those connections.
pub async fn enqueue(
    db: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<Vec<ConnectionId>, sqlx::Error> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = serde_json::to_value(jobs).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let ready: Vec<_> = sqlx::query_scalar!(r#"select queue_enqueue($1) as "ready!""#, jobs)
        .fetch_one(&mut *db)
        .await?
        .into_iter()
        .map(ConnectionId)
        .collect();
    notify_ready(db, &ready).await?;
    Ok(ready)
}

/// Tells the workers, at commit, which connections have something to lease.
pub async fn notify_ready(
    db: &mut PgConnection,
    connections: &[ConnectionId],
) -> Result<(), sqlx::Error> {
    notify_of(db, String::new(), connections).await
}

/// Tells the others, at commit, of connections that this worker leaves with something to lease.
pub(super) async fn notify_left(
    db: &mut PgConnection,
    worker: WorkerId,
    connections: &[ConnectionId],
) -> Result<(), sqlx::Error> {
    notify_of(db, format!("{LEFT} {worker} "), connections).await
}

/// `payload` with the connections behind it; nothing for none of them, everything for too many.
async fn notify_of(
    db: &mut PgConnection,
    mut payload: String,
    connections: &[ConnectionId],
) -> Result<(), sqlx::Error> {
    if connections.is_empty() {
        return Ok(());
    }
    if connections.len() > MOST_NAMED {
        return notify_everything(db).await;
    }
    let ids: Vec<_> = connections.iter().map(ToString::to_string).collect();
    payload.push_str(&ids.join(" "));
    notify(db, &payload).await
}

/// Tells the workers, at commit, to look at everything: a pause was lifted, or too much happened to be named.
pub async fn notify_everything(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    notify(db, EVERYTHING).await
}

async fn notify(db: &mut PgConnection, payload: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_notify($1, $2)", JOBS_CHANNEL, payload)
        .execute(db)
        .await?;
    Ok(())
}
