//! The whole system for a test, a bench or the demo: a database, the simulator, ingress and workers as real processes.

mod api;
mod audit;
mod browser;
mod program;
mod provider;
mod records;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::cluster::Cluster;
use crate::template::{migration_files, template};
use crate::{Database, Process, Tokens, built_program, eventually, free_port, repository};

pub use api::Answer;
pub use audit::audit;
pub use program::Program;
pub use provider::Platform;
pub use records::{Matter, Person, Upload};
pub use settings::{AppSettings, PUBLIC_URL};

/// Its row is in no migration: the shipped programs do not know the word.
const TEST_PLATFORM: &str =
    "insert into platforms (platform, cap, counted_by, pace) values ('test', 4, 'client', 300)
     on conflict do nothing";
/// A program is ready within this, also on a busy machine.
const START: Duration = Duration::from_secs(40);
/// A program that was asked to end has ended within this.
const STOP: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct App {
    pub settings: AppSettings,
    pub tokens: Tokens,
    pub http: reqwest::Client,
    pub admin: PgPool,
    pub database: Database,
    pub simulator: Process,
    pub ingress: Process,
    pub workers: Vec<Process>,
    pub folder: PathBuf,
    simulator_address: String,
    ingress_port: u16,
    ingress_ops_port: u16,
    worker_ops_ports: Vec<u16>,
    started: usize,
}

impl App {
    /// Starts everything in `folder`, on a copy of the migrated template.
    pub async fn start(cluster: &Cluster, folder: &Path, settings: AppSettings) -> Result<Self> {
        let database = Database::from_template(cluster, &migrated(cluster).await?).await?;
        Self::start_on(database, folder, settings).await
    }

    /// Starts everything in `folder`, on this database.
    pub async fn start_on(
        database: Database,
        folder: &Path,
        settings: AppSettings,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder.join("files"))?;
        std::fs::create_dir_all(folder.join("logs"))?;
        let tokens = settings.tokens();
        let admin = PgPoolOptions::new()
            .max_connections(4)
            .connect(database.admin_url())
            .await?;
        if settings.test_platform {
            sqlx::query(TEST_PLATFORM).execute(&admin).await?;
        }
        let (simulator, simulator_address) = start_simulator(folder, &settings).await?;
        let (ingress_port, ingress_ops_port) = (free_port()?, free_port()?);
        let mut environment = settings.ingress(&database, &simulator_address, ingress_port);
        environment.push(("OPS_LISTEN".into(), format!("127.0.0.1:{ingress_ops_port}")));
        let program = settings.program("casehug-ingress")?;
        let ingress = start_program(&program, "ingress", &environment, folder)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let mut app = Self {
            settings,
            tokens,
            http,
            admin,
            database,
            simulator,
            ingress,
            workers: Vec::new(),
            folder: folder.to_owned(),
            simulator_address,
            ingress_port,
            ingress_ops_port,
            worker_ops_ports: Vec::new(),
            started: 0,
        };
        for _ in 0..app.settings.workers {
            app.start_worker().await?;
        }
        app.wait_ready(app.ingress_ops_port, &app.ingress).await?;
        Ok(app)
    }

    /// Starts one more worker and waits until it is ready.
    pub async fn start_worker(&mut self) -> Result<()> {
        let settings = self.settings.clone();
        self.start_worker_with(&settings).await
    }

    /// Starts one more worker with settings of its own.
    pub async fn start_worker_with(&mut self, settings: &AppSettings) -> Result<()> {
        let ops_port = free_port()?;
        let mut environment =
            settings.worker(&self.database, &self.simulator_address, &self.folder);
        environment.push(("OPS_LISTEN".into(), format!("127.0.0.1:{ops_port}")));
        self.started += 1;
        let name = format!("worker-{}", self.started);
        let program = settings.program("casehug-worker")?;
        let worker = start_program(&program, &name, &environment, &self.folder)?;
        self.workers.push(worker);
        self.worker_ops_ports.push(ops_port);
        let started = self.workers.last().context("a worker was started")?;
        self.wait_ready(ops_port, started).await
    }

    /// Asks everything to end, workers first, and waits for it; what does not end is killed.
    pub async fn stop(self) {
        let programs = self.workers.iter().chain([&self.ingress, &self.simulator]);
        for program in programs {
            if program.terminate().is_ok() {
                program.wait(STOP).await.ok();
            }
        }
        self.admin.close().await;
    }

    /// A program that has ended is not waited for.
    async fn wait_ready(&self, ops_port: u16, program: &Process) -> Result<()> {
        let url = format!("http://127.0.0.1:{ops_port}/readyz");
        let ready = eventually(START, || async {
            let answer = self.http.get(&url).send().await;
            let ready = answer.is_ok_and(|answer| answer.status().is_success());
            (ready || !program.is_running()).then_some(ready)
        });
        if ready.await.unwrap_or(false) {
            return Ok(());
        }
        let lines = program.lines();
        let last = lines.last().map_or("nothing", String::as_str);
        let (name, logs) = (program.name(), self.folder.join("logs"));
        anyhow::bail!(
            "{name} is not ready; it wrote last: {last}; its log is in {}",
            logs.display()
        )
    }

    /// The public address of ingress.
    pub fn ingress_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ingress_port)
    }

    /// Ingress's health, readiness and metrics.
    pub fn ingress_ops_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ingress_ops_port)
    }

    /// The simulator's own address, past any proxy.
    pub fn simulator_url(&self) -> String {
        format!("http://{}", self.simulator_address)
    }

    /// The workers' health, readiness and metrics.
    pub fn worker_ops_urls(&self) -> Vec<String> {
        self.worker_ops_ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect()
    }

    /// Where a proxy finds the simulator.
    pub fn simulator_socket(&self) -> Result<std::net::SocketAddr> {
        Ok(self.simulator_address.parse()?)
    }

    /// The simulator's record of this run.
    pub fn record(&self) -> PathBuf {
        self.folder.join("provider-requests.jsonl")
    }
}

