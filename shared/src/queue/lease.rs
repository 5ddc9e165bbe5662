//! Leasing: a worker visits connections of its own choosing and takes the heads of their ready lanes.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::{Database, corrupt};
use crate::domain::{
    ConnectionId, FirmId, JobId, MatterId, RunId, UploadId, WorkerId,
    job::{Job, LeasedJob},
    outcome::Waiting,
};

/// A connection to be visited, with what the worker remembers of its last visit (both may be unknown).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    pub connection: ConnectionId,
    /// No lane of the connection is ready since before this time.
    pub ready_floor: Option<DateTime<Utc>>,
    /// No lane of the connection is held since before this turn.
    pub first_fence_floor: i64,
    /// It is the turn of the connection's background work.
    pub background_first: bool,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Another worker was just visiting.
    Busy,
    /// Nothing may run before this wait is over.
    Paused(Duration),
    /// The connection's cap is reached: more may be due, perhaps something that a person waits for.
    Full { person: bool },
    /// More is due than the worker had slots for, perhaps something that a person waits for.
    More { person: bool },
    /// Nothing more is due; the next lane becomes due after this wait.
    Clear(Option<Duration>),
}

/// A visit's report.
#[derive(Debug, Clone, Copy)]
pub struct Visited {
    pub connection: ConnectionId,
    pub found: Found,
    pub ready_floor: Option<DateTime<Utc>>,
    pub first_fence_floor: i64,
}

/// What a lease brought.
#[derive(Debug, Default)]
pub struct Leased {
    pub jobs: Vec<LeasedJob>,
    pub visits: Vec<Visited>,
}

/// How many lanes may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub all: i32,
    /// Of these, lanes that no person waits for.
    pub others: i32,
}

/// Visits connections and leases lanes of theirs.
///
/// # Errors
/// The database refused, or did not answer: this worker may then hold lanes that it does not know of, see [`super::list_held`].
pub async fn lease(
    database: &Database,
    worker: WorkerId,
    capacity: Capacity,
    visits: &[Visit],
) -> Result<Leased, sqlx::Error> {
    let connections: Vec<_> = visits.iter().map(|v| v.connection.0).collect();
    let ready_floors: Vec<_> = visits.iter().map(|v| v.ready_floor).collect();
    let first_fence_floors: Vec<_> = visits.iter().map(|v| v.first_fence_floor).collect();
    let background: Vec<_> = visits.iter().map(|v| v.background_first).collect();
    let mut db = database.worker().await?;
    let rows = sqlx::query_as!(
        LeaseRow,
        r#"select connection_id as "connection_id!", found as "found!", wait_ms, ready_floor, first_fence_floor, lane, fence, id, firm_id, kind,
             matter_id, upload_id, explicit, run_id, event_ids, priority, attempts, limited, age_ms, cancelled, waiting_for, waited_ms
           from queue_lease($1, $2, $3, $4, $5, $6, $7)"#,
        worker.0,
        capacity.all,
        capacity.others,
        &connections,
        &ready_floors as &[Option<DateTime<Utc>>],
        &first_fence_floors,
        &background,
    )
    .fetch_all(&mut *db)
    .await?;
    db.commit().await?;
    let mut leased = Leased::default();
    for row in rows {
        if row.id.is_some() {
            leased.jobs.push(row.job()?);
        } else {
            leased.visits.push(row.visited()?);
        }
    }
    Ok(leased)
}

struct LeaseRow {
    connection_id: uuid::Uuid,
    found: String,
    wait_ms: Option<i64>,
    ready_floor: Option<DateTime<Utc>>,
    first_fence_floor: Option<i64>,
    lane: Option<String>,
    fence: Option<i64>,
    id: Option<uuid::Uuid>,
    firm_id: Option<uuid::Uuid>,
    kind: Option<String>,
    matter_id: Option<uuid::Uuid>,
    upload_id: Option<uuid::Uuid>,
    explicit: Option<bool>,
    run_id: Option<uuid::Uuid>,
    event_ids: Option<Vec<String>>,
    priority: Option<i16>,
    attempts: Option<i32>,
    limited: Option<i32>,
    age_ms: Option<i64>,
    cancelled: Option<bool>,
    waiting_for: Option<String>,
    waited_ms: Option<i64>,
}

