//! As whom the server runs: PostgreSQL refuses to run as root.
//!
//! For root the ways are tried in this order: a user namespace (root's files stay root's, only the
//! name is gone, so it works in folders that others cannot enter); another user, in the same
//! folder if he can reach it; another user, in a folder under `/var/tmp`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

const USERS: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    Own,
    Namespace,
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account, and the folder below which it can keep the cluster.
    pub(super) fn choose(dir: &Path) -> Result<(Self, PathBuf)> {
        if !rustix::process::geteuid().is_root() {
            return Ok((Self::Own, dir.to_path_buf()));
        }
        let mut refused = match Self::Namespace.reaches(dir) {
            Ok(()) => return Ok((Self::Namespace, dir.to_path_buf())),
            Err(error) => vec![format!("{error:#}")],
        };
        for user in USERS {
            match other_user(user, dir) {
                Ok(found) => return Ok(found),
                Err(error) => refused.push(format!("{error:#}")),
            }
        }
        bail!(
            "root cannot run PostgreSQL, and no other way works: {}",
            refused.join("; ")
        )
    }

    /// A command that runs `program` under this account, with the same process id.
    pub(super) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Namespace => {
                let mut command = Command::new("unshare");
                command.arg("--user").arg(program);
                command
            }
            Self::Other { uid, gid } => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={uid}"))
                    .arg(format!("--regid={gid}"));
                command.arg("--clear-groups").arg(program);
                command
            }
        }
    }

    /// Makes an existing file or folder the account's own.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        match self {
            Self::Own | Self::Namespace => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("give {} to user {uid}", path.display())),
        }
    }

    /// Makes the folder and gives it to the account; another user's folder, or a link, is refused.
    fn prepare(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let found = fs::symlink_metadata(folder)?;
        let trusted = match self {
            Self::Other { uid, .. } => [0, *uid].contains(&found.uid()),
            Self::Own | Self::Namespace => true,
        };
        ensure!(
            found.is_dir() && trusted,
            "{} is not ours",
            folder.display()
        );
        self.give(folder)?;
        self.reaches(folder)
    }

    fn reaches(&self, dir: &Path) -> Result<()> {
        let output = self
            .command(Path::new("test"))
            .arg("-w")
            .arg(dir)
            .output()
            .with_context(|| format!("{self:?} cannot be tried"))?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{self:?} cannot write {}: {words}",
            dir.display()
        );
        Ok(())
    }
}

pub(super) fn other_user(user: &str, dir: &Path) -> Result<(Account, PathBuf)> {
    let account = Account::Other {
        uid: id("-u", user)?,
        gid: id("-g", user)?,
    };
    let mut refusal = String::new();
    for folder in [dir.join(user), reachable(user, dir)] {
        match account.prepare(&folder) {
            Ok(()) => return Ok((account, folder)),
            Err(error) => refusal = format!("{error:#}"),
        }
        fs::remove_dir(&folder).ok();
    }
    bail!(refusal)
}

fn id(what: &str, user: &str) -> Result<u32> {
    let output = Command::new("id")
        .args([what, user])
        .output()
        .context("run id")?;
    let words = String::from_utf8_lossy(&output.stdout);
    words
        .trim()
        .parse()
        .with_context(|| format!("there is no user {user}"))
}

/// The same folder each time, so that a second run finds the first one's data.
fn reachable(user: &str, dir: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    PathBuf::from(format!("/var/tmp/casehug-{user}-{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_account_is_not_root() {
        let dir = tempfile::tempdir().unwrap();

        let (account, home) = Account::choose(dir.path()).unwrap();
        let output = account.command(Path::new("id")).arg("-u").output().unwrap();

        assert!(home.exists());
        assert_ne!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    }
}
