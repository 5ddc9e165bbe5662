//! What several modules' tests begin with.

use std::time::Duration;

use shared::domain::job::{Job, LeasedJob};
use shared::domain::{ConnectionId, FirmId, JobId, RunId};
use uuid::Uuid;

/// A lane's first job, which does nothing.
pub(crate) fn probe(lane: &str, fence: i64) -> LeasedJob {
    LeasedJob {
        id: JobId(Uuid::nil()),
        lane: lane.into(),
        fence,
        firm_id: FirmId(Uuid::nil()),
        connection_id: ConnectionId(Uuid::nil()),
        work: Job::Probe,
        explicit: false,
        run_id: RunId(Uuid::nil()),
        event_ids: Vec::new(),
        priority: 1,
        attempts: 0,
        limited: 0,
        age: Duration::ZERO,
        cancelled: false,
        waited: None,
    }
}
