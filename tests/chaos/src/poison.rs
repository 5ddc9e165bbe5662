//! A job that takes its process down with it. The product has no code that crashes, so the process that leases the marked lane is
//! killed from outside, each time, before it has read the file: two workers, then the process in which the job runs alone. After that
//! the job must be failed, and the lane free.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::app::Matter;
use harness::kill9_started;

use crate::faults::kill_and_start_again;
use crate::load::{Event, deliver};
use crate::system::ChaosSystem;

/// Large enough that its measuring alone takes longer than the look at who holds the lane; it takes no room on the disk.
const FILE_BYTES: u64 = 512 * 1024 * 1024;
const LOOK: Duration = Duration::from_millis(5);
/// A worker that has not been killed three times by then never will be. The document waits for its matter first. The matter may meet a provider
/// that hangs, one that is cut off and one that applies late, with growing pauses between: four minutes and a half were seen. Given up too soon,
/// the document goes through, as it should, and the run counts it as lost, because it expects no bytes of it.
const PATIENCE: Duration = Duration::from_mins(9);

pub(crate) async fn run(system: &Arc<ChaosSystem>) -> Result<()> {
    let matter = system.poisoned;
    let upload = upload(system, matter).await?;
    deliver(Arc::clone(system), Event::created(matter), 1).await;
    deliver(
        Arc::clone(system),
        Event::approved(matter, upload, String::new()),
        2,
    )
    .await;
    let killing = async {
        while !is_failed(system, upload).await {
            if let Some(pid) = holder(system, upload).await {
                kill(system, pid).await?;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, killing)
        .await
        .context("the bad job has not failed")?
}

async fn upload(system: &ChaosSystem, matter: Matter) -> Result<uuid::Uuid> {
    let upload = system
        .app
        .upload(matter, "film.mp4", Some("video/mp4"), b"")
        .await?;
    let path = system.app.file_of(&upload)?;
    File::options()
        .write(true)
        .open(path)?
        .set_len(FILE_BYTES)?;
    Ok(upload.id)
}

async fn is_failed(system: &ChaosSystem, upload: uuid::Uuid) -> bool {
    let failed = sqlx::query_scalar(
        "select exists (select 1 from jobs where upload_id = $1 and state = 'failed')",
    );
    let failed = failed.bind(upload).fetch_one(&system.app.admin);
    failed.await.unwrap_or(false)
}

async fn holder(system: &ChaosSystem, upload: uuid::Uuid) -> Option<u32> {
    let holder = sqlx::query_scalar(
        "select w.name from jobs j join lanes l on l.running_job = j.id join workers w on w.id = l.worker where j.upload_id = $1",
    );
    let name: String = holder
        .bind(upload)
        .fetch_optional(&system.app.admin)
        .await
        .ok()??;
    name.strip_prefix("casehug-worker/")?.parse().ok()
}

/// Kills no process when the worker is dead already and only its row is left. One that is no worker of ours was started by one.
async fn kill(system: &ChaosSystem, pid: u32) -> Result<()> {
    for node in system.workers() {
        let mut program = node.program.lock().await;
        if program.process().pid() == pid && program.process().is_running() {
            return kill_and_start_again(system, node, &mut program).await;
        }
    }
    if runs_alone(pid) {
        kill9_started(pid)?;
    }
    Ok(())
}

fn runs_alone(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words
        .split(|byte| *byte == 0)
        .any(|word| word == b"run-alone")
}
