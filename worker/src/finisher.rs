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
/// After so many tries it is asked whether the lane is still ours: until then it may just be locked.
const LOOK_EVERY: u32 = 4;
const LOCKED_REST: Duration = Duration::from_millis(15);
const OUTAGE_REST: Duration = Duration::from_millis(250);

struct Pending {
    outcome: Outcome,
    committed: oneshot::Sender<()>,
    tries: u32,
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
            .send(Pending {
                outcome,
                committed,
                tries: 0,
            })
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
    /// Ends when every handle is gone and nothing is pending.
    async fn run(self, mut gathered: mpsc::Receiver<Pending>) {
        let mut pending = Vec::with_capacity(BATCH);
        loop {
            if pending.is_empty() {
                if gathered.recv_many(&mut pending, BATCH).await == 0 {
                    return;
                }
            } else {
                // Some lanes were locked: they go with the next batch and hold up nobody.
                tokio::time::sleep(LOCKED_REST).await;
                while pending.len() < BATCH {
                    let Ok(more) = gathered.try_recv() else { break };
                    pending.push(more);
                }
            }
            pending = self.commit_all(pending).await;
        }
    }

    /// Commits what can be, and returns what has to be tried again.
    async fn commit_all(&self, batch: Vec<Pending>) -> Vec<Pending> {
        let (mut rest, mut locked) = (vec![batch], Vec::new());
        while let Some(mut batch) = rest.pop() {
            match self.commit(&batch).await {
                Ok(finished) => locked.extend(self.sort_out(batch, &finished).await),
                Err(error) if is_refusal(&error) && batch.len() > 1 => {
                    rest.push(batch.split_off(batch.len() / 2));
                    rest.push(batch);
                }
                Err(error) if is_refusal(&error) => {
                    rest.extend(
                        batch
                            .pop()
                            .and_then(|one| replace_refused(one, &error))
                            .map(|one| vec![one]),
                    );
                }
                Err(error) => {
                    tracing::warn!(error = %error, "finishing failed, trying again");
                    tokio::time::sleep(OUTAGE_REST).await;
                    locked.extend(batch);
                }
            }
        }
        locked
    }

    async fn commit(&self, batch: &[Pending]) -> Result<queue::Finished, DbError> {
        let started = Moment::now();
        let outcomes: Vec<&Outcome> = batch.iter().map(|pending| &pending.outcome).collect();
        let finished = queue::finish(&self.database, self.worker, &outcomes).await?;
        metrics::histogram!("casehug_finish_batch_size").record(batch.len() as f64);
        metrics::histogram!("casehug_finish_seconds").record(started.elapsed().as_secs_f64());
        if finished.ready {
            self.slots.ring();
        }
        Ok(finished)
    }

    /// Tells those that were written; keeps those whose lane was locked; drops those whose lane is somebody else's.
    async fn sort_out(&self, batch: Vec<Pending>, finished: &queue::Finished) -> Vec<Pending> {
        let mut locked = Vec::new();
        for mut pending in batch {
            let key = (pending.outcome.lane.clone(), pending.outcome.fence);
            if finished.written.contains(&key) {
                let _ = pending.committed.send(());
                continue;
            }
            pending.tries += 1;
            if pending.tries.is_multiple_of(LOOK_EVERY) && !self.is_held(&pending.outcome).await {
                metrics::counter!("casehug_leases_lost_total").increment(1);
                tracing::warn!(job.id = %pending.outcome.job_id, "an outcome came under a stale fence and was dropped");
                let _ = pending.committed.send(());
            } else {
                locked.push(pending);
            }
        }
        locked
    }

    /// Whether the lane is still held under this outcome's fence. A database that is away says nothing: it is asked again.
    async fn is_held(&self, outcome: &Outcome) -> bool {
        queue::is_held(&self.database, self.worker, &outcome.lane, outcome.fence)
            .await
            .unwrap_or(true)
    }
}

/// The same outcome without anything that could be refused, as `failed (internal)`; nothing when that was refused already.
fn replace_refused(pending: Pending, error: &DbError) -> Option<Pending> {
    let outcome = pending.outcome;
    tracing::error!(error = %error, job.id = %outcome.job_id, "the database refused an outcome");
    if outcome.code.as_deref() == Some("internal") {
        return None;
    }
    let outcome = Outcome {
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
    };
    Some(Pending { outcome, ..pending })
}
