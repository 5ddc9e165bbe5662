//! Finishing: outcomes of many jobs in one commit, each only where its fence still holds.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::enqueue::{notify_left, notify_ready};
use super::lease::JobColumns;
use crate::db::Database;
use crate::domain::{
    ConnectionId, ExternalId, JobId, WorkerId,
    job::{LeasedJob, NewJob},
    outcome::CallRecord,
};

/// What the database needs to know of one execution. The shape is that of `job_outcome` in the schema.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub lane: String,
    pub fence: i64,
    pub job_id: JobId,
    /// `delete`, `fail` or `later`.
    pub effect: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<&'static str>,
    /// The attempt counts towards the limit.
    pub counted: bool,
    /// Answers of 429 in a row by now.
    pub limited: i32,
    pub log_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    #[serde(flatten)]
    pub attempt: Attempt,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub follow_ups: Vec<NewJob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue_code: Option<&'static str>,
    /// A probe says nothing about its connection.
    pub probe: bool,
    /// It says when its connection was last synced: an action that firms are told of.
    pub published: bool,
    /// If the lane's next job is due, this worker takes it at once, because no other job waits for the slot.
    pub continue_lane: bool,
    /// The time limit of what it waits for begins now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits_anew: bool,
}

/// One execution for the history.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub duration_ms: u64,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallRecord>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An outcome that was written.
#[derive(Debug)]
pub struct Written {
    pub connection: ConnectionId,
    /// The lane's next job is due and the lane is free.
    pub ready: bool,
    /// And a person waits for it.
    pub person: bool,
    /// The lane's next job, where the worker went on with it.
    pub next: Option<LeasedJob>,
}

/// What a commit did, by the lane and fence of what was finished. A missing lane was not written, because another transaction had locked it
/// or because it has another fence.
pub type Finished = HashMap<(String, i64), Written>;

/// Which workers are notified of the lanes that are ready now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// No worker: this worker has room for them itself.
    Nothing,
    /// All workers, of the lanes that are ready.
    Ready,
    /// All workers, of every connection that was worked for: this worker will not look after them again.
    Everything,
}

/// Commits outcomes.
///
/// # Errors
/// The database refused: none of them is written. Or it did not answer: then they may be written, and this worker may hold lanes that it
/// does not know of.
pub async fn finish(
    database: &Database,
    worker: WorkerId,
    outcomes: &[&Outcome],
    announce: Announce,
) -> Result<Finished, sqlx::Error> {
    let outcomes =
        serde_json::to_value(outcomes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut db = database.worker().await?;
    let rows = sqlx::query!(
        r#"select lane as "lane!", fence as "fence!", connection_id as "connection_id!", ready as "ready!", person as "person!", next_fence, id, firm_id, kind,
             matter_id, upload_id, explicit, run_id, event_ids, priority, attempts, limited, age_ms, cancelled, waiting_for, waited_ms
           from queue_finish($1, $2)"#,
        worker.0,
        outcomes
    )
    .fetch_all(&mut *db)
    .await?;
    let finished: Finished = rows
        .into_iter()
        .map(|row| {
            let next = JobColumns {
                lane: Some(row.lane.clone()),
                fence: row.next_fence,
                id: row.id,
                firm_id: row.firm_id,
                connection_id: Some(row.connection_id),
                kind: row.kind,
                matter_id: row.matter_id,
                upload_id: row.upload_id,
                explicit: row.explicit,
                run_id: row.run_id,
                event_ids: row.event_ids,
                priority: row.priority,
                attempts: row.attempts,
                limited: row.limited,
                age_ms: row.age_ms,
                cancelled: row.cancelled,
                waiting_for: row.waiting_for,
                waited_ms: row.waited_ms,
            };
            let written = Written {
                connection: ConnectionId(row.connection_id),
                ready: row.ready,
                person: row.person,
                next: next.job(),
            };
            ((row.lane, row.fence), written)
        })
        .collect();
    let (people, others): (Vec<_>, Vec<_>) = finished
        .values()
        .filter(|written| announce.is_about(written))
        .partition(|written| written.person);
    notify_ready(&mut db, &connections(&people)).await?;
    notify_left(&mut db, worker, &connections(&others)).await?;
    db.commit().await?;
    Ok(finished)
}

impl Announce {
    fn is_about(self, written: &Written) -> bool {
        match self {
            Self::Nothing => false,
            Self::Ready => written.ready,
            Self::Everything => true,
        }
    }
}

/// Each once.
fn connections(written: &[&Written]) -> Vec<ConnectionId> {
    let mut connections: Vec<_> = written.iter().map(|written| written.connection).collect();
    connections.sort_unstable_by_key(|connection| connection.0);
    connections.dedup();
    connections
}

/// Whether a lane is still held by this worker under this fence. What is not, was finished or taken over.
///
/// # Errors
/// The database refused.
pub async fn is_held(
    database: &Database,
    worker: WorkerId,
    lane: &str,
    fence: i64,
) -> Result<bool, sqlx::Error> {
    let mut db = database.worker().await?;
    sqlx::query_scalar!(
        r#"select exists (select 1 from lanes where key = $1 and fence = $2 and worker is not distinct from $3) as "held!""#,
        lane,
        fence,
        worker.0
    )
    .fetch_one(&mut *db)
    .await
}
