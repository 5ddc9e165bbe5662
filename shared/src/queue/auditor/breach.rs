//! A breach: finding, repairing and recording it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::db::Database;
use crate::domain::{ConnectionId, JobId};
use crate::queue::notify_ready;

/// Every rule, by the name under which its breaches are recorded and counted.
pub const RULES: [&str; 12] = [
    "above_cap",
    "held_by_nobody",
    "held_by_the_dead",
    "held_twice",
    "holds_no_job",
    "holds_not_its_head",
    "idle_with_job",
    "job_without_lane",
    "job_without_log",
    "left_behind",
    "ready_out_of_step",
    "ready_without_job",
];

/// Rules whose breaches can be mended with the lane's lock alone.
const REPAIRABLE: [&str; 6] = [
    "held_by_nobody",
    "idle_with_job",
    "job_without_lane",
    "left_behind",
    "ready_out_of_step",
    "ready_without_job",
];

/// The one rule that needs two looks.
const BY_THE_DEAD: &str = "held_by_the_dead";

/// Something that may not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    pub rule: String,
    pub lane: Option<String>,
    pub job_id: Option<JobId>,
    pub connection_id: Option<ConnectionId>,
    #[serde(skip)]
    pub(super) fence: Option<i64>,
    pub repaired: bool,
}

/// A lane that a dead worker was seen to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspect {
    pub(super) fence: i64,
    pub(super) seen_at: DateTime<Utc>,
}

pub(super) type Suspects = HashMap<String, Suspect>;

/// Checks these lanes.
pub(super) async fn check_lanes(
    db: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<Breach>, sqlx::Error> {
    sqlx::query_as!(
        Breach,
        r#"select rule as "rule!", lane, job_id as "job_id: JobId", connection_id as "connection_id: ConnectionId", fence,
             false as "repaired!" from audit_lanes($1)"#,
        keys
    )
    .fetch_all(db)
    .await
}

/// Checks all held lanes against each other.
pub(super) async fn check_held(db: &mut PgConnection) -> Result<Vec<Breach>, sqlx::Error> {
    sqlx::query_as!(
        Breach,
        r#"select rule as "rule!", lane, job_id as "job_id: JobId", connection_id as "connection_id: ConnectionId", fence,
             false as "repaired!" from audit_held()"#,
    )
    .fetch_all(db)
    .await
}

/// Checks these jobs.
pub(super) async fn check_jobs(
    db: &mut PgConnection,
    ids: &[uuid::Uuid],
) -> Result<Vec<Breach>, sqlx::Error> {
    sqlx::query_as!(
        Breach,
        r#"select rule as "rule!", lane, job_id as "job_id: JobId", connection_id as "connection_id: ConnectionId", fence,
             false as "repaired!" from audit_jobs($1)"#,
        ids
    )
    .fetch_all(db)
    .await
}

/// One breach of a rule for each lane, or connection where no lane is named: a lane of a thousand jobs is not broken a thousand times.
pub(super) fn distinct(mut found: Vec<Breach>) -> Vec<Breach> {
    let mut seen = HashSet::new();
    found.retain(|b| seen.insert((b.rule.clone(), b.lane.clone(), b.connection_id)));
    found
}

/// Leaves those that stand at once, and those held by the dead that were seen so, under the same fence, some time ago.
/// `suspects` then holds what was seen this time.
pub(super) fn confirm(
    found: Vec<Breach>,
    suspects: &mut Suspects,
    now: DateTime<Utc>,
    patience: chrono::TimeDelta,
) -> Vec<Breach> {
    let before = std::mem::take(suspects);
    found
        .into_iter()
        .filter(|breach| {
            let (Some(lane), Some(fence), BY_THE_DEAD) =
                (&breach.lane, breach.fence, breach.rule.as_str())
            else {
                return true;
            };
            let first = before.get(lane).filter(|seen| seen.fence == fence);
            let seen_at = first.map_or(now, |seen| seen.seen_at);
            suspects.insert(lane.clone(), Suspect { fence, seen_at });
            now - seen_at >= patience
        })
        .collect()
}

/// Repairs what can be proved, records all of it, and says so. One lane is one transaction.
///
/// # Errors
/// The database refused: what was handled before stands.
pub async fn handle(database: &Database, found: Vec<Breach>) -> Result<Vec<Breach>, sqlx::Error> {
    let mut handled = Vec::new();
    let mut repaired = HashSet::new();
    for mut breach in distinct(found) {
        let mut db = database.worker().await?;
        if let Some(lane) = &breach.lane
            && REPAIRABLE.contains(&breach.rule.as_str())
        {
            breach.repaired = repaired.contains(lane) || repair(&mut db, lane).await?;
            if breach.repaired {
                repaired.insert(lane.clone());
                notify_ready(&mut db, breach.connection_id.as_slice()).await?;
            }
        }
        insert(&mut db, &breach).await?;
        db.commit().await?;
        tracing::error!(
            rule = breach.rule, lane = breach.lane, job.id = ?breach.job_id.map(|id| id.0), repaired = breach.repaired,
            "an invariant of the queue was broken"
        );
        handled.push(breach);
    }
    Ok(handled)
}

async fn repair(db: &mut PgConnection, lane: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select audit_repair($1) as "repaired!""#, lane)
        .fetch_one(db)
        .await
}

async fn insert(db: &mut PgConnection, breach: &Breach) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into audit_breaches (found_at, rule, lane, job_id, connection_id, repaired)
           values (app_now(), $1, $2, $3, $4, $5)"#,
        breach.rule,
        breach.lane,
        breach.job_id.map(|id| id.0),
        breach.connection_id.map(|id| id.0),
        breach.repaired,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The newest recorded breaches, of all auditors.
///
/// # Errors
/// The database refused.
pub async fn list_recorded(database: &Database, limit: i64) -> Result<Vec<Breach>, sqlx::Error> {
    let mut db = database.worker().await?;
    sqlx::query_as!(
        Breach,
        r#"select rule, lane, job_id as "job_id: JobId", connection_id as "connection_id: ConnectionId",
             null::bigint as fence, repaired
           from audit_breaches order by found_at desc limit $1"#,
        limit
    )
    .fetch_all(&mut *db)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(lane: &str, fence: i64) -> Breach {
        Breach {
            rule: BY_THE_DEAD.into(),
            lane: Some(lane.into()),
            job_id: None,
            connection_id: None,
            fence: Some(fence),
            repaired: false,
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_lane_of_the_dead_counts_at_the_second_look_under_the_same_fence_alone() {
        let (mut suspects, patience) = (Suspects::new(), chrono::TimeDelta::seconds(30));
        let mut look = |lane, fence, second| {
            confirm(vec![dead(lane, fence)], &mut suspects, at(second), patience).len()
        };

        assert_eq!(look("a", 1, 0), 0, "the first look");
        assert_eq!(look("a", 1, 29), 0, "too early");
        assert_eq!(look("a", 1, 30), 1, "still there");
        assert_eq!(look("a", 2, 60), 0, "another holder");
        assert_eq!(look("b", 2, 90), 0, "another lane");
        assert_eq!(look("a", 2, 95), 0, "it was away in between");
    }
}
