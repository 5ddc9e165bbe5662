//! Jobs come in: in one go, or steadily while workers take them out, by the function and the notification that the relay uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::clock;
use crate::system::BenchSystem;
use crate::workload::Workload;

/// As the relay: a notification names at most this number of connections; for more, it stands for all connections.
const MOST_NAMED: usize = 200;
/// The relay's batch.
pub(crate) const BATCH: u64 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// Appends jobs to their lanes and tells the workers, in one transaction.
pub(crate) async fn enqueue(queue: &PgPool, jobs: Vec<Value>) -> Result<()> {
    let mut db = queue.begin().await?;
    let ready: Vec<Uuid> = sqlx::query_scalar("select queue_enqueue($1)")
        .bind(Value::from(jobs))
        .fetch_one(&mut *db)
        .await?;
    if !ready.is_empty() {
        let named: Vec<String> = ready.iter().map(Uuid::to_string).collect();
        let told = if ready.len() > MOST_NAMED {
            "*".to_owned()
        } else {
            named.join(" ")
        };
        sqlx::query("select pg_notify('casehug_jobs', $1)")
            .bind(told)
            .execute(&mut *db)
            .await?;
    }
    db.commit().await?;
    Ok(())
}

/// Appends a field's jobs from one number up to another, in batches.
pub(crate) async fn enqueue_range(
    queue: &PgPool,
    field: &Workload,
    numbers: std::ops::Range<u64>,
    batch: u64,
) -> Result<()> {
    let mut next = numbers.start;
    while next < numbers.end {
        let until = (next + batch).min(numbers.end);
        enqueue(
            queue,
            (next..until).map(|number| field.job(number)).collect(),
        )
        .await?;
        next = until;
    }
    Ok(())
}

/// How jobs come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as they go out: this number waits at any time.
    Waiting(u64),
    /// This number a second, whatever goes out.
    Rate(f64),
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub(crate) struct Load {
    stopped: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    sending: JoinHandle<Result<()>>,
}

impl Load {
    /// Jobs of the field from number `first` on. `executed` is what the workers had counted when `first` jobs had been sent.
    pub(crate) fn start(
        system: &Arc<BenchSystem>,
        field: Workload,
        first: u64,
        pace: Pace,
        executed: u64,
    ) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(first));
        let sender = Sender {
            system: Arc::clone(system),
            field,
            pace,
            stopped: Arc::clone(&stopped),
            sent: Arc::clone(&sent),
            first,
            executed,
        };
        Self {
            stopped,
            sent,
            sending: tokio::spawn(sender.run()),
        }
    }

    /// How many jobs were sent in all, the first ones too.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Stops, and returns the number of the first job that was not sent.
    pub(crate) async fn stop(self) -> Result<u64> {
        self.stopped.store(true, Ordering::Release);
        self.sending.await?.context("the load broke off")?;
        Ok(self.sent.load(Ordering::Acquire))
    }
}

struct Sender {
    system: Arc<BenchSystem>,
    field: Workload,
    pace: Pace,
    stopped: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    first: u64,
    executed: u64,
}

impl Sender {
    async fn run(self) -> Result<()> {
        let started = clock::now();
        while !self.stopped.load(Ordering::Acquire) {
            let sent = self.sent.load(Ordering::Acquire);
            let due = match self.pace {
                Pace::Waiting(most) => {
                    let out = self.system.executed().await?.saturating_sub(self.executed);
                    (self.first + out + most).saturating_sub(sent)
                }
                Pace::Rate(rate) => {
                    let due = (started.elapsed().as_secs_f64() * rate) as u64;
                    (self.first + due).saturating_sub(sent)
                }
            };
            if due == 0 {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let until = match self.pace {
                Pace::Waiting(_) => sent + due,
                Pace::Rate(_) => sent + due.min(BATCH),
            };
            enqueue_range(&self.system.queue, &self.field, sent..until, BATCH).await?;
            self.sent.store(until, Ordering::Release);
        }
        Ok(())
    }
}
