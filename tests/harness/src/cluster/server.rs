//! One running `postgres`, in the foreground as our child.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Mode;
use super::account::Account;
use super::data::plain;
use super::programs::Programs;
use crate::eventually::eventually_blocking;
use crate::guard::Guard;
use crate::process::free_port;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
const PORT_TRIES: usize = 5;

/// No client data may reach the server log: no statement, no parameter, no row of an error.
const SETTINGS: [&str; 12] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_error_verbosity=terse",
    "log_statement=none",
    "log_min_duration_statement=-1",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
    "log_min_error_statement=panic",
    "logging_collector=off",
];

/// What is needed to start a server, again and again.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) programs: Programs,
    pub(super) account: Account,
    pub(super) home: PathBuf,
    pub(super) log: PathBuf,
    pub(super) settings: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    guard: Option<Guard>,
    pub(super) port: u16,
}

impl Recipe {
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// On the last port if it is free, so that addresses stay good over a restart.
    pub(super) fn start(&self) -> Result<Server> {
        let mut refusal = anyhow!("no port was tried");
        for attempt in 0..PORT_TRIES {
            let port = if attempt == 0 { self.last_port() } else { None };
            let port = port.map_or_else(free_port, Ok)?;
            match self.start_on(port) {
                Ok(server) => return Ok(server),
                Err(error) if format!("{error:#}").contains("could not bind") => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    fn last_port(&self) -> Option<u16> {
        let port = fs::read_to_string(self.home.join("port"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        std::net::TcpListener::bind(("127.0.0.1", port))
            .ok()
            .map(|_| port)
    }

    fn start_on(&self, port: u16) -> Result<Server> {
        let logged = fs::metadata(&self.log).map_or(0, |log| log.len());
        let child = self.command(port)?.spawn().context("start postgres")?;
        let guard = Some(Guard::over(child.id(), "INT")?);
        let mut server = Server { child, guard, port };
        let ended = eventually_blocking(START, || match server.child.try_wait() {
            Ok(None) => is_ready(&self.data(), server.pid()).then_some(None),
            ended => Some(Some(ended)),
        });
        match ended {
            Some(None) => {
                fs::write(self.home.join("port"), port.to_string())?;
                Ok(server)
            }
            Some(Some(_)) => bail!("postgres did not start: {}", tail(&self.log, logged)),
            None => bail!(
                "postgres was not ready in {START:?}: {}",
                tail(&self.log, logged)
            ),
        }
    }

    fn command(&self, port: u16) -> Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = plain(self.account.command(&self.programs.path("postgres")));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(command)
    }
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn stop(&mut self, mode: Mode) -> Result<()> {
        signal(self.pid(), mode.signal())?;
        let ended = eventually_blocking(STOP, || self.child.try_wait().ok().flatten());
        ended.with_context(|| format!("postgres did not stop in {STOP:?}"))?;
        self.guard = None;
        Ok(())
    }
}

/// A server never outlives its owner, and is never left half-stopped.
impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.stop(Mode::Fast).is_err() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Ends a server that an earlier owner left behind (he and the guard were killed).
pub(super) fn stop_stale(data: &Path) -> Result<()> {
    let Some(pid) = pid_in_file(data).filter(|pid| serves(*pid, data)) else {
        return Ok(());
    };
    signal(pid, Mode::Fast.signal())?;
    eventually_blocking(STOP, || (!serves(pid, data)).then_some(()))
        .with_context(|| format!("the earlier postgres ({pid}) does not stop"))
}

/// The port of the server that another program runs here, once it is ready.
pub(super) fn ready_port(data: &Path) -> Option<(u32, u16)> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = file.lines().collect();
    let ready = lines.get(7)?.trim() == "ready";
    ready.then_some((lines.first()?.parse().ok()?, lines.get(3)?.parse().ok()?))
}

fn is_ready(data: &Path, pid: u32) -> bool {
    ready_port(data).is_some_and(|(ready, _)| ready == pid)
}

fn pid_in_file(data: &Path) -> Option<u32> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    file.lines().next()?.parse().ok()
}

/// A process id may have been given to another program since; its command line tells.
fn serves(pid: u32, data: &Path) -> bool {
    let listed = Command::new("ps")
        .args(["-o", "args=", "-p", &pid.to_string()])
        .output();
    listed.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains(&*data.to_string_lossy())
    })
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("a process id is not zero")?;
    kill_process(pid, signal).with_context(|| format!("signal postgres ({pid:?})"))
}

fn tail(log: &Path, from: u64) -> String {
    let text = fs::read(log).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[from..]).trim().to_owned()
}
