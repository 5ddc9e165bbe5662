//! A private Redis in one folder, on a free loopback port: with an append-only file, and killed as often as one likes.
//!
//! It ends with its value, also when the program is killed (`guard.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Process, free_port};

const START: Duration = Duration::from_secs(30);
/// The machine may be busy.
const ANSWER: Duration = Duration::from_secs(5);
/// A server that keeps what it takes.
const SETTINGS: [(&str, &str); 5] = [
    ("bind", "127.0.0.1"),
    ("save", ""),
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("maxmemory-policy", "noeviction"),
];

#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    process: Mutex<Process>,
}

impl Redis {
    /// A server that keeps what it takes.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// The same with more settings; they go before its own.
    pub async fn start_with(folder: &Path, more: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let settings: Vec<_> = SETTINGS
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let process = spawn(folder, port, &settings)?;
        let redis = Self {
            folder: folder.to_owned(),
            port,
            settings,
            process: Mutex::new(process),
        };
        redis.wait_until_ready().await?;
        Ok(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `SIGKILL`, and waits until it is gone.
    pub fn kill9(&self) -> Result<()> {
        self.process().kill9()
    }

    /// The same data on the same port again; returns when it answers.
    pub async fn start_again(&self) -> Result<()> {
        let started = spawn(&self.folder, self.port, &self.settings)?;
        *self.process() = started;
        self.wait_until_ready().await
    }

    /// Stands still, as a machine does that swaps.
    pub fn freeze(&self) -> Result<()> {
        self.process().stop()
    }

    /// Goes on.
    pub fn thaw(&self) -> Result<()> {
        self.process().resume()
    }

    /// Sends one command, past all programs.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let client = redis::Client::open(self.url())?;
        let patient = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await?;
        let (name, arguments) = words.split_first().context("a command has a name")?;
        let mut command = redis::cmd(name);
        command.arg(arguments);
        Ok(command.query_async(&mut connection).await?)
    }

    /// How many entries a stream has.
    pub async fn length(&self, stream: &str) -> Result<usize> {
        self.ask(&["XLEN", stream]).await
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let ready = crate::eventually(START, || async {
            let answered: Result<String> = self.ask(&["PING"]).await;
            (answered.is_ok() || !self.process().is_running()).then_some(answered)
        });
        ready.await?.map(|_| ()).with_context(|| {
            format!(
                "redis-server did not start: {}",
                self.process().lines().join("\n")
            )
        })
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `REDIS_SERVER` as `deploy/redis.sh` finds it, else whatever is on the path.
fn spawn(folder: &Path, port: u16, settings: &[(String, String)]) -> Result<Process> {
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let mut arguments = vec![
        "--port".to_owned(),
        port.to_string(),
        "--dir".to_owned(),
        folder.display().to_string(),
    ];
    for (name, value) in settings {
        arguments.extend([format!("--{name}"), value.clone()]);
    }
    Process::spawn(
        "redis",
        Path::new(&program),
        &arguments,
        &[],
        &folder.join("logs"),
    )
    .context("`. deploy/redis.sh; find_redis` installs redis-server")
}
