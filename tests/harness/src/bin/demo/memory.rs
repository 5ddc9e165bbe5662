//! What the next run finds: the demo's database, the files, and what the simulator holds.
//!
//! They know each other's ids, so they carry one mark. If a half is missing or of another time
//! (a person has deleted a folder), both begin anew, because half a memory would duplicate or miss
//! records.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use harness::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

pub(crate) const DATABASE: &str = "casehug_demo";
const MARK: &str = "simulator/demo-mark";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Kept,
    New,
}

/// Makes the database and the folders, unless those of an earlier run are whole.
pub(crate) async fn prepare(cluster: &Cluster, folder: &Path) -> Result<Memory> {
    let mut server = PgConnection::connect(&cluster.admin_url("postgres")).await?;
    let marked = fs::read_to_string(folder.join(MARK)).ok();
    let memory = if marked.is_some() && mark(&mut server).await? == marked {
        Memory::Kept
    } else {
        begin_anew(&mut server, folder).await?;
        Memory::New
    };
    server.close().await?;
    Ok(memory)
}

/// The mark that the database carries, if it is there.
async fn mark(server: &mut PgConnection) -> Result<Option<String>> {
    let found: Option<Option<String>> = sqlx::query_scalar(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = $1",
    )
    .bind(DATABASE)
    .fetch_optional(server)
    .await
    .context("look for the demo's database")?;
    Ok(found.flatten())
}

/// The mark in the folder is written last: a run that ends before begins anew once more.
async fn begin_anew(server: &mut PgConnection, folder: &Path) -> Result<()> {
    for name in ["simulator", "files"] {
        let folder = folder.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", folder.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&folder)?;
        // A person's own documents lie in both.
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    }
    let mark: String = sqlx::query_scalar("select gen_random_uuid()::text")
        .fetch_one(&mut *server)
        .await?;
    for statement in [
        format!("drop database if exists {DATABASE} with (force)"),
        format!("create database {DATABASE} owner casehug"),
        format!("comment on database {DATABASE} is '{mark}'"),
    ] {
        raw_sql(AssertSqlSafe(statement))
            .execute(&mut *server)
            .await
            .context("make the demo's database")?;
    }
    fs::write(folder.join(MARK), mark).context("write the demo's mark")
}
