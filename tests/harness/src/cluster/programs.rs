//! Where PostgreSQL's server programs are; `deploy/postgres.sh` looks in the same places.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
const ELSEWHERE: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/// A folder that holds all the programs of one version, side by side.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// `PG_BIN`, then `PATH`, then the packagers' folders, newest version first.
    pub(super) fn find() -> Result<Self> {
        let named = env::var_os("PG_BIN").map(PathBuf::from);
        named
            .into_iter()
            .chain(on_path())
            .chain(packaged())
            .find(|folder| NEEDED.iter().all(|program| folder.join(program).is_file()))
            .map(|folder| Self { folder })
            .context("no PostgreSQL server programs found: `. deploy/postgres.sh; find_postgres` installs them, or set PG_BIN")
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// Links are followed, because the siblings stand at the real place.
fn on_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok())
        .filter_map(|program| program.parent().map(Path::to_path_buf))
        .collect()
}

fn packaged() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = ELSEWHERE
        .iter()
        .filter_map(|base| fs::read_dir(base).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found
        .into_iter()
        .map(|(_, folder)| folder.join("bin"))
        .collect()
}

/// `15` and `postgresql@15` are folders of version 15; others are no version of PostgreSQL.
fn version(name: &str) -> Option<u32> {
    name.strip_prefix("postgresql@")
        .unwrap_or(name)
        .parse()
        .ok()
}
