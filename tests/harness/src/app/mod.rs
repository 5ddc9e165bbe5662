//! The whole system for a test, a bench or the demo: a database, the Clio simulator, ingress and workers as real processes.

mod api;
mod browser;
mod clio;
mod records;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::cluster::Cluster;
use crate::{Database, Process, Tokens, built_program, eventually, free_port, template};

pub use api::Answer;
pub use records::{Matter, Person, Upload};
pub use settings::{AppSettings, PUBLIC_URL};

/// A program is ready within this, also on a busy machine.
const START: Duration = Duration::from_secs(40);

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
    started: usize,
}

impl App {
    /// Starts everything in `folder`, on a copy of the migrated template.
    pub async fn start(cluster: &Cluster, folder: &Path, settings: AppSettings) -> Result<Self> {
        let database = Database::from_template(cluster, &migrated(cluster).await?).await?;
        Self::start_on(database, folder, settings).await
    }

    /// Starts everything in `folder`, on this database.
    pub async fn start_on(database: Database, folder: &Path, settings: AppSettings) -> Result<Self> {
        std::fs::create_dir_all(folder.join("files"))?;
        std::fs::create_dir_all(folder.join("logs"))?;
        let tokens = settings.tokens();
        let admin = PgPoolOptions::new().max_connections(4).connect(database.admin_url()).await?;
        let (simulator, simulator_address) = start_simulator(folder, &settings).await?;
        let (ingress_port, ingress_ops_port) = (free_port()?, free_port()?);
        let mut environment = settings.ingress(&database, &simulator_address, ingress_port);
        environment.push(("OPS_LISTEN".into(), format!("127.0.0.1:{ingress_ops_port}")));
        let ingress = start_program("casehug-ingress", "ingress", &environment, folder)?;
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
            started: 0,
        };
        for _ in 0..app.settings.workers {
            app.start_worker().await?;
        }
        app.wait_ready(app.ingress_ops_port, "ingress").await?;
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
        let worker = start_program("casehug-worker", &name, &environment, &self.folder)?;
        self.workers.push(worker);
        self.wait_ready(ops_port, &name).await
    }

    async fn wait_ready(&self, ops_port: u16, name: &str) -> Result<()> {
        let url = format!("http://127.0.0.1:{ops_port}/readyz");
        eventually(START, || async {
            self.http.get(&url).send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await
        .with_context(|| format!("{name} is not ready; its log is in {}", self.folder.display()))?;
        Ok(())
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

    /// The simulator's record of this run.
    pub fn record(&self) -> PathBuf {
        self.folder.join("provider-requests.jsonl")
    }
}

/// The name of the migrated template of this cluster.
pub async fn migrated(cluster: &Cluster) -> Result<String> {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    template(cluster, &migrations, |url| async move {
        let status = tokio::process::Command::new(built_program("casehug-worker")?)
            .arg("migrate")
            .env("DATABASE_URL", url)
            .status()
            .await?;
        anyhow::ensure!(status.success(), "casehug-worker migrate ended with {status}");
        Ok(())
    })
    .await
}

fn start_program(
    program: &str,
    name: &str,
    environment: &[(String, String)],
    folder: &Path,
) -> Result<Process> {
    let arguments: [&str; 0] = [];
    Process::spawn(name, &built_program(program)?, &arguments, environment, &folder.join("logs"))
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
    let line = process.wait_for_line(|line| line.contains("listening"), START).await?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    let address = line["listening"].as_str().context("the simulator's first line")?.to_owned();
    Ok((process, address))
}
