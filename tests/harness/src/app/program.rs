//! An ingress or a worker beside those that [`App`] starts by itself: it can die and be started again, with the same settings and
//! ports, as a supervisor would do it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{App, AppSettings, start_program};
use crate::{Process, free_port};

#[derive(Debug)]
pub struct Program {
    name: String,
    file: PathBuf,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    port: Option<u16>,
    ops_port: u16,
    process: Process,
}

impl App {
    /// Starts a worker and does not wait for it.
    pub fn launch_worker(&self, name: &str, settings: &AppSettings) -> Result<Program> {
        let environment = settings.worker(&self.database, &self.simulator_address, &self.folder);
        let file = settings.program("casehug-worker")?;
        Program::start(name, file, environment, &self.folder, None)
    }

    /// Starts an ingress and does not wait for it.
    pub fn launch_ingress(&self, name: &str, settings: &AppSettings) -> Result<Program> {
        let port = free_port()?;
        let environment = settings.ingress(&self.database, &self.simulator_address, port);
        let file = settings.program("casehug-ingress")?;
        Program::start(name, file, environment, &self.folder, Some(port))
    }

    /// Waits until the program says that it is ready.
    pub async fn program_ready(&self, program: &Program) -> Result<()> {
        self.wait_ready(program.ops_port, &program.process).await
    }
}

impl Program {
    fn start(
        name: &str,
        file: PathBuf,
        mut environment: Vec<(String, String)>,
        folder: &Path,
        port: Option<u16>,
    ) -> Result<Self> {
        let ops_port = free_port()?;
        environment.push(("OPS_LISTEN".into(), format!("127.0.0.1:{ops_port}")));
        let process = start_program(&file, name, &environment, folder)?;
        Ok(Self {
            name: name.to_owned(),
            file,
            environment,
            folder: folder.to_owned(),
            port,
            ops_port,
            process,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends what may still run, and starts it again.
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.is_running() {
            self.process.kill9()?;
        }
        self.process = start_program(&self.file, &self.name, &self.environment, &self.folder)?;
        Ok(())
    }

    /// The public address; a worker has none.
    pub fn url(&self) -> Option<String> {
        self.port.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Health, readiness and metrics.
    pub fn ops_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ops_port)
    }
}
