//! The audit of everything, by night, part after part: all lanes in key order, then all jobs in id order.

use sqlx::PgConnection;
use uuid::Uuid;

use super::breach::{self, Breach};
use super::{claim_ms, part};
use crate::db::Database;

/// How a look for the next part ended.
#[derive(Debug)]
pub enum Full {
    /// It is not night yet, or another worker is auditing.
    NotNow,
    /// A part was audited, and there is more.
    More(Vec<Breach>),
    /// That was the last part.
    Ended(Vec<Breach>),
}

/// Where the full audit goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    LanesAfter(String),
    JobsAfter(Uuid),
    Ended,
}

/// Audits the next part of everything. Lanes that dead workers hold are left to the audit of what changed, which sees all held lanes.
///
/// # Errors
/// The database refused: the same part is audited next.
pub async fn audit_next_part(database: &Database) -> Result<Full, sqlx::Error> {
    let Some(place) = claim(database).await? else {
        return Ok(Full::NotNow);
    };
    let mut db = database.worker().await?;
    let (found, next) = check(&mut db, place).await?;
    drop(db);
    let now = found
        .into_iter()
        .filter(|breach| breach.rule != "held_by_the_dead")
        .collect();
    let handled = breach::handle(database, now).await?;
    set_place(database, &next).await?;
    Ok(if next == Place::Ended {
        Full::Ended(handled)
    } else {
        Full::More(handled)
    })
}

/// Checks one part, and says where the next one begins.
pub(super) async fn check(
    db: &mut PgConnection,
    place: Place,
) -> Result<(Vec<Breach>, Place), sqlx::Error> {
    match place {
        Place::LanesAfter(after) => {
            let keys = next_lanes(db, &after).await?;
            let found = breach::check_lanes(db, &keys).await?;
            let next = keys.last().map_or(Place::JobsAfter(Uuid::nil()), |last| {
                Place::LanesAfter(last.clone())
            });
            Ok((found, next))
        }
        Place::JobsAfter(after) => {
            let ids = next_jobs(db, after).await?;
            let found = breach::check_jobs(db, &ids).await?;
            Ok((
                found,
                ids.last()
                    .map_or(Place::Ended, |last| Place::JobsAfter(*last)),
            ))
        }
        Place::Ended => Ok((Vec::new(), Place::Ended)),
    }
}

async fn next_lanes(db: &mut PgConnection, after: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select audit_next_lanes($1, $2) as "key!""#,
        after,
        part()
    )
    .fetch_all(db)
    .await
}

async fn next_jobs(db: &mut PgConnection, after: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(r#"select audit_next_jobs($1, $2) as "id!""#, after, part())
        .fetch_all(db)
        .await
}

async fn claim(database: &Database) -> Result<Option<Place>, sqlx::Error> {
    let mut db = database.worker().await?;
    let row = sqlx::query!(
        "select lanes_after, jobs_after from audit_claim_full($1)",
        claim_ms()
    )
    .fetch_optional(&mut *db)
    .await?;
    db.commit().await?;
    Ok(row.map(|row| match (row.lanes_after, row.jobs_after) {
        (Some(after), _) => Place::LanesAfter(after),
        (None, Some(after)) => Place::JobsAfter(after),
        (None, None) => Place::Ended,
    }))
}

async fn set_place(database: &Database, place: &Place) -> Result<(), sqlx::Error> {
    let (lanes_after, jobs_after) = match place {
        Place::LanesAfter(after) => (Some(after.as_str()), None),
        Place::JobsAfter(after) => (None, Some(*after)),
        Place::Ended => (None, None),
    };
    let mut db = database.worker().await?;
    sqlx::query!(
        r#"update audits set lanes_after = $1, jobs_after = $2, running_until = null,
             ended_at = case when $1::text is null and $2::uuid is null then app_now() else ended_at end
           where name = 'full'"#,
        lanes_after,
        jobs_after,
    )
    .execute(&mut *db)
    .await?;
    db.commit().await
}
