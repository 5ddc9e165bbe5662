//! Probes: jobs that do nothing, for operators who want to see a worker turn.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::clock;
use crate::db::connections;
use crate::domain::job::{NewJob, Priority, RunContext};
use crate::domain::{ConnectionId, FirmId, RunId};
use crate::queue;

/// The most probes, and the most lanes of probes, that one request enqueues.
pub const MOST_PROBES: u32 = 10_000;

/// What was enqueued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probes {
    pub run_id: RunId,
    pub jobs: u32,
}

/// Enqueues probes in a number of lanes of a connection; nothing when the firm has no such connection.
///
/// # Errors
/// The database refused.
pub async fn enqueue_probes(
    db: &mut PgConnection,
    firm: FirmId,
    connection: ConnectionId,
    count: u32,
    lanes: u32,
) -> Result<Option<Probes>, sqlx::Error> {
    if connections::find(db, firm, connection).await?.is_none() {
        return Ok(None);
    }
    let run = RunContext {
        firm_id: firm,
        connection_id: connection,
        run_id: RunId(clock::new_id()),
        priority: Priority::Background,
        explicit: false,
        event_ids: Vec::new(),
    };
    let jobs: Vec<NewJob> = (0..count)
        .map(|n| run.probe(&(n % lanes).to_string()))
        .collect();
    queue::enqueue(db, &jobs).await?;
    Ok(Some(Probes {
        run_id: run.run_id,
        jobs: count,
    }))
}
