//! Redis as the second inbox: a place-holder until the service has one; the run is then given the harness's own guard of it.
//! Started with `--redis` only, so that a run does not claim what it did not break.

use std::path::Path;

use anyhow::Result;
use harness::{Process, free_port};

#[derive(Debug)]
pub(crate) struct Redis {
    process: Process,
    port: u16,
    folder: std::path::PathBuf,
}

impl Redis {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        Ok(Self {
            process: spawn(folder, port)?,
            port,
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`, and the same data again.
    pub(crate) fn kill_and_start_again(&mut self) -> Result<()> {
        self.process.kill9()?;
        self.process = spawn(&self.folder, self.port)?;
        Ok(())
    }
}

fn spawn(folder: &Path, port: u16) -> Result<Process> {
    let (port, dir) = (port.to_string(), folder.display().to_string());
    let arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--dir",
        &dir,
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ];
    Process::spawn(
        "redis",
        Path::new("redis-server"),
        &arguments,
        &[],
        &folder.join("logs"),
    )
}
