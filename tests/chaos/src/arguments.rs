//! What the run is asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use harness::app::Platform;

use crate::sabotage::Sabotage;

/// With a safeguard off the run has to fail, and soon: longer it need not play.
const SABOTAGED_LENGTH: Duration = Duration::from_secs(80);

#[derive(Debug, clap::Parser)]
#[command(name = "chaos", about = "Breaks the service under load")]
pub(crate) struct Arguments {
    /// How often a worker or ingress is killed at a random moment.
    #[arg(long, default_value_t = 40)]
    pub(crate) kills: usize,
    /// Decides what is broken when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long the load lasts.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) minutes: f64,
    /// Keeps everything here; else a folder of its own that goes when the run is green.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// All firms are on this platform; else half of them on each.
    #[arg(long, env = "PLATFORM")]
    pub(crate) platform: Option<OnePlatform>,
    /// Takes one safeguard away: the run must fail.
    #[arg(long, env = "SABOTAGE")]
    pub(crate) sabotage: Option<Sabotage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnePlatform {
    Clio,
    Test,
}

impl Arguments {
    /// The platform of the firm with this number.
    pub(crate) fn platform_of(&self, firm: u64) -> Platform {
        match self.platform {
            Some(OnePlatform::Clio) => Platform::Clio,
            Some(OnePlatform::Test) => Platform::Test,
            None if firm.is_multiple_of(2) => Platform::Clio,
            None => Platform::Test,
        }
    }

    pub(crate) fn length(&self) -> Duration {
        let asked = Duration::from_secs_f64(self.minutes * 60.0);
        match self.sabotage {
            Some(_) => asked.min(SABOTAGED_LENGTH),
            None => asked,
        }
    }

    pub(crate) fn folder(&self) -> Result<Folder> {
        let Some(folder) = &self.folder else {
            return Ok(Folder::Own(tempfile::tempdir()?));
        };
        if folder.join("ledgers").exists() {
            bail!("{} holds another run's ledgers", folder.display());
        }
        std::fs::create_dir_all(folder)?;
        Ok(Folder::Given(std::fs::canonicalize(folder)?))
    }
}

#[derive(Debug)]
pub(crate) enum Folder {
    Own(tempfile::TempDir),
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }

    /// A failed run's ledgers stay to be looked at.
    pub(crate) fn end(self, green: bool) {
        match self {
            Self::Own(folder) if !green => {
                let kept = folder.keep();
                crate::ledger::say(&format!("what happened is kept in {}", kept.display()));
            }
            Self::Own(_) | Self::Given(_) => {}
        }
    }
}
