//! The migrated database that tests copy, made once per cluster and state of `migrations/`.
//!
//! Its name carries a hash of the migrations' content, so a changed migration makes a new one.
//! It is built under another name and renamed last: a database of this name is always whole.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

use crate::cluster::Cluster;
use crate::database::{connect, create, drop_database};

/// Only templates are built under this lock; the number means nothing.
const LOCK: i64 = 0x0063_6173_6568_7567;

const BUILDING: &str = "casehug_building";
const PREFIX: &str = "casehug_template_";

/// The template's name. `migrate` gets the app's address of an empty database, and runs only if
/// no other program has built the template meanwhile.
pub async fn template<F, Done>(cluster: &Cluster, migrations: &Path, migrate: F) -> Result<String>
where
    F: FnOnce(String) -> Done,
    Done: Future<Output = Result<()>>,
{
    let name = format!("{PREFIX}{:016x}", fingerprint(migrations)?);
    let mut server = connect(&cluster.admin_url("postgres")).await?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut server)
        .await?;
    if !exists(&mut server, &name).await? {
        drop_older(&mut server).await?;
        create(&mut server, BUILDING, "template1").await?;
        migrate(cluster.app_url(BUILDING))
            .await
            .context("migrate the template database")?;
        finish(&mut server, &name).await?;
    }
    server.close().await?;
    Ok(name)
}

async fn exists(server: &mut PgConnection, name: &str) -> Result<bool> {
    let found = sqlx::query_scalar("select exists(select from pg_database where datname = $1)");
    found
        .bind(name)
        .fetch_one(server)
        .await
        .context("look for the template database")
}

/// Half-built ones too: their builder has died, or it would hold the lock.
async fn drop_older(server: &mut PgConnection) -> Result<()> {
    let older: Vec<String> = sqlx::query_scalar(
        "select datname::text from pg_database where starts_with(datname::text, $1) or datname = $2",
    )
    .bind(PREFIX)
    .bind(BUILDING)
    .fetch_all(&mut *server)
    .await?;
    for name in older {
        drop_database(server, &name).await?;
    }
    Ok(())
}

/// A database with connections can neither be renamed nor copied.
async fn finish(server: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1")
        .bind(BUILDING)
        .execute(&mut *server)
        .await?;
    let rename = format!(r#"alter database "{BUILDING}" rename to "{name}""#);
    raw_sql(AssertSqlSafe(rename))
        .execute(server)
        .await
        .context("name the template database")?;
    Ok(())
}

fn fingerprint(migrations: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in migration_files(migrations)? {
        file.strip_prefix(migrations)?.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Every SQL file of the folder and those below it, in order: migrations and functions.
pub(crate) fn migration_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder)
        .with_context(|| format!("read the migrations in {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(migration_files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
