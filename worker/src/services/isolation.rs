//! Isolation: starts a process of its own for suspects, jobs that two workers died with.
//!
//! The process is this program again. It ends when no suspect waits any more, and when its standard input does: a worker that is killed
//! takes it along.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use shared::db::Database;
use shared::queue;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Between two looks for suspects, and before a process is started again.
const LOOK: Duration = Duration::from_secs(2);
/// What a process that has been told to end needs beyond its own grace time.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(crate) struct Isolation {
    database: Database,
    grace: Duration,
}

impl Isolation {
    /// `grace`: for how long a process that is told to end may finish its job.
    pub(crate) fn new(database: Database, grace: Duration) -> Self {
        Self { database, grace }
    }

    /// Ends when it is stopped, and the process with it.
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
        match start() {
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
        };
        drop(input);
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => tokio::time::timeout(self.grace + LAST_WORDS, process.wait()).await,
        };
        match ended {
            Ok(Ok(status)) => report(status),
            // The value kills its process when it goes.
            Ok(Err(_)) | Err(_) => {
                tracing::error!("the process that runs alone did not end, and is killed")
            }
        }
    }
}

fn start() -> std::io::Result<Child> {
    let program = std::env::current_exe()?;
    Command::new(program)
        .arg("run-alone")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

fn report(status: ExitStatus) {
    if !status.success() {
        tracing::error!(%status, "the process that runs alone died: the job that it ran is given up");
    }
}
