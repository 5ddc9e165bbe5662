//! The leaser: one task that takes ready lanes for as many slots as are free and hands their jobs on.
//!
//! It is never dropped and never ends on a database error. It looks when the bell rings (a NOTIFY, a job that ended), when the
//! next lane becomes due, and every second anyway: the poll is the truth.

use std::sync::Arc;
use std::time::Duration;

use shared::clock;
use shared::db::{Database, DbError};
use shared::domain::{ConnectionId, WorkerId, job::LeasedJob};
use shared::queue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::slots::Slots;

/// At most so many lanes in one statement.
const BATCH: i32 = 256;
const POLL: Duration = Duration::from_secs(1);
/// After a database error.
const REST: Duration = Duration::from_millis(250);

pub(crate) struct Leaser {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
    leased: mpsc::Sender<LeasedJob>,
    served_last: ConnectionId,
}

/// What a round found.
enum Round {
    /// Something: look again at once.
    Took,
    /// Nothing more until then, or until the bell.
    Rest(Duration),
}

impl Leaser {
    pub(crate) fn new(
        database: Database,
        worker: WorkerId,
        slots: Arc<Slots>,
        leased: mpsc::Sender<LeasedJob>,
    ) -> Self {
        Self {
            database,
            worker,
            slots,
            leased,
            served_last: ConnectionId(Uuid::nil()),
        }
    }

    /// Ends when it is stopped; apalis's source ends with it.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let rest = match self.run_once().await {
                Ok(Round::Took) => continue,
                Ok(Round::Rest(rest)) => rest,
                Err(error) => {
                    tracing::warn!(error = %error, "leasing failed, trying again");
                    REST
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.slots.rung() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn run_once(&mut self) -> Result<Round, DbError> {
        let free = self.slots.free().min(BATCH);
        if free <= 0 {
            return Ok(Round::Rest(POLL));
        }
        let jobs = queue::lease(&self.database, self.worker, free, self.served_last).await?;
        let Some(last) = jobs.last() else {
            let due = queue::next_due(&self.database).await?.unwrap_or(POLL);
            return Ok(Round::Rest(
                due.min(POLL.mul_f64(0.75 + clock::random_fraction() / 2.0)),
            ));
        };
        self.served_last = last.connection_id;
        self.slots.take(jobs.len());
        for job in jobs {
            // The channel has room for every slot. It is closed only when apalis has ended: the lease then ends by itself.
            let _ = self.leased.send(job).await;
        }
        Ok(Round::Took)
    }
}
