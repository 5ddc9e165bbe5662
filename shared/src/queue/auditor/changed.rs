//! The audit of what changed since the last pass.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::breach::{self, Breach, Suspects};
use super::{PART, Pace, claim_ms};
use crate::clock::Moment;
use crate::db::Database;

/// Lanes of one kind that a pass checks, at most; the nightly audit checks the others.
const MOST: i32 = 50_000;

struct Claim {
    began_at: Option<DateTime<Utc>>,
    last_fence: i64,
    held: Vec<String>,
    suspects: Json<Suspects>,
}

/// What the next pass has to know of this one.
struct Mark {
    began_at: DateTime<Utc>,
    fence: i64,
    held: Vec<String>,
}

/// What one statement checks.
enum Part<'a> {
    Lanes(&'a [String]),
    Jobs(&'a [uuid::Uuid]),
}

impl Part<'_> {
    async fn check(&self, database: &Database) -> Result<Vec<Breach>, sqlx::Error> {
        let mut db = database.worker().await?;
        match self {
            Self::Lanes(keys) => breach::check_lanes(&mut db, keys).await,
            Self::Jobs(ids) => breach::check_jobs(&mut db, ids).await,
        }
    }
}

/// Audits what changed. Returns nothing when another worker did this within `every`, or is doing it now.
/// A lane that a dead worker holds counts as a breach when it has been held so for `patience`.
///
/// # Errors
/// The database refused: the next pass covers what this one should have.
pub async fn audit_changed(
    database: &Database,
    every: Duration,
    patience: Duration,
    pace: &Pace,
) -> Result<Option<Vec<Breach>>, sqlx::Error> {
    let Some(claim) = claim(database, every).await? else {
        return Ok(None);
    };
    let (mark, lanes, jobs) = gather(database, &claim).await?;
    let mut found = Vec::new();
    let lanes = lanes.chunks(PART).map(Part::Lanes);
    for part in lanes.chain(jobs.chunks(PART).map(Part::Jobs)) {
        let started = Moment::now();
        found.extend(part.check(database).await?);
        pace.rest(started.elapsed()).await;
    }
    let mut db = database.worker().await?;
    found.extend(breach::check_held(&mut db).await?);
    drop(db);
    let mut suspects = claim.suspects.0;
    let patience = TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX);
    let confirmed = breach::confirm(found, &mut suspects, mark.began_at, patience);
    let handled = breach::handle(database, confirmed).await?;
    end(database, &mark, &suspects).await?;
    Ok(Some(handled))
}

async fn claim(database: &Database, every: Duration) -> Result<Option<Claim>, sqlx::Error> {
    let mut db = database.worker().await?;
    let claim = sqlx::query_as!(
        Claim,
        r#"select began_at, last_fence as "last_fence!", held as "held!", suspects as "suspects!: Json<Suspects>"
           from audit_claim('changed', $1, $2)"#,
        i64::try_from(every.as_millis()).unwrap_or(i64::MAX),
        claim_ms(),
    )
    .fetch_optional(&mut *db)
    .await?;
    db.commit().await?;
    Ok(claim)
}

/// The mark first: what changes while the rest is read is the next pass's.
async fn gather(
    database: &Database,
    claim: &Claim,
) -> Result<(Mark, Vec<String>, Vec<uuid::Uuid>), sqlx::Error> {
    let mut db = database.worker().await?;
    let mark = sqlx::query_as!(
        Mark,
        r#"select began_at as "began_at!", fence as "fence!", held as "held!" from audit_mark()"#
    )
    .fetch_one(&mut *db)
    .await?;
    let lanes = sqlx::query_scalar!(
        r#"select audit_changed_lanes($1, $2, $3, $4) as "key!""#,
        claim.began_at,
        claim.last_fence,
        &claim.held,
        MOST
    )
    .fetch_all(&mut *db)
    .await?;
    let jobs = sqlx::query_scalar!(
        r#"select audit_new_jobs($1, $2) as "id!""#,
        claim.began_at,
        MOST
    )
    .fetch_all(&mut *db)
    .await?;
    Ok((mark, lanes, jobs))
}

async fn end(database: &Database, mark: &Mark, suspects: &Suspects) -> Result<(), sqlx::Error> {
    let mut db = database.worker().await?;
    sqlx::query!(
        r#"update audits set began_at = $1, ended_at = app_now(), running_until = null, last_fence = $2, held = $3, suspects = $4
           where name = 'changed'"#,
        mark.began_at,
        mark.fence,
        &mark.held,
        Json(suspects) as _,
    )
    .execute(&mut *db)
    .await?;
    db.commit().await
}
