//! The data directory: made once, whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::account::Account;
use super::programs::Programs;
use crate::clock;

/// The first locale that the machine has; `C.UTF-8` also knows the case of letters beyond ASCII.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Makes the data directory and both login roles, unless it is there. Answers the roles' password.
pub(super) fn prepare(programs: &Programs, account: &Account, home: &Path) -> Result<String> {
    let password_file = home.join("password");
    let data = home.join("data");
    if data.join("PG_VERSION").exists() {
        return fs::read_to_string(&password_file).context("read the cluster's password");
    }
    let password = clock::random_hex();
    write_private(&password_file, &password)?;
    account.give(&password_file)?;
    let fresh = home.join("data.new");
    initdb(programs, account, &fresh, &password_file)?;
    create_app_role(programs, account, &fresh, &password)?;
    fs::rename(&fresh, &data).context("put the new data directory in its place")?;
    Ok(password)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn initdb(programs: &Programs, account: &Account, data: &Path, password: &Path) -> Result<()> {
    let mut words = String::new();
    for locale in LOCALES {
        fs::remove_dir_all(data).ok();
        let output = plain(account.command(&programs.path("initdb")))
            .arg("--pgdata")
            .arg(data)
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--locale={locale}"))
            .args([
                "--username=postgres",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-sync",
            ])
            .output()
            .context("run initdb")?;
        if output.status.success() {
            return Ok(());
        }
        words = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    anyhow::bail!("initdb refused: {words}")
}

/// The app's login owns its databases and may create its three roles, and is nothing more.
/// Because it inherits nothing, not even what a database's owner may do in `public`, that schema
/// is given to it in the template of all databases.
fn create_app_role(
    programs: &Programs,
    account: &Account,
    data: &PathBuf,
    password: &str,
) -> Result<()> {
    let mut server = plain(account.command(&programs.path("postgres")))
        .args(["--single", "-c", "log_min_error_statement=panic", "-D"])
        .arg(data)
        .arg("template1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("run postgres --single")?;
    let statements = format!(
        "create role casehug login noinherit createrole nosuperuser nobypassrls \
         password '{password}'\nalter schema public owner to casehug\n"
    );
    let mut input = server
        .stdin
        .take()
        .context("postgres --single has no input")?;
    input.write_all(statements.as_bytes())?;
    drop(input);
    let output = server.wait_with_output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    let good = output.status.success() && !words.contains("ERROR");
    ensure!(good, "creating the role casehug failed: {words}");
    Ok(())
}

/// The caller's settings (`PGPORT`, `PGOPTIONS`, locale) must not reach the private cluster, nor
/// does his Ctrl-C: an `initdb` that is cut short would only be tried again with the next locale.
pub(super) fn plain(mut command: Command) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command.process_group(0);
    command
}
