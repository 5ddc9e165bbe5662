//! A database of its own for one test; it goes when the value goes. The demo's stays.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, raw_sql};

use crate::cluster::Cluster;

#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    admin_url: String,
    server_url: String,
    stays: bool,
}

impl Database {
    /// An empty database that the app owns; `name` becomes part of its name.
    pub async fn create(cluster: &Cluster, name: &str) -> Result<Self> {
        Self::make(cluster, name, "template1").await
    }

    /// A copy of a [`crate::template`].
    pub async fn from_template(cluster: &Cluster, template: &str) -> Result<Self> {
        Self::make(cluster, "test", template).await
    }

    /// A database of this very name, which must be there; it stays when the value goes.
    pub fn lasting(cluster: &Cluster, name: &str) -> Self {
        let mut database = Self::named(cluster, name.to_owned());
        database.stays = true;
        database
    }

    async fn make(cluster: &Cluster, name: &str, template: &str) -> Result<Self> {
        let database = Self::named(cluster, unique(name));
        let mut server = connect(&database.server_url).await?;
        create(&mut server, &database.name, template).await?;
        server.close().await?;
        Ok(database)
    }

    fn named(cluster: &Cluster, name: String) -> Self {
        Self {
            url: cluster.app_url(&name),
            admin_url: cluster.admin_url(&name),
            server_url: cluster.admin_url("postgres"),
            stays: false,
            name,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the app's login role.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// As superuser, for looking past row level security.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }
}

/// A `Drop` cannot wait, so a thread of its own does; a stopped server keeps the database.
impl Drop for Database {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let (url, name) = (self.server_url.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut server = connect(&url).await?;
                drop_database(&mut server, &name).await?;
                server.close().await.context("leave the server")
            })
        });
        dropping.join().ok();
    }
}

pub(crate) async fn connect(url: &str) -> Result<PgConnection> {
    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    options
        .disable_statement_logging()
        .connect()
        .await
        .context("connect to the private cluster")
}

pub(crate) async fn create(server: &mut PgConnection, name: &str, template: &str) -> Result<()> {
    let statement = format!(r#"create database "{name}" owner casehug template "{template}""#);
    raw_sql(AssertSqlSafe(statement))
        .execute(server)
        .await
        .with_context(|| format!("create database {name} from {template}"))?;
    Ok(())
}

pub(crate) async fn drop_database(server: &mut PgConnection, name: &str) -> Result<()> {
    let statement = format!(r#"drop database if exists "{name}" with (force)"#);
    raw_sql(AssertSqlSafe(statement))
        .execute(server)
        .await
        .context("drop a database")?;
    Ok(())
}

/// Unique over all programs that share the cluster.
fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!(
        "{name}_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
