//! The finisher: commits the outcomes that have gathered, as one batch.
//!
//! An outcome is written only where its fence still holds. If its lane is locked, it is tried again; if the lane has another fence,
//! it is dropped, because another worker has the job now. An outcome that the database refuses is isolated by halving the batch and
//! ends as `failed (internal)`: it must not hold up the others, and it must not vanish.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Moment;
use shared::db::{Database, DbError, is_refusal};
use shared::domain::{WorkerId, job::LeasedJob};
use shared::queue::{self, Finished, Outcome};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::scheduling::scheduler::LaneRun;
use crate::scheduling::slots::Slots;
use crate::watchdog::{Watchdog, Watchdogs};

const BATCH: usize = 200;
/// While one batch is being committed the next one is gathered and written.
const WRITERS: usize = 2;
/// After each sixteenth try the database is asked whether the lane is still ours: until then it may just be locked.
const LOOK_EVERY: u32 = 16;
const LOCKED_REST: Duration = Duration::from_millis(15);
const OUTAGE_REST: Duration = Duration::from_millis(250);

struct Pending {
    outcome: Outcome,
    run: LaneRun,
    committed: oneshot::Sender<Option<LeasedJob>>,
    tries: u32,
}

/// Where outcomes are handed in.
#[derive(Debug, Clone)]
pub(crate) struct FinisherHandle {
    pending: mpsc::Sender<Pending>,
}

impl FinisherHandle {
    /// Returns when the outcome is committed, or dropped for a stale fence: the lane's next job where the worker continues with it.
    pub(crate) async fn finish(&self, outcome: Outcome, run: LaneRun) -> Option<LeasedJob> {
        let (committed, done) = oneshot::channel();
        if self
            .pending
            .send(Pending {
                outcome,
                run,
                committed,
                tries: 0,
            })
            .await
            .is_ok()
        {
            done.await.unwrap_or(None)
        } else {
            None
        }
    }
}

pub(crate) struct Finisher {
    handle: FinisherHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl Finisher {
    pub(crate) fn start(
        database: &Database,
        worker: WorkerId,
        slots: &Arc<Slots>,
        watchdogs: &Watchdogs,
    ) -> Self {
        let (pending, gathered) = mpsc::channel(4096);
        let gathered = Arc::new(Mutex::new(gathered));
        let tasks = (0..WRITERS)
            .map(|_| {
                let writer = Writer {
                    database: database.clone(),
                    worker,
                    slots: slots.clone(),
                };
                tokio::spawn(writer.run(gathered.clone(), watchdogs.start("finisher")))
            })
            .collect();
        Self {
            handle: FinisherHandle { pending },
            tasks,
        }
    }

    pub(crate) fn handle(&self) -> FinisherHandle {
        self.handle.clone()
    }

    /// Ends when every handle is gone and everything is committed.
    pub(crate) async fn close(self) {
        drop(self.handle);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Waits for at least one outcome and takes those that have come, up to a batch. Returns how many; none when every handle is gone.
async fn gather(gathered: &Mutex<mpsc::Receiver<Pending>>, pending: &mut Vec<Pending>) -> usize {
    let most = BATCH.saturating_sub(pending.len()).max(1);
    gathered.lock().await.recv_many(pending, most).await
}

struct Writer {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
}

impl Writer {
    /// Ends when every handle is gone and nothing is pending.
    async fn run(self, gathered: Arc<Mutex<mpsc::Receiver<Pending>>>, watchdog: Watchdog) {
        let mut pending = Vec::with_capacity(BATCH);
        loop {
            if pending.is_empty() {
                watchdog.rest();
                if gather(&gathered, &mut pending).await == 0 {
                    return;
                }
            } else {
                // Some lanes were locked: they go with the next batch, or after a rest, and hold up no other.
                let more = tokio::time::timeout(LOCKED_REST, gather(&gathered, &mut pending));
                if more.await == Ok(0) {
                    tokio::time::sleep(LOCKED_REST).await;
                }
            }
            pending = watchdog.during(self.commit_all(pending)).await;
        }
    }

    /// Commits what can be, and returns what has to be tried again.
    async fn commit_all(&self, batch: Vec<Pending>) -> Vec<Pending> {
        let (mut rest, mut locked) = (vec![batch], Vec::new());
        while let Some(mut batch) = rest.pop() {
            self.decide_who_continues(&mut batch);
            match self.commit(&batch).await {
                Ok(finished) => locked.extend(self.sort_out(batch, finished).await),
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
                    self.slots.doubt();
                    tokio::time::sleep(OUTAGE_REST).await;
                    locked.extend(batch);
                }
            }
        }
        locked
    }

    /// As late as possible: connections that became ready since the jobs ended get their slots.
    fn decide_who_continues(&self, batch: &mut [Pending]) {
        for pending in batch {
            pending.outcome.continue_lane = self.slots.may_continue(&pending.run);
        }
    }

    async fn commit(&self, batch: &[Pending]) -> Result<Finished, DbError> {
        let started = Moment::now();
        let outcomes: Vec<&Outcome> = batch.iter().map(|pending| &pending.outcome).collect();
        let finished = queue::finish(
            &self.database,
            self.worker,
            &outcomes,
            self.slots.announce(),
        )
        .await?;
        metrics::histogram!("casehug_finish_batch_size").record(batch.len() as f64);
        metrics::histogram!("casehug_finish_seconds").record(started.elapsed().as_secs_f64());
        for Pending { outcome, run, .. } in batch {
            let written = finished.get(&(outcome.lane.clone(), outcome.fence));
            if let Some(written) = written.filter(|written| written.next.is_none()) {
                self.slots.end_run(&outcome.lane, run, written);
            }
        }
        Ok(finished)
    }

    /// Answers for those that were written; keeps those whose lane was locked; drops those whose lane another worker has.
    async fn sort_out(&self, batch: Vec<Pending>, mut finished: Finished) -> Vec<Pending> {
        let mut locked = Vec::new();
        for mut pending in batch {
            let outcome = &pending.outcome;
            if let Some(written) = finished.remove(&(outcome.lane.clone(), outcome.fence)) {
                if outcome.effect == "later" && !written.ready {
                    let due = Moment::now() + Duration::from_millis(outcome.delay_ms);
                    self.slots
                        .with_scheduler(|scheduler| scheduler.becomes_due(written.connection, due));
                }
                let _ = pending.committed.send(written.next);
                continue;
            }
            pending.tries += 1;
            if pending.tries.is_multiple_of(LOOK_EVERY) && !self.is_held(&pending.outcome).await {
                metrics::counter!("casehug_leases_lost_total").increment(1);
                tracing::warn!(job.id = %pending.outcome.job_id, "an outcome came under a stale fence and was dropped");
                // Or it had been written by a commit whose answer was lost, and the lane was continued.
                self.slots.doubt();
                let _ = pending.committed.send(None);
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
        details: serde_json::Map::new(),
        follow_ups: Vec::new(),
        requeue_code: None,
        ..outcome
    };
    Some(Pending { outcome, ..pending })
}
