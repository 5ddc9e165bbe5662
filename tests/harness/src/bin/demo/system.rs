//! Everything that runs for the demo, under one folder; it goes when the value goes.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use anyhow::{Context, Result, bail};
use harness::{App, AppSettings, Cluster, Database, app};

use crate::memory::{self, DATABASE, Memory};
use crate::say;

/// A person who stops the demo does not wait longer for a transfer under way; it is resumed later.
const GRACE: &str = "5";

/// Fields are dropped in this order: the programs first, the lock on the folder last.
#[derive(Debug)]
pub(crate) struct DemoSystem {
    pub(crate) app: App,
    _cluster: Cluster,
    _lock: File,
}

impl DemoSystem {
    pub(crate) async fn set(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let folder = fs::canonicalize(folder)?;
        let lock = lock(&folder)?;
        say(format!(
            "The demo keeps everything in {}.\n",
            folder.display()
        ))?;
        say("Starting PostgreSQL, Clio's simulator, ingress and a worker")?;
        let (cluster, lock) = start_cluster(folder.join("postgres"), lock).await?;
        if memory::prepare(&cluster, &folder).await? == Memory::Kept {
            say("  an earlier run's records are found and used again")?;
        }
        app::migrate(cluster.app_url(DATABASE)).await?;
        forget_outputs(&folder)?;
        let database = Database::lasting(&cluster, DATABASE);
        let app = App::start_on(database, &folder, settings()).await?;
        Ok(Self {
            app,
            _cluster: cluster,
            _lock: lock,
        })
    }

    /// Ends what runs, politely.
    pub(crate) async fn clear(self) {
        self.app.stop().await;
    }
}

/// Held as long as the demo runs, also when it is killed.
fn lock(folder: &Path) -> Result<File> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("demo.lock"))
        .context("open the demo's lock")?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "a demo is already running in {}; stop it first",
                folder.display()
            )
        }
        Err(fs::TryLockError::Error(error)) => Err(error).context("lock the demo's folder"),
    }
}

/// A start cannot be interrupted. If the caller does not wait for its end, the server is stopped as
/// soon as it has started, because its value is dropped. The lock is held until then.
async fn start_cluster(folder: std::path::PathBuf, lock: File) -> Result<(Cluster, File)> {
    let starting = tokio::task::spawn_blocking(move || {
        Cluster::start(&folder, &[]).map(|cluster| (cluster, lock))
    });
    starting.await.context("start PostgreSQL")?
}

/// Logs and record are this run's alone.
fn forget_outputs(folder: &Path) -> Result<()> {
    fs::remove_file(folder.join("provider-requests.jsonl")).ok();
    fs::remove_dir_all(folder.join("logs")).ok();
    fs::create_dir_all(folder.join("logs")).context("create the folder of the logs")
}

/// As the product has them by default.
fn settings() -> AppSettings {
    AppSettings {
        concurrency: 64,
        budget: "50/60s".into(),
        caller_limit: 600,
        more: [("RUST_LOG", "info"), ("SHUTDOWN_GRACE_SECONDS", GRACE)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..AppSettings::default()
    }
}
