//! A private PostgreSQL cluster in one folder, on a free loopback port.
//!
//! The owner holds a lock on the folder; a second program that starts a cluster in the same folder
//! is a guest: it uses the owner's server and never stops it.
//! The program that gets the lock first stops a server that an earlier owner left behind.
//! The server ends with its owner, also when the owner is killed (`guard.rs`).

mod account;
mod data;
mod programs;
mod server;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use account::Account;
use programs::Programs;
use server::{Recipe, Server};

use crate::eventually::eventually_blocking;

const OTHER_OWNER: Duration = Duration::from_secs(90);

/// For throw-away clusters: a crash of the machine may cost the data, a crash of the server not.
pub const FAST: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    // A program that is frozen while it logs in would keep all others from creating a database for a minute.
    ("authentication_timeout", "5s"),
];

/// How a server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Waits for all clients to leave.
    Smart,
    /// Cuts the clients, writes everything out.
    Fast,
    /// As by a crash; the next start recovers.
    Immediate,
}

impl Mode {
    fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::TERM,
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
        }
    }
}

/// Blocks its thread while starting and stopping (about a second).
#[derive(Debug)]
pub struct Cluster {
    recipe: Recipe,
    password: String,
    owned: Option<Owned>,
    /// Kept over a stop, so that addresses handed out stay good for [`Cluster::start_again`].
    port: Mutex<u16>,
}

#[derive(Debug)]
struct Owned {
    server: Mutex<Option<Server>>,
    _lock: File,
}

impl Cluster {
    /// Starts the cluster in `dir`, making it if it is not there. `settings` go before all others.
    pub fn start(dir: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let dir = fs::canonicalize(dir)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("owner.lock"))?;
        let recipe = recipe(&dir, settings)?;
        let met = eventually_blocking(OTHER_OWNER, || match lock.try_lock() {
            Ok(()) => Some(None),
            Err(_) => server::ready_port(&recipe.data()).map(Some),
        });
        match met.context("another program holds the cluster's folder but runs no server")? {
            None => Self::own(recipe, lock),
            Some((_, port)) => Self::join(recipe, port),
        }
    }

    fn own(recipe: Recipe, lock: File) -> Result<Self> {
        server::stop_stale(&recipe.data())?;
        let password = data::prepare(&recipe.programs, &recipe.account, &recipe.home)?;
        let server = recipe.start()?;
        let port = Mutex::new(server.port);
        let owned = Some(Owned {
            server: Mutex::new(Some(server)),
            _lock: lock,
        });
        Ok(Self {
            recipe,
            password,
            owned,
            port,
        })
    }

    fn join(recipe: Recipe, port: u16) -> Result<Self> {
        let password = fs::read_to_string(recipe.home.join("password"))?;
        Ok(Self {
            recipe,
            password,
            owned: None,
            port: Mutex::new(port),
        })
    }

    /// The superuser's address of a database.
    pub fn admin_url(&self, database: &str) -> String {
        self.url("postgres", database)
    }

    /// The app's address of a database: no superuser, no bypass of row level security.
    pub fn app_url(&self, database: &str) -> String {
        self.url("casehug", database)
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!(
            "postgres://{role}:{}@127.0.0.1:{}/{database}",
            self.password,
            self.port()
        )
    }

    pub fn port(&self) -> u16 {
        *self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        match &self.owned {
            Some(owned) => owned.server().as_ref().map(Server::pid),
            None => server::ready_port(&self.recipe.data()).map(|(pid, _)| pid),
        }
    }

    /// What the server wrote, of all its starts.
    pub fn log_path(&self) -> PathBuf {
        self.recipe.log.clone()
    }

    pub fn stop(&self, mode: Mode) -> Result<()> {
        let owned = self
            .owned
            .as_ref()
            .context("the server belongs to another program")?;
        let mut server = owned.server();
        if let Some(running) = server.as_mut() {
            running.stop(mode)?;
        }
        *server = None;
        Ok(())
    }

    /// Starts the stopped server, on the same port if that is still free.
    pub fn start_again(&self) -> Result<()> {
        let owned = self
            .owned
            .as_ref()
            .context("the server belongs to another program")?;
        let mut server = owned.server();
        if server.is_none() {
            let started = self.recipe.start()?;
            *self.port.lock().unwrap_or_else(PoisonError::into_inner) = started.port;
            *server = Some(started);
        }
        Ok(())
    }
}

impl Owned {
    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recipe(dir: &Path, settings: &[(&str, &str)]) -> Result<Recipe> {
    let (account, home) = Account::choose(dir)?;
    Ok(Recipe {
        programs: Programs::find()?,
        account,
        home,
        log: dir.join("postgres.log"),
        settings: settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Only root can run a program as another user; without root there is nothing to test.
    #[test]
    fn another_user_runs_the_cluster_elsewhere_if_he_cannot_enter_the_folder() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let (account, home) = account::other_user("nobody", dir.path()).unwrap();
        let programs = Programs::find().unwrap();
        let log = dir.path().join("postgres.log");
        let recipe = Recipe {
            programs,
            account,
            home: home.clone(),
            log,
            settings: Vec::new(),
        };

        data::prepare(&recipe.programs, &recipe.account, &home).unwrap();
        recipe.start().unwrap();

        assert!(home.starts_with("/var/tmp"));
        fs::remove_dir_all(home).unwrap();
    }
}
