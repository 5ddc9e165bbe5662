//! The audit that a person or a test asks for: everything, at once, without writing anything.

use std::time::Duration;

use super::breach::{self, Breach};
use super::full::{self, Place};
use crate::db::Database;

/// What an audit of everything found.
#[derive(Debug, Default)]
pub struct Audited {
    pub breaches: Vec<Breach>,
    /// Parts that were looked at.
    pub parts: usize,
}

/// Audits all lanes and all jobs, and repairs nothing. Lanes that dead workers hold are looked at again after two of their leases;
/// without a worker that could take them over they are no breach.
///
/// # Errors
/// The database refused.
pub async fn audit_everything(database: &Database) -> Result<Audited, sqlx::Error> {
    let mut audited = Audited::default();
    let mut place = Place::LanesAfter(String::new());
    while place != Place::Ended {
        let mut db = database.worker().await?;
        let (found, next) = full::check(&mut db, place).await?;
        audited.breaches.extend(found);
        audited.parts += 1;
        place = next;
    }
    let mut db = database.worker().await?;
    audited.breaches.extend(breach::check_held(&mut db).await?);
    drop(db);
    let (dead, sure): (Vec<_>, Vec<_>) = audited
        .breaches
        .into_iter()
        .partition(|breach| breach.rule == "held_by_the_dead");
    audited.breaches = sure;
    if !dead.is_empty() {
        audited.breaches.extend(look_again(database, &dead).await?);
    }
    audited.breaches = breach::distinct(audited.breaches);
    Ok(audited)
}

async fn look_again(database: &Database, seen: &[Breach]) -> Result<Vec<Breach>, sqlx::Error> {
    let Some(lease_ms) = longest_lease_of_the_living(database).await? else {
        return Ok(Vec::new());
    };
    tokio::time::sleep(Duration::from_millis(lease_ms) * 2).await;
    let keys: Vec<String> = seen.iter().filter_map(|b| b.lane.clone()).collect();
    let mut db = database.worker().await?;
    let found = breach::check_lanes(&mut db, &keys).await?;
    Ok(found
        .into_iter()
        .filter(|breach| {
            breach.rule == "held_by_the_dead"
                && seen
                    .iter()
                    .any(|b| b.lane == breach.lane && b.fence == breach.fence)
        })
        .collect())
}

async fn longest_lease_of_the_living(database: &Database) -> Result<Option<u64>, sqlx::Error> {
    let mut db = database.worker().await?;
    let lease_ms =
        sqlx::query_scalar!("select max(lease_ms) from workers where alive_until > app_now()")
            .fetch_one(&mut *db)
            .await?;
    Ok(lease_ms.and_then(|ms| u64::try_from(ms).ok()))
}
