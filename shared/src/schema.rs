//! The schema's version: applying migrations, and refusing to run below what the schema asks for.

use std::time::Duration;

use sqlx::{Connection, PgConnection, migrate::Migrator};

/// What this code can live with; a schema that asks for more refuses it.
pub const CODE_VERSION: i32 = 1;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

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
            Err(SchemaError::Migrate(sqlx::migrate::MigrateError::Execute(error)))
                if is_lock_timeout(&error) && tries < TRIES =>
            {
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
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
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
