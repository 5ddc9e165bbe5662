//! Callers who wait for a run (`Prefer: wait`): one poll for all of them, however many they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::db::sync_logs::{self, RunResult};
use shared::db::{Database, DbError};
use shared::domain::{FirmId, JobId};
use tokio::sync::{Notify, oneshot};

const EVERY: Duration = Duration::from_millis(75);
/// More runs are asked for in further statements.
const BATCH: usize = 500;

type Waiting = HashMap<(FirmId, JobId), Vec<oneshot::Sender<RunResult>>>;

/// The runs that callers wait for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits {
    waiting: Arc<Mutex<Waiting>>,
    asked: Arc<Notify>,
}

impl Waits {
    pub(crate) fn start(database: Database) -> Self {
        let waits = Self::default();
        tokio::spawn(waits.clone().poll(database));
        waits
    }

    /// The result of a run, seen from the row that the caller was given; never, while the run goes on.
    pub(crate) async fn result(&self, firm: FirmId, log: JobId) -> RunResult {
        loop {
            let (sender, result) = oneshot::channel();
            self.lock().entry((firm, log)).or_default().push(sender);
            self.asked.notify_one();
            if let Ok(result) = result.await {
                return result;
            }
        }
    }

    async fn poll(self, database: Database) {
        loop {
            let asked = self.wanted();
            if asked.is_empty() {
                self.asked.notified().await;
                continue;
            }
            for batch in asked.chunks(BATCH) {
                if let Err(error) = self.look(&database, batch).await {
                    tracing::warn!(error = %error, "runs that callers wait for were not read, trying again");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Those whose callers still wait.
    fn wanted(&self) -> Vec<(FirmId, JobId)> {
        let mut waiting = self.lock();
        waiting.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        waiting.keys().copied().collect()
    }

    async fn look(&self, database: &Database, asked: &[(FirmId, JobId)]) -> Result<(), DbError> {
        let mut db = database.worker().await?;
        let results = sync_logs::find_run_results(&mut db, asked).await?;
        drop(db);
        let firms: HashMap<JobId, FirmId> = asked.iter().map(|(firm, log)| (*log, *firm)).collect();
        let mut waiting = self.lock();
        for (log, result) in results {
            let senders = firms
                .get(&log)
                .and_then(|firm| waiting.remove(&(*firm, log)));
            for sender in senders.into_iter().flatten() {
                // Who has gone away meanwhile needs no answer.
                let _ = sender.send(result.clone());
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
