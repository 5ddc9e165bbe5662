//! Suspects: jobs that two workers died with. Each runs alone, in a process of its own, and only there does a loss judge it.

use crate::db::Database;
use crate::domain::ConnectionId;

/// Suspect lanes that one look names, at most.
const LOOKED_AT: i32 = 100;

/// Whether more suspects wait than workers run alone.
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
