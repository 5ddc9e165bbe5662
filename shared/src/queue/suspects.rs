//! Suspects: jobs that two workers died with. Each runs alone, in a process of its own, and only there does a loss judge it.

use crate::db::Database;
use crate::domain::{ConnectionId, WorkerId};

/// Suspect lanes that one look names, at most.
const LOOKED_AT: i32 = 100;

/// Whether more suspects wait than workers that run alone have nothing to do.
///
/// # Errors
/// The database refused.
pub async fn lacks_alone(database: &Database) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    let lacks = sqlx::query_scalar!(r#"select queue_lacks_alone() as "lacks!""#)
        .fetch_one(&mut *db)
        .await?;
    db.commit().await?;
    Ok(lacks)
}

/// The connections whose suspects may run now, once for each suspect: 100 at most.
///
/// # Errors
/// The database refused.
pub async fn list_suspects(database: &Database) -> Result<Vec<ConnectionId>, sqlx::Error> {
    let mut db = database.worker().await?;
    let connections =
        sqlx::query_scalar!(r#"select queue_suspects($1) as "connection!""#, LOOKED_AT)
            .fetch_all(&mut *db)
            .await?;
    db.commit().await?;
    Ok(connections.into_iter().map(ConnectionId).collect())
}

/// Whether a process that this worker has started holds a lease.
///
/// # Errors
/// The database refused.
pub async fn has_started(database: &Database, starter: WorkerId) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    let alive = sqlx::query_scalar!(
        r#"select exists (select 1 from workers where started_by = $1 and alive_until > app_now()) as "alive!""#,
        starter.0
    )
    .fetch_one(&mut *db)
    .await?;
    db.commit().await?;
    Ok(alive)
}