impl LeaseRow {
    fn visited(self) -> Result<Visited, sqlx::Error> {
        let wait = self.wait_ms.map(duration);
        let person = self.priority == Some(0);
        Ok(Visited {
            connection: ConnectionId(self.connection_id),
            found: match self.found.as_str() {
                "busy" => Found::Busy,
                "paused" => Found::Paused(wait.unwrap_or_default()),
                "full" => Found::Full { person },
                "more" => Found::More { person },
                "clear" => Found::Clear(wait),
                _ => return Err(corrupt("queue_lease.found")),
            },
            ready_floor: self.ready_floor,
            first_fence_floor: self.first_fence_floor.unwrap_or(0),
        })
    }

    fn job(self) -> Result<LeasedJob, sqlx::Error> {
        let columns = JobColumns {
            lane: self.lane,
            fence: self.fence,
            id: self.id,
            firm_id: self.firm_id,
            connection_id: Some(self.connection_id),
            kind: self.kind,
            matter_id: self.matter_id,
            upload_id: self.upload_id,
            explicit: self.explicit,
            run_id: self.run_id,
            event_ids: self.event_ids,
            priority: self.priority,
            attempts: self.attempts,
            limited: self.limited,
            age_ms: self.age_ms,
            cancelled: self.cancelled,
            waiting_for: self.waiting_for,
            waited_ms: self.waited_ms,
        };
        columns.job().ok_or_else(|| corrupt("queue_lease.job"))
    }
}

/// The columns of a job that was taken, by lease or by going on.
pub(super) struct JobColumns {
    pub(super) lane: Option<String>,
    pub(super) fence: Option<i64>,
    pub(super) id: Option<uuid::Uuid>,
    pub(super) firm_id: Option<uuid::Uuid>,
    pub(super) connection_id: Option<uuid::Uuid>,
    pub(super) kind: Option<String>,
    pub(super) matter_id: Option<uuid::Uuid>,
    pub(super) upload_id: Option<uuid::Uuid>,
    pub(super) explicit: Option<bool>,
    pub(super) run_id: Option<uuid::Uuid>,
    pub(super) event_ids: Option<Vec<String>>,
    pub(super) priority: Option<i16>,
    pub(super) attempts: Option<i32>,
    pub(super) limited: Option<i32>,
    pub(super) age_ms: Option<i64>,
    pub(super) cancelled: Option<bool>,
    pub(super) waiting_for: Option<String>,
    pub(super) waited_ms: Option<i64>,
}

impl JobColumns {
    /// Nothing when a column is missing that every job has.
    pub(super) fn job(self) -> Option<LeasedJob> {
        Some(LeasedJob {
            id: JobId(self.id?),
            lane: self.lane?,
            fence: self.fence?,
            firm_id: FirmId(self.firm_id?),
            connection_id: ConnectionId(self.connection_id?),
            work: Job::read(
                &self.kind?,
                self.matter_id.map(MatterId),
                self.upload_id.map(UploadId),
            ),
            explicit: self.explicit?,
            run_id: RunId(self.run_id?),
            event_ids: self.event_ids?,
            priority: self.priority?,
            attempts: self.attempts?,
            limited: self.limited?,
            age: duration(self.age_ms?),
            cancelled: self.cancelled?,
            waited: self
                .waiting_for
                .and_then(|text| Waiting::parse(&text))
                .zip(self.waited_ms.map(duration)),
        })
    }
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A connection that has ready lanes.
#[derive(Debug, Clone, Copy)]
pub struct ReadyConnection {
    pub connection: ConnectionId,
    /// No lane of it was ready before this.
    pub ready_floor: DateTime<Utc>,
    /// Until its first lane is due: zero when it is so already.
    pub due_in: Duration,
    /// A person waits for a lane that is due.
    pub person: bool,
}

/// Connections with ready lanes, at most `limit` of them, behind `after` in id order.
///
/// # Errors
/// The database refused.
pub async fn list_ready_connections(
    database: &Database,
    after: ConnectionId,
    limit: i32,
) -> Result<Vec<ReadyConnection>, sqlx::Error> {
    let mut db = database.worker().await?;
    let rows = sqlx::query!(
        r#"select connection_id as "connection_id!", ready_floor as "ready_floor!",
             (extract(epoch from first_ready_at - app_now()) * 1000)::bigint as "due_ms!", person as "person!"
           from queue_ready_connections($1, $2)"#,
        after.0,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReadyConnection {
            connection: ConnectionId(row.connection_id),
            ready_floor: row.ready_floor,
            due_in: duration(row.due_ms),
            person: row.person,
        })
        .collect())
}
