//! Isolation: starts a process of its own for suspects, jobs that two workers died with.
//!
//! The process is this program again. It ends when no suspect waits any more. It also ends with its standard input, which the worker
//! holds: when the worker is killed, the process finishes its job and ends.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use shared::clock::Moment;
use shared::db::Database;
use shared::domain::WorkerId;
use shared::queue;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Between two looks for suspects, and before a process is started again.
const LOOK: Duration = Duration::from_secs(2);
/// A process that holds no lease for this time is stuck: it has not begun to, or another worker has taken its lane.
const STUCK: Duration = Duration::from_mins(2);
/// What a process that has been told to end needs beyond its own grace time.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(crate) struct Isolation {
    pub(crate) database: Database,
    pub(crate) worker: WorkerId,
    /// The program ends: what it has started must end before it.
    pub(crate) drain: CancellationToken,
    /// For how long a process that is told to end may finish its job.
    pub(crate) grace: Duration,
}

impl Isolation {
    /// Ends when it is stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match queue::lacks_alone(&self.database).await {
                Ok(true) => self.run_process(&stop).await,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = %error, "looking for suspects failed"),
            }
            let rest = LOOK.mul_f64(0.75 + shared::clock::random_fraction() / 2.0);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn run_process(&self, stop: &CancellationToken) {
        match start(self.worker) {
            Ok(process) => self.attend(process, stop).await,
            Err(error) => {
                tracing::error!(error = %error, "jobs that workers died with wait: no process could be started for them");
            }
        }
    }

    async fn attend(&self, mut process: Child, stop: &CancellationToken) {
        // Taken out, for waiting would close it.
        let input = process.stdin.take();
        let ended = tokio::select! {
            ended = process.wait() => Some(ended),
            () = stop.cancelled() => None,
            () = self.until_stuck() => {
                tracing::error!("the process that runs alone is stuck, and is killed");
                // The value kills its process when it goes.
                return;
            }
        };
        drop(input);
        let ended = match ended {
            Some(ended) => Ok(ended),
            None if self.drain.is_cancelled() => {
                tokio::time::timeout(self.grace + LAST_WORDS, process.wait()).await
            }
            // Only this lease has ended: the next one does not wait for the process, which finishes its job.
            None => {
                tokio::spawn(async move { process.wait().await });
                return;
            }
        };
        match ended {
            Ok(Ok(status)) => report(status),
            // The value kills its process when it goes.
            Ok(Err(_)) | Err(_) => {
                tracing::error!("the process that runs alone did not end, and is killed")
            }
        }
    }

    /// Ends when the process has held no lease for too long. A database that does not answer says nothing about it.
    async fn until_stuck(&self) {
        let mut seen = Moment::now();
        while seen.elapsed() < STUCK {
            tokio::time::sleep(LOOK).await;
            let has_started = queue::has_started(&self.database, self.worker).await;
            if has_started.unwrap_or(true) {
                seen = Moment::now();
            }
        }
    }
}

fn start(worker: WorkerId) -> std::io::Result<Child> {
    Command::new(program()?)
        .arg0("casehug-worker")
        .args(["run-alone", "--started-by", &worker.0.to_string()])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// This program, though its file was replaced since it started.
fn program() -> std::io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe()
}

fn report(status: ExitStatus) {
    if !status.success() {
        tracing::error!(%status, "the process that runs alone died");
    }
}
