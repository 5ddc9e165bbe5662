//! The finisher: commits the outcomes that have gathered, as one batch.
//!
//! An outcome is written only where its fence still holds. What was locked by somebody is tried again; what has another fence
//! is dropped, for the job is somebody else's now. An outcome that the database refuses is isolated by halving the batch and
//! ends as `failed (internal)`: it must not hold up the others, and it must not vanish.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Moment;
use shared::db::{Database, DbError, is_refusal};
use shared::domain::WorkerId;
use shared::queue::{self, Outcome};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::slots::Slots;

const BATCH: usize = 200;
/// A lane that stays locked this many times has another holder, or will be seen again by its own lease.
const TRIES: u32 = 8;
const LOCKED_REST: Duration = Duration::from_millis(15);
const OUTAGE_REST: Duration = Duration::from_millis(250);

struct Pending {
    outcome: Outcome,
    committed: oneshot::Sender<()>,
}

/// Where outcomes are handed in.
#[derive(Debug, Clone)]
pub(crate) struct FinisherHandle {
    pending: mpsc::Sender<Pending>,
}

impl FinisherHandle {
    /// Returns when the outcome is committed, or dropped for a stale fence.
    pub(crate) async fn finish(&self, outcome: Outcome) {
        let (committed, done) = oneshot::channel();
        if self
            .pending
            .send(Pending { outcome, committed })
            .await
            .is_ok()
        {
            let _ = done.await;
        }
    }
}

pub(crate) struct Finisher {
    handle: FinisherHandle,
    task: JoinHandle<()>,
}

impl Finisher {
    pub(crate) fn start(database: Database, worker: WorkerId, slots: Arc<Slots>) -> Self {
        let (pending, gathered) = mpsc::channel(4096);
        let writer = Writer {
            database,
            worker,
            slots,
        };
        Self {
            handle: FinisherHandle { pending },
            task: tokio::spawn(writer.run(gathered)),
        }
    }

    pub(crate) fn handle(&self) -> FinisherHandle {
        self.handle.clone()
    }

    /// Ends when every handle is gone and everything is committed.
    pub(crate) async fn close(self) {
        drop(self.handle);
        let _ = self.task.await;
    }
}

struct Writer {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
}

impl Writer {
    async fn run(self, mut gathered: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(BATCH);
        while gathered.recv_many(&mut batch, BATCH).await > 0 {
            let (outcomes, waiters): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|p| (p.outcome, p.committed)).unzip();
            self.commit_all(outcomes).await;
            for waiter in waiters {
                let _ = waiter.send(());
            }
        }
    }

    async fn commit_all(&self, outcomes: Vec<Outcome>) {
        let mut rest = vec![outcomes];
        while let Some(batch) = rest.pop() {
            match self.commit(&batch).await {
                Ok(()) => {}
                Err(_) if batch.len() > 1 => {
                    let middle = batch.len() / 2;
                    rest.push(batch[middle..].to_vec());
                    rest.push(batch[..middle].to_vec());
                }
                Err(error) => {
                    if let Some(outcome) = batch.into_iter().next() {
                        rest.extend(replace_refused(outcome, &error).map(|o| vec![o]));
                    }
                }
            }
        }
    }

    /// Commits what still holds. Waits for a database that is away; returns an error for data that it refuses.
    async fn commit(&self, batch: &[Outcome]) -> Result<(), DbError> {
        let mut left = batch.to_vec();
        let mut tries = 0;
        while !left.is_empty() {
            let started = Moment::now();
            let finished = match queue::finish(&self.database, self.worker, &left).await {
                Ok(finished) => finished,
                Err(error) if is_refusal(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %error, "finishing failed, trying again");
                    tokio::time::sleep(OUTAGE_REST).await;
                    continue;
                }
            };
            metrics::histogram!("casehug_finish_batch_size").record(left.len() as f64);
            metrics::histogram!("casehug_finish_seconds").record(started.elapsed().as_secs_f64());
            if finished.ready {
                self.slots.ring();
            }
            left.retain(|o| !finished.written.contains(&(o.lane.clone(), o.fence)));
            tries += 1;
            if tries >= TRIES {
                break;
            }
            if !left.is_empty() {
                tokio::time::sleep(LOCKED_REST).await;
            }
        }
        for outcome in &left {
            metrics::counter!("casehug_leases_lost_total").increment(1);
            tracing::warn!(job.id = %outcome.job_id, "an outcome came under a stale fence and was dropped");
        }
        Ok(())
    }
}

/// The same outcome without anything that could be refused, as `failed (internal)`; nothing when that was refused already.
fn replace_refused(outcome: Outcome, error: &DbError) -> Option<Outcome> {
    tracing::error!(error = %error, job.id = %outcome.job_id, "the database refused an outcome");
    if outcome.code.as_deref() == Some("internal") {
        return None;
    }
    Some(Outcome {
        effect: "fail",
        waiting_for: None,
        log_status: "failed",
        code: Some("internal".into()),
        message: Some("the outcome could not be stored".into()),
        external_id: None,
        details: serde_json::json!({}),
        follow_ups: Vec::new(),
        requeue_code: None,
        ..outcome
    })
}
