//! The breaker of the storage of files of a platform's region: when it takes no bytes of several connections, only one job at a time tries it.

use std::time::Duration;

use super::Database;
use crate::domain::{ConnectionId, Platform, Region};

/// Connections whose bytes it has refused in a row when it is closed.
const LEAST: i32 = 3;
/// Until the first try; doubled after each try in vain.
const WAIT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(2);
/// A try that has said nothing by then is no longer waited for.
const TRY: Duration = Duration::from_mins(1);

/// Whether bytes may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageTurn {
    Open,
    /// It is closed, and this job tries it.
    Try,
    /// It is closed for this time.
    Closed(Duration),
}

/// Asks before anything is done for a file.
///
/// # Errors
/// The database refused.
pub async fn ask(
    database: &Database,
    (platform, region): (Platform, Region),
) -> Result<StorageTurn, sqlx::Error> {
    let mut db = database.worker().await?;
    let asked = sqlx::query!(
        r#"select wait_ms, is_try as "is_try!" from storage_ask($1, $2, $3)"#,
        platform.as_str(),
        region.as_str(),
        ms(TRY),
    )
    .fetch_one(&mut *db)
    .await?;
    db.commit().await?;
    Ok(match asked.wait_ms {
        Some(wait) => StorageTurn::Closed(Duration::from_millis(wait.unsigned_abs())),
        None if asked.is_try => StorageTurn::Try,
        None => StorageTurn::Open,
    })
}

/// It refused the bytes of this connection. Returns what changed: `opened` (its breaker), `failed` (a try), or nothing.
///
/// # Errors
/// The database refused.
pub async fn note_failure(
    database: &Database,
    (platform, region): (Platform, Region),
    connection: ConnectionId,
    turn: StorageTurn,
) -> Result<Option<String>, sqlx::Error> {
    let mut db = database.worker().await?;
    let changed = sqlx::query_scalar!(
        "select storage_failed($1, $2, $3, $4, $5, $6, $7)",
        platform.as_str(),
        region.as_str(),
        connection.0,
        turn == StorageTurn::Try,
        LEAST,
        ms(WAIT),
        ms(LONGEST),
    )
    .fetch_one(&mut *db)
    .await?;
    db.commit().await?;
    Ok(changed)
}

/// It took bytes. True when it was closed.
///
/// # Errors
/// The database refused.
pub async fn note_answer(
    database: &Database,
    (platform, region): (Platform, Region),
) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    let closed = sqlx::query_scalar!(
        r#"select storage_answered($1, $2) as "closed!""#,
        platform.as_str(),
        region.as_str()
    )
    .fetch_one(&mut *db)
    .await?;
    db.commit().await?;
    Ok(closed)
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
