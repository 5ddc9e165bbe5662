//! The schema's version: applying migrations and functions, and refusing to run below what the schema asks for.
//!
//! Tables, indexes and types are in timestamped files, which are never edited once they were applied anywhere. Functions are in
//! `migrations/functions`, one a file, and are replaced as a whole when any of them has changed.
//!
//! A program that meets migrations newer than its own is an older release, after a rollback: it leaves schema and functions as they
//! are. What it calls is still there, because a function whose arguments or meaning change gets a new name.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Connection, PgConnection, raw_sql};

use crate::crypto::hex;

/// What this code can live with; a schema that asks for more refuses it.
pub const CODE_VERSION: i32 = 1;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Name and text of each function's file, `grants.sql` last.
static FUNCTIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/functions.rs"));

/// A DDL statement waits at most this long for its lock, so that it never queues readers behind itself for long.
const LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";
const TRIES: u32 = 30;

/// Why a program may not start on this database.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The schema needs newer code.
    #[error(
        "the schema asks for code version {wanted}, this program is {CODE_VERSION}: deploy a newer one"
    )]
    CodeTooOld {
        /// `schema_info.min_code_version`.
        wanted: i32,
    },
    /// Migrations did not go through.
    #[error("migrations failed")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database did not answer.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Applies what is missing, with a short lock timeout, again and again until it goes through or tries run out.
///
/// # Errors
/// The last refusal.
pub async fn migrate(database_url: &str) -> Result<(), SchemaError> {
    let mut tries = 0;
    loop {
        match migrate_once(database_url).await {
            Err(
                SchemaError::Migrate(MigrateError::Execute(error)) | SchemaError::Database(error),
            ) if is_lock_timeout(&error) && tries < TRIES => {
                tries += 1;
                tracing::warn!(
                    tries,
                    "a migration waited too long for a lock, trying again"
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => return other,
        }
    }
}

async fn migrate_once(database_url: &str) -> Result<(), SchemaError> {
    let mut connection = PgConnection::connect(database_url).await?;
    sqlx::query(LOCK_TIMEOUT).execute(&mut connection).await?;
    if is_newer_than_this(&mut connection).await? {
        tracing::warn!("the schema is newer than this program and stays as it is");
    } else {
        MIGRATIONS.run(&mut connection).await?;
        apply_functions(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Whether a newer release has migrated this database.
async fn is_newer_than_this(connection: &mut PgConnection) -> Result<bool, SchemaError> {
    connection
        .ensure_migrations_table(&MIGRATIONS.table_name)
        .await?;
    let applied = connection
        .list_applied_migrations(&MIGRATIONS.table_name)
        .await?;
    let newest_here = MIGRATIONS.iter().map(|migration| migration.version).max();
    let newest_there = applied.iter().map(|migration| migration.version).max();
    Ok(newest_there > newest_here)
}

/// Replaces all functions in one commit, when any of them differs from what was applied last.
async fn apply_functions(connection: &mut PgConnection) -> Result<(), SchemaError> {
    let wanted = functions_hash();
    let mut transaction = connection.begin().await?;
    // The row's lock lets one program at a time in.
    let applied: Option<String> =
        sqlx::query_scalar("select functions_hash from schema_info for update")
            .fetch_one(&mut *transaction)
            .await?;
    if applied.as_deref() == Some(wanted.as_str()) {
        return Ok(());
    }
    // In whatever order they come: a body may name a function of a later file.
    raw_sql("set local check_function_bodies = off")
        .execute(&mut *transaction)
        .await?;
    for (name, text) in FUNCTIONS {
        raw_sql(*text)
            .execute(&mut *transaction)
            .await
            .inspect_err(|_| tracing::error!(file = name, "a function was refused"))?;
    }
    sqlx::query("update schema_info set functions_hash = $1")
        .bind(&wanted)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    tracing::info!(functions = FUNCTIONS.len() - 1, "functions applied");
    Ok(())
}

/// Changes with any file's name or text.
fn functions_hash() -> String {
    let mut hasher = Sha256::new();
    for (name, text) in FUNCTIONS {
        hasher.update(format!("{name}\n{}\n{text}", text.len()));
    }
    hex(&hasher.finalize())
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|e| e.code())
        .is_some_and(|code| code == "55P03")
}

/// Refuses a schema that asks for newer code. Older and newer schemas within reach are fine: that is what rolling deploys need.
///
/// # Errors
/// [`SchemaError::CodeTooOld`], or the database's own refusal.
pub async fn check(database: &crate::db::Database) -> Result<(), SchemaError> {
    let mut worker = database.worker().await?;
    let wanted = sqlx::query_scalar!("select min_code_version from schema_info")
        .fetch_one(&mut *worker)
        .await?;
    if wanted > CODE_VERSION {
        Err(SchemaError::CodeTooOld { wanted })
    } else {
        Ok(())
    }
}

/// Waits until the database is there and its schema is one that this code can live with: a program starts before its database.
///
/// # Errors
/// [`SchemaError::CodeTooOld`] alone: waiting would not mend it.
pub async fn wait_until_good(database: &crate::db::Database) -> Result<(), SchemaError> {
    loop {
        match check(database).await {
            Ok(()) => return Ok(()),
            Err(error @ SchemaError::CodeTooOld { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(error = %error, "waiting for the database and its schema");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