/// The name of the migrated template of this cluster.
pub async fn migrated(cluster: &Cluster) -> Result<String> {
    let migrations = repository()?.join("migrations");
    ensure_newer(&built_program("casehug-worker")?, &migrations)?;
    template(cluster, &migrations, migrate).await
}

/// The program carries its migrations: an older one would make a template under a newer one's name.
fn ensure_newer(program: &Path, migrations: &Path) -> Result<()> {
    let built = program.metadata()?.modified()?;
    for file in migration_files(migrations)? {
        anyhow::ensure!(
            file.metadata()?.modified()? <= built,
            "{} is newer than {}: build it first (tests/run does)",
            file.display(),
            program.display()
        );
    }
    Ok(())
}

/// Applies the migrations, by the program that does it in production.
pub async fn migrate(url: String) -> Result<()> {
    let status = tokio::process::Command::new(built_program("casehug-worker")?)
        .arg("migrate")
        .env("DATABASE_URL", url)
        .env_remove("DATABASE_DIRECT_URL")
        .kill_on_drop(true)
        .status()
        .await?;
    anyhow::ensure!(
        status.success(),
        "casehug-worker migrate ended with {status}"
    );
    Ok(())
}

fn start_program(
    program: &Path,
    name: &str,
    environment: &[(String, String)],
    folder: &Path,
) -> Result<Process> {
    let arguments: [&str; 0] = [];
    Process::spawn(name, program, &arguments, environment, &folder.join("logs"))
}

async fn start_simulator(folder: &Path, settings: &AppSettings) -> Result<(Process, String)> {
    let record = folder.join("provider-requests.jsonl");
    let state = folder.join("simulator");
    let lag = settings.search_lag.as_millis().to_string();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--record",
        record.to_str().context("the folder's name is no text")?,
        "--state",
        state.to_str().context("the folder's name is no text")?,
        "--search-lag-ms",
        &lag,
    ];
    let program = built_program("simulator")?;
    let process = Process::spawn("simulator", &program, &arguments, &[], &folder.join("logs"))?;
    let line = process
        .wait_for_line(|line| line.contains("listening"), START)
        .await?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    let address = line["listening"]
        .as_str()
        .context("the simulator's first line")?
        .to_owned();
    Ok((process, address))
}
