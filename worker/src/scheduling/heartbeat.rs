//! The heartbeat: keeps the worker's lease alive on a connection of its own, until the last job has ended.
//!
//! It also judges the lease by this machine's clock, which counts suspended time: when the lease is about to lapse, every job
//! is stopped without asking anyone. A beat that finds the worker's row gone means that another worker has taken over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::clock::Moment;
use shared::db::Database;
use shared::domain::WorkerId;
use shared::queue::{self, Takes};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::watchdog::Watchdogs;

/// Beside its sleep a turn of the heartbeat takes no longer.
const LONGEST_TURN: Duration = Duration::from_secs(30);

/// Whether the worker's row still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    Gone,
}

/// Stops all jobs that run now; later ones run under a new token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aborts {
    current: Arc<Mutex<CancellationToken>>,
}

impl Aborts {
    pub(crate) fn token(&self) -> CancellationToken {
        self.current
            .lock()
            .map(|token| token.clone())
            .unwrap_or_default()
    }

    pub(crate) fn abort(&self) {
        if let Ok(mut token) = self.current.lock() {
            token.cancel();
            *token = CancellationToken::new();
        }
    }
}

pub(crate) struct Heartbeat {
    database: Database,
    worker: WorkerId,
    lease: Duration,
    until: watch::Sender<Moment>,
    verdict: watch::Sender<Verdict>,
    aborts: Aborts,
}

impl Heartbeat {
    /// Registers the worker, for as long as that takes.
    pub(crate) async fn start(
        database: Database,
        worker: WorkerId,
        name: &str,
        lease: Duration,
        takes: Takes,
    ) -> Self {
        let registered = loop {
            let asked = Moment::now();
            match queue::register(&database, worker, name, lease, takes).await {
                Ok(()) => break asked,
                Err(error) => {
                    tracing::warn!(error = %error, "registering failed, trying again");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        };
        Self {
            database,
            worker,
            lease,
            until: watch::Sender::new(registered + lease),
            verdict: watch::Sender::new(Verdict::Held),
            aborts: Aborts::default(),
        }
    }

    pub(crate) fn until(&self) -> watch::Receiver<Moment> {
        self.until.subscribe()
    }

    pub(crate) fn verdict(&self) -> watch::Receiver<Verdict> {
        self.verdict.subscribe()
    }

    pub(crate) fn aborts(&self) -> Aborts {
        self.aborts.clone()
    }

    fn left(&self) -> Duration {
        self.until.borrow().remaining()
    }

    /// Beats every third of the lease until it is aborted, or the row is gone.
    pub(crate) async fn run(self, watchdogs: Watchdogs) {
        // It sleeps a third of the lease by itself.
        let watchdog = watchdogs.start_bounded("heartbeat", self.lease + LONGEST_TURN);
        let third = self.lease / 3;
        let margin = self.lease / 10;
        loop {
            watchdog.feed();
            let left = self.left();
            tokio::time::sleep(third.min(left)).await;
            if self.left() <= margin {
                self.aborts.abort();
            }
            let asked = Moment::now();
            match tokio::time::timeout(third, queue::heartbeat(&self.database, self.worker)).await {
                Ok(Ok(true)) => {
                    self.until.send_replace(asked + self.lease);
                }
                Ok(Ok(false)) => {
                    self.aborts.abort();
                    self.verdict.send_replace(Verdict::Gone);
                    return;
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = %error, "a beat failed");
                    tokio::time::sleep(third.min(Duration::from_millis(200))).await;
                }
                Err(_) => tracing::warn!("a beat was not answered in time"),
            }
        }
    }
}
